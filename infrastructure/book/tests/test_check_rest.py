"""Rules on proofs, modes, secrets and CI: each catches its mutations and no near miss."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from damaged import Copy, Damage, adds, both, caught, edit, edits, everywhere, git, removes
from forking import IMPORTS

from book.chain.chain import Book
from book.check import lock
from book.check.extras import extras
from book.check.finding import Finding, Rule
from book.check.leaks import secrets
from book.check.modes import modes, typed
from book.check.proofs import proofs
from book.check.stages import stages
from book.stage.processes import Processes

POSIX = pytest.mark.skipif(os.name != "posix", reason="a file has no such mode elsewhere")
ONE, TWO = "chapters/chapter-01-production-mindset", "chapters/chapter-02-reliability"
PROOFS, STEP, RUN = f"{ONE}/proofs.toml", f"{TWO}/with-timeouts", ".ci/run"
WORKFLOW = ".github/workflows/tests.yml"
STEPS = "chapters/chapter-02-reliability/steps.toml"
PROJECT = "chapters/chapter-02-reliability/pyproject.toml"
STORM = "chapters/chapter-02-reliability/incidents/rate_limit_storm.py"
SOLVES = 'solves = ["rate-limit-storm"]\n'
OWN = Book.find().root / ".uv" / ("Scripts" if os.name == "nt" else "bin")  # as make sets it up
UV = shutil.which("uv") or shutil.which("uv", path=OWN)
CHECK = 'make check DRAW=$DRAW_S UNJUDGED=0.1 | tee "$checked"\n'
# Put together here, so that no file holds a text of such a shape.
DRAWN = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7"  # pragma: allowlist secret
KEYS = [
    f"sk-ant-api03-{DRAWN}",
    f"sk-proj-{DRAWN}",
    "AKIA" + "Q7Z2M5X8R1T4V6B9",
    f"ghp_{DRAWN}{DRAWN[:9]}",
    f"github_pat_{DRAWN}",
    f"glpat-{DRAWN}",
    "xoxb-" + "1234567890-abcdefghij",
    f"AIza{DRAWN}{DRAWN[:8]}",
    f"hf_{DRAWN}{DRAWN[:9]}",
    "-----BEGIN RSA " + "PRIVATE KEY-----",
    "-----BEGIN " + "PRIVATE KEY-----",
    "postgresql://agent:" + "hunter2@db.internal/agent",
    "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIn0." + DRAWN,
    f'API_KEY = "{DRAWN}"',
    f"password: {DRAWN}",
    f"Authorization: Bearer {DRAWN}",
    "client_secret=" + "9f86d081884c7d659a2feaa0c55ad015",  # pragma: allowlist secret
]


def linked(name: str, to: str) -> Damage:
    def damage(root: Path) -> None:
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(to)

    return damage


def tracked(name: str) -> Damage:
    def damage(root: Path) -> None:
        git(root, "add", "-f", name)

    return damage


def mode(name: str, bits: int) -> Damage:
    return lambda root: (root / name).chmod(bits)


@pytest.mark.parametrize(
    ("rule", "damage", "where", "mend"),
    [
        (proofs, edits(PROOFS, "incident:hung-api", "incident:hung-apj"), f"{PROOFS}:", "hung-api"),
        (proofs, edits(PROOFS, '"error-spike",\n', ""), f"{PROOFS}:", "planned"),
        (proofs, edits(PROOFS, '"make runbooks",\n', ""), f"{PROOFS}:", "planned"),
        (proofs, edits(PROOFS, "planned = [", 'planned = [\n    "hung-api",'), PROOFS, "remove it"),
        (proofs, edits(PROOFS, "planned = [", 'planned = [\n    "x-y",'), PROOFS, "remove it"),
        (proofs, edits(PROOFS, "planned = [", 'planned = [\n    "leaked-key",'), PROOFS, "one of"),
        (
            proofs,
            edits(f"{TWO}/steps.toml", '"hung-api", ', '"hung-api", "leaked-key", '),
            f"{PROOFS}:",
            "remove it from planned",
        ),
        (typed, removes(f"{TWO}/reliability/py.typed"), f"{TWO}/reliability/py.typed", "touch"),
        (
            typed,
            removes("infrastructure/mock-claude/mock_claude/py.typed"),
            "infrastructure/mock-claude/mock_claude/py.typed",
            "touch",
        ),
        (secrets, both(adds(".env", "X=1\n"), tracked(".env")), ".env", ".gitignore"),
        (secrets, adds(f"{STEP}/.env.local", "X=1\n"), f"{STEP}/.env.local", ".gitignore"),
        (secrets, adds("infrastructure/tls/server.pem", "x\n"), "infrastructure/tls", "git rm"),
        # Servers of a chapter: not taken, only one of two, or taken for nothing.
        (extras, edits(STEPS, SOLVES, f'{SOLVES}services = ["redis"]\n'), PROJECT, "book[redis]"),
        (
            extras,
            both(
                edits(STEPS, SOLVES, f'{SOLVES}services = ["postgres", "prometheus"]\n'),
                edits(PROJECT, '"book", ', '"book[redis]", '),
                edits(STORM, "settings={", 'own=("redis",),\n    settings={'),
            ),
            PROJECT,
            "book[postgres,redis]",
        ),
        (extras, edits(PROJECT, '"book", ', '"book[redis,telemetry]", '), PROJECT, "leave redis"),
        # CI: dropped, commented out, excused, only printed, weaker, or only at night.
        (stages, edits(RUN, CHECK, ""), RUN, "make check"),
        (stages, edits(RUN, CHECK, f"# {CHECK}"), RUN, "make check"),
        (stages, edits(RUN, CHECK, "make check || true\n"), f"{RUN}:", "exit code"),
        (stages, edits(RUN, CHECK, 'echo "make check"\n'), RUN, "make check"),
        (stages, edits(RUN, CHECK, '[ -n "$FULL" ] && make check\n'), f"{RUN}:", "condition"),
        (stages, edits(RUN, CHECK, 'test -n "$FULL" && make check\n'), f"{RUN}:", "condition"),
        (stages, edits(RUN, CHECK, "false && make check\n"), f"{RUN}:", "condition"),
        (stages, edits(RUN, CHECK, f"if [ $FULL ]; then\n  {CHECK}fi\n"), f"{RUN}:", "condition"),
        (stages, edits(RUN, CHECK, "make check FAST=1\n"), RUN, "make check"),
        (stages, edits(RUN, CHECK, "make check SHARD=1/2\n"), RUN, "make check"),
        (stages, edits(RUN, CHECK, "make check UNJUDGED=1\n"), RUN, "make check"),
        (stages, edits(RUN, CHECK, "make check UNJUDGED=0.25\n"), RUN, "make check"),
        (stages, edits(RUN, ' "$check:make check DRAW=$DRAW_S"', ""), f"{RUN}:", "exit code"),
        (stages, edits(RUN, "set -uo pipefail\n", "set -u\n"), f"{RUN}:", "exit code"),
        (stages, edits(RUN, "make test-slow |", "true |"), RUN, "make test-slow"),
        (stages, edits(RUN, "make test |", "echo |"), RUN, "make test"),
        (stages, edits(RUN, "\nmake chapter-02 UNJUDGED=1\n", "\n"), RUN, "make chapter-02"),
        (stages, removes(RUN), RUN, "write it"),
        (stages, edits(WORKFLOW, "      - run: make check\n", ""), WORKFLOW, "make check"),
        (stages, edits(WORKFLOW, "- run: make test-slow", "- run: true"), WORKFLOW, "without if"),
        (stages, everywhere(WORKFLOW, "make test-slow", "true"), WORKFLOW, "make test-slow"),
        (
            stages,
            edits(WORKFLOW, "- run: make sdk-suite", "- run: make sdk-suite\n        if: false"),
            f"{WORKFLOW}:",
            "without if",
        ),
        (
            stages,
            edits(WORKFLOW, "  chain:\n", "  chain:\n    if: github.event_name == 'schedule'\n"),
            f"{WORKFLOW}:",
            "without if",
        ),
        (
            stages,
            edits(WORKFLOW, "  chain:\n", "  chain:\n    continue-on-error: true\n"),
            f"{WORKFLOW}:",
            "exit code",
        ),
        (stages, edits(WORKFLOW, "book test", "echo test"), WORKFLOW, "book test"),
        (stages, edits(WORKFLOW, "detect-secrets-hook", "true"), WORKFLOW, "detect-secrets"),
        (
            stages,
            edits(WORKFLOW, "make sdk-suite", "make sdk-suite | tee x"),
            WORKFLOW,
            "exit code",
        ),
        (stages, edits(WORKFLOW, "check EVERY=1", "check"), WORKFLOW, "EVERY=1"),
        (stages, edits(WORKFLOW, "check EVERY=1 FRESH=1", "check EVERY=1"), WORKFLOW, "FRESH=1"),
        (stages, edits(WORKFLOW, ', "4/4"', ""), f"{WORKFLOW}:", "4/4"),
        (stages, edits(WORKFLOW, '"2/4", ', ""), f"{WORKFLOW}:", "1/4 to 4/4"),
        (stages, edits(WORKFLOW, '"4/4"', '"3/3"'), f"{WORKFLOW}:", "1/4 to 4/4"),
        (stages, edits(WORKFLOW, "      - run: make mutation\n", ""), WORKFLOW, "mutation"),
        (stages, edits(WORKFLOW, "  pull_request:\n", ""), WORKFLOW, "pull_request"),
        (stages, edits(WORKFLOW, 'BOOK_EVERY: "1"', 'BOOK_EVERY: "0"'), WORKFLOW, "BOOK_EVERY"),
    ],
)
def test_a_mutation_is_caught_with_the_file_and_the_mend(
    copy: Copy, rule: Rule, damage: Damage, where: str, mend: str
) -> None:
    caught(copy, rule, damage, where, mend)


@POSIX
@pytest.mark.parametrize(
    ("damage", "where", "mend"),
    [
        (mode(f"{STEP}/agent.py", 0o755), f"{STEP}/agent.py", "chmod -x"),
        (mode(f"{STEP}/.env.example", 0o755), f"{STEP}/.env.example", "chmod -x"),
        (mode(RUN, 0o644), RUN, "chmod +x"),
        (linked(f"{STEP}/tools.py", "../with-retries/tools.py"), f"{STEP}/tools.py", "itself"),
        (linked(f"{STEP}/more", "../../.."), f"{STEP}/more", "itself"),
        (linked(f"{STEP}/notes.txt", "/nowhere/at/all"), f"{STEP}/notes.txt", "itself"),
        (
            both(
                edits("reference-agent/tools.py", '"""', '#!/usr/bin/env python\n"""'),
                edits(f"{STEP}/tools.py", '"""', '#!/usr/bin/env python\n"""'),
                mode("reference-agent/tools.py", 0o755),
                mode(f"{STEP}/tools.py", 0o755),
            ),
            f"{TWO}/with-retries/tools.py",
            "chmod +x",
        ),
    ],
)
def test_a_mode_or_a_link_is_caught(copy: Copy, damage: Damage, where: str, mend: str) -> None:
    found = copy.found(modes, damage)
    assert any(each.where == where and mend in each.mend for each in found), found


@pytest.mark.parametrize("key", KEYS, ids=lambda key: str(key)[:12])
def test_a_key_is_found_in_any_file_and_never_shown(copy: Copy, key: str) -> None:
    names = {"README.md", f"{STEP}/config.py", "infrastructure/Dockerfile", ".ci/run"}
    found = copy.found(secrets, both(*(adds(name, f"\n# {key}\n") for name in sorted(names))))
    assert {each.where.partition(":")[0] for each in found} == names
    for each in found:
        assert re.search(r":\d+$", each.where)
        assert "allowlist" in each.mend
        assert DRAWN not in each.what + each.mend
        assert "hunter2" not in each.what + each.mend


@pytest.mark.parametrize(
    "line",
    [
        "export ANTHROPIC_API_KEY=sk-ant-...",
        "any key but one that begins sk-ant-invalid",
        "ANTHROPIC_API_KEY=",
        f"API_KEY = '{DRAWN}'  # pragma: allowlist secret",
        f"# pragma: allowlist nextline secret\nAPI_KEY = '{DRAWN}'",
        "uses: actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683",
        "max_tokens = 1024, first_token_s = 0.4, key=lambda item: item.name",
        "POST /v1/messages/count_tokens /v1/messages/count_tokens",
        "password: your-password-goes-here-1234",
        "token = read_token_from_the_environment_2",
        "https://example.org:8080/a@b",
        "sk-" + "a" * 30,
    ],
)
def test_what_opens_nothing_is_no_secret(copy: Copy, line: str) -> None:
    assert copy.found(secrets, adds("README.md", f"\n{line}\n")) == []


@pytest.mark.parametrize(
    ("rule", "damage"),
    [
        (stages, edits(RUN, CHECK, "time nice make check EVERY=1\n")),
        (stages, edits(RUN, "\nmake chapter-02 UNJUDGED=1\n", "\nmake chapter-02 SEEDS=0-3\n")),
        (stages, edits(WORKFLOW, ', "4/4"]', ', "4/4"] # not 5/5')),
        (stages, edits(WORKFLOW, "make sdk-suite", "echo yes | make sdk-suite")),
        (stages, edits(WORKFLOW, "make chapter-02 SEEDS=0-9", "make chapter-02 SEEDS=0-99")),
        (proofs, edits(PROOFS, "incident:hung-api", "incident:happy-path")),
        (modes, adds(f"{STEP}/README.md", "\n#!/bin/sh\n")),
        (typed, adds("infrastructure/book/book/py.typed", "\n")),
    ],
)
def test_a_near_miss_is_not_found(copy: Copy, rule: Rule, damage: Damage) -> None:
    assert copy.found(rule, damage) == []


def locked(copy: Copy) -> list[Finding]:
    left_out: list[str] = []
    with Processes(IMPORTS, copy.root) as processes:
        found = [
            each
            for job in lock.lock_jobs(Book(copy.root), processes, left_out.append)
            for each in job.run()
        ]
    assert not left_out
    return found


@pytest.mark.skipif(UV is None, reason="uv is needed")
def test_a_lock_that_lags_behind_a_pyproject_is_found(
    copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(Path(str(UV)).parent), prepend=os.pathsep)
    assert locked(copy) == []
    known = '"tenacity>=9.2,<10"'
    edit(copy.root / f"{TWO}/pyproject.toml", known, f'{known}, "pluggy"')
    (found,) = locked(copy)
    assert (found.where, found.mend) == ("uv.lock", "uv lock")


def test_without_uv_the_lock_is_named_as_left_out(
    copy: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(copy.root))
    left_out: list[str] = []
    with Processes(IMPORTS, copy.root) as processes:
        assert list(lock.lock_jobs(Book(copy.root), processes, left_out.append)) == []
    assert len(left_out) == 1
    assert "uv lock --check" in left_out[0]


def test_a_chapter_that_takes_the_servers_it_names_is_as_it_should_be(copy: Copy) -> None:
    damage = both(
        edits(STEPS, SOLVES, f'{SOLVES}services = ["redis"]\n'),
        edits(STORM, "settings={", 'services=("postgres", "prometheus"),\n    settings={'),
        edits(PROJECT, '"book", ', '"book[postgres, redis]", '),
    )
    assert copy.found(extras, damage) == []
