"""Rules on what a first-time visitor meets: each catches its mutations, and no near miss."""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Iterator
from pathlib import Path

import pytest
from damaged import Copy, Damage, adds, both, caught, edit, edits, git
from rich.console import Console

from book.chain import without_make
from book.chain.chain import Book
from book.check import editions as printings
from book.check import reading
from book.check.chapters import chapters
from book.check.container import FILE as CONTAINER
from book.check.container import container
from book.check.editions import editions
from book.check.finding import Rule
from book.check.sentences import sentences
from book.check.targets import unnamed_targets
from book.check.told import told_figures

TWO = "chapters/chapter-02-reliability"
STEP, BREAKER = f"{TWO}/with-retries", f"{TWO}/with-circuit-breaker/README.md"
FENCE = "\n```console\n$ make list\n```\n"


@pytest.fixture
def tagged(copy: Copy) -> Iterator[Copy]:
    """The copy with two printings, older than the commit that it stands on."""
    for tag in ("edition-1.0", "edition-1.10", "edition-1.9", "edition-draft", "v2"):
        git(copy.root, "tag", tag)
    yield copy
    for tag in git(copy.root, "tag").split():
        git(copy.root, "tag", "-d", tag)


def told(name: str) -> Damage:
    """Give a printing its entry."""
    return adds("EDITIONS.md", f"\n## {name}, the first\n\nNothing.\n")


def without(name: str) -> Damage:
    return lambda root: (root / name).unlink()


def typed(root: Path) -> None:
    """Somebody's own figure in the first table."""
    path = root / "README.md"
    before, mark, table = path.read_text(encoding="utf-8").partition("<!-- generated: headlines")
    path.write_text(before + mark + table.replace("% |", "1% |", 1), encoding="utf-8")


def says(**fields: object) -> Damage:
    """Let the container's file say something else; a field of None is left out."""

    def damage(root: Path) -> None:
        path = root / CONTAINER
        read = json.loads(path.read_text(encoding="utf-8")) | fields
        kept = {name: value for name, value in read.items() if value is not None}
        path.write_text(json.dumps(kept), encoding="utf-8")

    return damage


@pytest.mark.parametrize(
    ("rule", "damage", "where", "mend"),
    [
        # A paragraph after a fence.
        (sentences, adds("README.md", f"{FENCE}\nlists all.\n"), "README.md:", "before the block"),
        (sentences, adds("README.md", f"{FENCE}lists all.\n"), "README.md:", "begin a sentence"),
        (sentences, adds("README.md", f"{FENCE}\n*lists* all.\n"), "README.md:", "begin"),
        (sentences, adds("README.md", f"{FENCE}\n[lists](LICENSE) all.\n"), "README.md:", "begin"),
        (sentences, adds("README.md", f"{FENCE}\n… and lists all.\n"), "README.md:", "begin"),
        (sentences, adds("README.md", f"{FENCE}\n> lists all.\n"), "README.md:", "begin"),
        (sentences, adds("README.md", f"{FENCE}\n<!-- x -->\nlists.\n"), "README.md:", "begin"),
        (sentences, adds("README.md", "\n- x\n\n  ```\n  y\n  ```\n  z it.\n"), "README.md:", ""),
        (sentences, adds(f"{TWO}/README.md", "\n~~~\nx\n~~~\n\nélève\n"), f"{TWO}/README.md:", ""),
        (sentences, adds("CONTRIBUTING.md", f"{FENCE}\nlists all.\n"), "CONTRIBUTING.md:", ""),
        # A target that nobody is told of.
        (unnamed_targets, adds("Makefile", "\nsecret:\n\techo x\n"), "Makefile:", "make secret"),
        (unnamed_targets, adds("Makefile", "\nold-%: list\n\techo x\n"), "Makefile:", "old-02"),
        (unnamed_targets, adds("Makefile", "\none two: list\n\techo x\n"), "Makefile:", "make two"),
        (unnamed_targets, adds("Makefile", "\n.PHONY: x\nx: ; echo\n"), "Makefile:", "make x"),
        (
            unnamed_targets,
            edits("Makefile", "make mutation         do", "the tests: do"),
            "Makefile:",
            "make mutation",
        ),
        # Chapters without steps.
        (
            chapters,
            edits("chapters/chapter-01-production-mindset/steps.toml", "measures =", "#"),
            "chapters/chapter-01-production-mindset/steps.toml",
            "measures =",
        ),
        # The container.
        (container, says(features={}), CONTAINER, "image"),
        (container, says(image="ubuntu"), CONTAINER, "postCreateCommand"),
        (container, says(image=None), CONTAINER, "image"),
        (container, says(postCreateCommand=7), CONTAINER, "no more"),
        (container, says(postCreateCommand="make everything"), f"{CONTAINER}:", "README"),
        (container, says(postCreateCommand="make list && pip install x"), f"{CONTAINER}:", "tell"),
        (container, edits(CONTAINER, '"name"', "name"), CONTAINER, "image"),
        # Figures of incidents.
        (told_figures, typed, "README.md:", "--measured"),
        (told_figures, edits("README.md", "a model call in ten", "each call"), "README.md:", "gen"),
        (told_figures, edits("README.md", "measured=", "measured=0"), "README.md:", "--measured"),
        (
            told_figures,
            edits(f"{TWO}/incidents/hung_api.toml", "probability", "probability  "),
            "README.md:",
            "book generate --measured",
        ),
        (told_figures, adds(f"{TWO}/reliability/timeouts.py", "\n# x\n"), "README.md:", "--meas"),
        (told_figures, adds(f"{STEP}/agent.py", "\n# x\n"), BREAKER, "--measured"),
        (told_figures, adds(f"{TWO}/incidents/search_outage.py", "\n# x\n"), BREAKER, "--meas"),
        (told_figures, edits("README.md", "of hung-api", "of hung-app"), "README.md:", "mark"),
        (told_figures, edits("README.md", "headlines of", "footnotes of"), "README.md:", "mark"),
        (told_figures, edits(BREAKER, "of search-outage", "of hung-api deploy-drain"), BREAKER, ""),
        (told_figures, edits(BREAKER, "of search-outage,", "of ,"), BREAKER, "correct its mark"),
        # Printings, in a clone without their tags.
        (editions, without("EDITIONS.md"), "EDITIONS.md", "write it"),
        (editions, edits("CITATION.cff", '"0.1.0"', "9"), "CITATION.cff:", "version: 0.1.0"),
    ],
)
def test_a_mutation_is_caught_with_the_file_and_the_mend(
    copy: Copy, rule: Rule, damage: Damage, where: str, mend: str
) -> None:
    caught(copy, rule, damage, where, mend)


@pytest.mark.parametrize(
    ("rule", "damage"),
    [
        (sentences, adds("README.md", f"{FENCE}\nLists all. `x`\n\nand so on, without a fence.\n")),
        (sentences, adds("README.md", f"{FENCE}\n`make list` lists all.\n")),
        (sentences, adds("README.md", f"{FENCE}\n- lists all\n\n## lists\n\n| a |\n|---|\n")),
        (sentences, adds("README.md", f"{FENCE}\n23 of them.\n")),
        (sentences, adds("README.md", "\n```\n```\n\n```\nlists all\n```\n")),
        (unnamed_targets, adds("Makefile", "\nneeded:\n\techo x\n\nlist: needed\n")),
        (unnamed_targets, adds("Makefile", "\n.venv/x: y\n\techo x\n\nNAME := a: b\n")),
        (
            unnamed_targets,
            both(adds("Makefile", "\ntold:\n\techo x\n"), adds(BREAKER, "\n`make told X=1`\n")),
        ),
        (container, without(CONTAINER)),
        (container, says(postCreateCommand="make list && make test")),
        (told_figures, adds(f"{TWO}/tests/test_events.py", "\n# x\n")),
        (told_figures, adds(f"{TWO}/incidents/deploy_drain.py", "\n# x\n")),
        (told_figures, adds(f"{TWO}/with-degradation/.env", "AGENT_RETRY__MAX_ATTEMPTS=2\n")),
        (editions, adds("EDITIONS.md", "\n## edition-7.0\n\nComing.\n")),
        (editions, without("CITATION.cff")),
    ],
)
def test_a_near_miss_is_not_found(copy: Copy, rule: Rule, damage: Damage) -> None:
    assert copy.found(rule, damage) == []


def test_the_figures_are_fresh_on_any_machine(copy: Copy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "python_version", lambda: "3.99.0")
    monkeypatch.setattr(platform, "system", lambda: "Plan9")
    assert list(told_figures(copy.book())) == []


def test_each_printing_has_its_entry_and_the_newest_is_cited(tagged: Copy) -> None:
    found = tagged.found(editions, told("edition-1.0"))
    assert [each.what for each in found] == [
        "the printing edition-1.9 has no entry",
        "the printing edition-1.10 has no entry",
        "the version to cite is 1.10, not 0.1.0",
    ]
    edit(tagged.root / "CITATION.cff", '"0.1.0"', "1.10")
    told("edition-1.9")(tagged.root)
    told("edition-1.10")(tagged.root)
    assert list(editions(tagged.book())) == []


def test_an_entry_is_a_heading_and_not_the_name_of_another(tagged: Copy) -> None:
    found = tagged.found(
        editions, adds("EDITIONS.md", "\nedition-1.9\n\n```\n# edition-1.0\n```\n")
    )
    assert [each.what[:24] for each in found[:2]] == [
        "the printing edition-1.0",
        "the printing edition-1.9",
    ]


def test_without_tags_it_says_that_it_could_not_look(copy: Copy) -> None:
    assert list(editions(copy.book())) == []
    (line,) = printings.not_looked(copy.book())
    assert "no tag edition-* is known here" in line


def test_check_shows_that_it_could_not_look_and_that_is_no_finding(copy: Copy) -> None:
    out = Console(file=io.StringIO(), width=100)
    reading.show(copy.book(), out, [], "the rest left out", 0.0)
    assert isinstance(out.file, io.StringIO)
    shown = out.file.getvalue()
    assert "no tag edition-* is known here" in shown
    assert "nothing found" in shown


def test_with_tags_it_says_nothing_of_the_kind(tagged: Copy) -> None:
    assert list(printings.not_looked(tagged.book())) == []


def test_without_git_there_are_no_tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert printings.tags(Book(tmp_path)) == []
    monkeypatch.setenv("PATH", "")
    assert printings.tags(Book(tmp_path)) == []


def test_the_table_without_make_has_both_commands_in_each_row() -> None:
    rows = without_make.table().splitlines()
    assert rows[:2] == ["| with make | without |", "|---|---|"]
    assert len(rows) == 2 + len(without_make.PAIRS)
    assert "| `make diff-02` | `uv run book diff 02` |" in rows


def test_the_devcontainer_is_ten_lines_at_most(copy: Copy) -> None:
    text = (copy.root / CONTAINER).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 10
    assert "features" not in json.loads(text)


def test_a_clone_of_the_workflow_fetches_the_tags(copy: Copy) -> None:
    workflow = (copy.root / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    chain = workflow.partition("\n  chain:\n")[2].partition("\n  pairs:\n")[0]
    # Up to v6.0.1 the action's fetch-tags does nothing unless the whole history is fetched.
    assert "fetch-depth: 0" in chain
    assert "make check" in chain
