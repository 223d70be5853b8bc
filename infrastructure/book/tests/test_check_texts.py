"""Rules on texts: each catches its mutations, wherever they stand, and no near miss."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from damaged import Copy, Damage, adds, both, caught, edit, edits

from book.check import figures, markdown
from book.check.counts import counts
from book.check.docstrings import docstrings
from book.check.finding import Rule
from book.check.links import links
from book.check.models import model_ids
from book.check.names import commands, named
from book.check.picture import picture
from book.check.readmes import notes, readme_sections

ONE, TWO = "chapters/chapter-01-production-mindset", "chapters/chapter-02-reliability"
RELY, STEP = f"{TWO}/reliability", f"{TWO}/with-retries"
README, SVG = f"{STEP}/README.md", "scoreboard.svg"
OLD = "claude-3-opus-20240229"


def section(title: str, text: str, name: str = README) -> Damage:
    """Give a section another text."""

    def damage(root: Path) -> None:
        path = root / name
        old = path.read_text(encoding="utf-8")
        new = re.sub(rf"(?ms)^(## {title}\n).*?(?=^## |\Z)", rf"\1\n{text}\n\n", old)
        assert new != old
        path.write_text(new, encoding="utf-8")

    return damage


def swap(root: Path) -> None:
    """Let the last step lose what the first one wins."""
    path = root / SVG
    text = path.read_text(encoding="utf-8")
    place = text.rindex('class="holds" data-')
    path.write_text(f'{text[:place]}class="misses{text[place + 12 :]}', encoding="utf-8")


MUTATIONS: list[tuple[Rule, Damage, str, str]] = [
    # Model ids, whatever the file is called and whoever's dress they wear.
    (model_ids, adds("Makefile", f"\nMODEL := {OLD}\n"), "Makefile:", "claude-sonnet-5-5"),
    (model_ids, adds("infrastructure/Dockerfile", f"ENV M={OLD}\n"), "infrastructure/Dock", "use"),
    (model_ids, edits(SVG, ">holds<", f">{OLD}<"), f"{SVG}:", "use one of"),
    (model_ids, adds("k8s/agent.yaml", "model: claude-opus-4-0\n"), "k8s/agent.yaml:1", "use"),
    (model_ids, adds(".ci/run", "# claude-instant-1.2\n"), ".ci/run:", "use one of"),
    (model_ids, adds("a.env", "M=anthropic.claude-3-5-sonnet-20241022-v2:0\n"), "a.env:1", "use"),
    (model_ids, adds("x.tf", 'm = "claude-opus-4-1@20250805"\n'), "x.tf:1", "use one of"),
    (model_ids, adds("run.sh", "export CLAUDE_3_OPUS=1\n"), "run.sh:1", "use one of"),
    (model_ids, adds("README.md", "\nAsk Claude 3.5 Sonnet.\n"), "README.md:", "use one of"),
    (model_ids, adds("README.md", "\nAsk Claude Opus 4.1.\n"), "README.md:", "use one of"),
    (model_ids, adds(f"{RELY}/events.py", "\n# claude-sonnet-latest\n"), f"{RELY}/", "use"),
    (model_ids, adds("x.toml", 'model = "claude-sonnet-9-*"\n'), "x.toml:1", "use one of"),
    # Links and anchors.
    (links, adds("README.md", "\n[x](CONTRIBUTING.md#wordz)\n"), "README.md:", "words"),
    (links, adds("README.md", "\n[x](#without-mak)\n"), "README.md:", "without-make"),
    (links, adds("README.md", "\n![x](scoreboard.png)\n"), "README.md:", "correct the path"),
    (links, adds("README.md", "\n[![x](scoreboard.svg)](none.md)\n"), "README.md:", "correct"),
    (links, adds("README.md", "\n[x]: tests/nothing.py\n"), "README.md:", "correct the path"),
    (links, adds("README.md", '\n<a href="none.md">x</a>\n'), "README.md:", "correct the path"),
    (links, adds(README, "\n[x](agent.py#L9999)\n"), f"{README}:", "#L1 to #L"),
    (links, adds(README, "\n[x](../README.md#problems)\n"), f"{README}:", "problem"),
    (
        links,
        both(
            edits("README.md", "(CONTRIBUTING.md)", "(CONTRIBUTING.md#words)"),
            edits("CONTRIBUTING.md", "## Words", "## Terms"),
        ),
        "README.md:",
        "terms",
    ),
    # Names that a reader types.
    (named, adds(README, "\n`make chapter-02 INCIDENT=hung-apj`\n"), f"{README}:", "hung-api"),
    (named, adds("README.md", "\n`INCIDENT=malformed-input`\n"), "README.md:", "one of"),
    (named, adds(README, "\n`make agent STEP=chapter-02/with-retry`\n"), f"{README}:", "with-ret"),
    (
        named,
        adds(README, "\n`book diff reference-agent chapter-02/with-retry`\n"),
        f"{README}:",
        "with-retries",
    ),
    (named, adds("README.md", "\nSee chapter-02/with-caches.\n"), "README.md:", ""),
    (named, adds("README.md", "\n`SET=AGENT_RETRY__ATTEMPTS=3`\n"), "README.md:", "did you mean"),
    (named, adds(README, "\nSet `AGENT_RETRIES__CAP_S`.\n"), f"{README}:", "AGENT_RETRY__CAP_S"),
    (named, adds(README, "\nSet AGENT_BREAKER__WINDOW_S.\n"), f"{README}:", ""),  # a later step's
    (named, adds(f"{TWO}/README.md", "\n`AGENT_RETRY_…`, `AGENT_CACHE_…`\n"), f"{TWO}/", ""),
    (named, adds("README.md", "\n`make chapter-01 INCIDENT=hung-api`\n"), "README.md:", "02 INC"),
    (commands, adds("README.md", "\n`make scorebord`\n"), "README.md:", "make help"),
    (commands, adds("README.md", "\n`make chapter-07`\n"), "README.md:", "make help"),
    (commands, adds(README, "\n`make chapter-02 SEDE=3`\n"), f"{README}:", "what it takes"),
    # Counts in prose.
    (
        counts,
        edits(f"{TWO}/README.md", "nine such failures", "ten such failures"),
        f"{TWO}/",
        "or leave",
    ),
    (counts, adds(f"{TWO}/README.md", "\nIt has six incidents.\n"), f"{TWO}/README.md:", "number"),
    (counts, adds("README.md", "\nThe sixty-one steps.\n"), "README.md:", "correct the number"),
    (counts, adds("README.md", "\nIt has **12** steps.\n"), "README.md:", "correct the number"),
    (counts, adds("README.md", "\nTen [incidents](x) here.\n"), "README.md:", "correct the"),
    (counts, adds("README.md", "\nThe chain has 12 steps.\n"), "README.md:", "correct the number"),
    (counts, adds("README.md", "\nOne of ten incidents.\n"), "README.md:", "correct the number"),
    (counts, adds("README.md", "\nTwelve chapters tell it.\n"), "README.md:", "correct the number"),
    (counts, adds("CONTRIBUTING.md", "\nThere are 26 tests.\n"), "CONTRIBUTING.md:", "leave the"),
    (
        counts,
        adds("README.md", "\n```console\n$ make test\n812 passed\n```\n"),
        "README.md:",
        "leave",
    ),
    # Sections and notes.
    (readme_sections, section("What it costs", "It costs little."), f"{README}:", "or write it"),
    (
        readme_sections,
        section("Trade-offs", f"{'All of it depends on what you want. ' * 4}", f"{TWO}/README.md"),
        f"{TWO}/README.md:",
        "name the module",
    ),
    (readme_sections, section("Exercises", "TODO", f"{ONE}/README.md"), f"{ONE}/", "write it"),
    (
        readme_sections,
        section("Performance", "Fast.", "infrastructure/mock-claude/README.md"),
        "infrastructure/mock-claude/README.md:",
        "say what a reader needs",
    ),
    (readme_sections, edits(README, "## What it costs", "## Costs"), README, "write it"),
    (notes, edits(README, "- Security: ", "- Also: "), README, "- Security: "),
    (
        notes,
        edits(README, "- Security: retries", "- Security: none.\n- And retries"),
        README,
        "who",
    ),
    (notes, edits(README, "- Money: ", "- Dollars: "), README, "- Money: "),
    # Docstrings.
    (
        docstrings,
        adds(f"{RELY}/bounded.py", '\n\ndef f():\n    """As ``retry_bugdet``."""\n'),
        "",
        "",
    ),
    (
        docstrings,
        edits(f"{RELY}/retries.py", '"""', '"""See module retry_budgets. '),
        f"{RELY}/retries.py:1",
        "retry_budget",
    ),
    (
        docstrings,
        edits(f"{RELY}/retries.py", '"""', '"""Held by test_retrys.py. '),
        f"{RELY}/retries.py:1",
        "test_retries.py",
    ),
    (
        docstrings,
        edits(f"{RELY}/retries.py", '"""', '"""Held by `tests/test_none_at_all.py`. '),
        f"{RELY}/retries.py:1",
        "",
    ),
    (
        docstrings,
        edits(f"{RELY}/retries.py", '"""', '"""As test_that_no_one_wrote_yet says. '),
        f"{RELY}/retries.py:1",
        "",
    ),
    (
        docstrings,
        edits(f"{RELY}/retries.py", '"""', '"""As :mod:`reliability.backoffs`. '),
        f"{RELY}/retries.py:1",
        "",
    ),
    (
        docstrings,
        edits("infrastructure/book/book/cli.py", '"""', '"""As `book.chain.keeping`. '),
        "infrastructure/book/book/cli.py:1",
        "",
    ),
    (
        docstrings,
        adds(
            f"{TWO}/tests/test_events.py", '\n\ndef f():\n    """Like test_events_go_nowhere."""\n'
        ),
        f"{TWO}/tests/test_events.py:",
        "",
    ),
    # The picture.
    (picture, edits(SVG, ">misses<", ">misses 3.2 s<"), f"{SVG}:", "make scoreboard"),
    (picture, edits(SVG, "</svg>", '<text x="1" y="2">9 of 9</text></svg>'), f"{SVG}:", "make"),
    (picture, edits(SVG, "</svg>", "<title>9</title></svg>"), f"{SVG}:", "make scoreboard"),
    (picture, swap, f"{SVG}:", "make scoreboard"),
    (picture, edits(SVG, "holds nothing", "holds 0 of 9"), f"{SVG}:1", "make scoreboard"),
    (picture, edits(SVG, '"black-friday"', '"grey-friday"'), f"{SVG}:", "make scoreboard"),
    (picture, edits(SVG, '"holds" data-', '"not-judged" data-'), f"{SVG}:", "make scoreboard"),
    (picture, edits(SVG, 'x="93" ', 'x="94" '), f"{SVG}:", "make scoreboard"),
]


@pytest.mark.parametrize(("rule", "damage", "where", "mend"), MUTATIONS)
def test_a_mutation_is_caught_with_the_file_and_the_mend(
    copy: Copy, rule: Rule, damage: Damage, where: str, mend: str
) -> None:
    caught(copy, rule, damage, where, mend)


@pytest.mark.parametrize(
    ("rule", "damage"),
    [
        (
            model_ids,
            adds("Makefile", "\n# claude-sonnet-5-5, claude-opus-*, mock-claude, Claude 5\n"),
        ),
        (
            model_ids,
            adds("README.md", "\nClaude Opus thinks; ask Claude 3 times. Claude Sonnet 5.5.\n"),
        ),
        (model_ids, adds("infrastructure/mock-claude/tests/test_app.py", f"\n# {OLD}\n")),
        (
            links,
            adds("README.md", "\n[x](CONTRIBUTING.md#rooms-of-the-harness) [y](#without-make)\n"),
        ),
        (links, adds("README.md", "\n```\n[x](nowhere.md)\n```\n`[x](nowhere.md)`\n")),
        (links, adds("README.md", "\n[x](https://example.org/y#z) [m](mailto:a@example.org)\n")),
        (links, adds(README, "\n[x](agent.py#L1-L3) [y](../../..) [z](/LICENSE)\n")),
        (named, adds(README, "\n`INCIDENT=name`, `SET=NAME=VALUE`, `AGENT_…`, `AGENT_RETRY__…`\n")),
        (
            named,
            adds(f"{TWO}/README.md", "\n`SET=AGENT_RETRY__MAX_ATTEMPTS=3`, AGENT_BREAKER__*\n"),
        ),
        (commands, adds("README.md", "\nTo make sure of it, `make test-02` or `make agent`.\n")),
        (counts, adds(f"{TWO}/README.md", "\nAny two steps; chapters 4 and 12; its six steps.\n")),
        (counts, adds(README, "\nTests of two kinds are enough for nine incidents.\n")),
        (readme_sections, section("What it costs", f"{'A word or more. ' * 4} `cap_s` bounds it.")),
        (
            docstrings,
            edits(f"{RELY}/retries.py", '"""', '"""As ``retry_budget`` and ``asyncio``. '),
        ),
        (
            docstrings,
            edits(f"{RELY}/retries.py", '"""', '"""As `reliability.events` and `NAME.py`. '),
        ),
        (
            docstrings,
            edits(f"{RELY}/retries.py", '"""', '"""A module that test_retries.py tests. '),
        ),
    ],
)
def test_a_near_miss_is_not_found(copy: Copy, rule: Rule, damage: Damage) -> None:
    assert copy.found(rule, damage) == []


def test_a_heading_has_the_anchor_that_github_gives_it() -> None:
    text = (
        "# A `b` *c*: d?\n\n## Same\n\n## Same\n\nUnder\n-----\n\n```\n# no\n```\n## [L](x.md)_y\n"
    )
    assert markdown.anchors(text) == {"a-b-c-d", "same", "same-1", "under", "l_y"}


@pytest.mark.parametrize(
    ("was", "now", "exact", "measured"),
    [
        ("23*19 = 437.", "23*19 = 438.", True, True),
        ("9 of 9 hold", "8 of 9 hold", True, True),
        ("took 1.50 s", "took 1.79 s", True, False),
        ("took 1.50 s", "took 1.81 s", True, True),
        ("took 150 ms, 3 calls", "took 160 ms, 4 calls", True, True),
        ("costs $0.0100", "costs $0.0119", True, False),
        ("costs $0.0100", "costs $0.0121", True, True),
        ("62 % fail", "66.9 % fail", True, False),
        ("62 % fail", "68 % fail", True, True),
        ("2,027 requests/s", "2,300 requests/s", True, False),
        ("2,027 requests/s", "1,500 requests/s", True, True),
        ("took 0 s", "took 1 s", True, True),
        ("took 1 s", "took 1 ms", True, True),
        ("one  line\n\n two", "one line\ntwo\n", False, False),
    ],
)
def test_counts_are_exact_and_measured_figures_have_bounds(
    was: str, now: str, exact: bool, measured: bool
) -> None:
    assert (figures.differs(was, now, measured=False) is not None) == exact
    assert (figures.differs(was, now, measured=True) is not None) == measured


def test_measured_figures_are_stale_when_the_code_is_another(copy: Copy) -> None:
    block = "\n```console check measured{}\n$ make bench\nit took 1.5 s\n```\n"
    adds("README.md", block.format(""))(copy.root)
    (found,) = figures.measured_figures(copy.book())
    assert "other code" in found.what
    assert found.mend == "book generate --measured"
    key = figures.code_key(copy.book(), "$ make bench\nit took 9 s\n")
    edit(copy.root / "README.md", "check measured", f"check measured={key}")
    assert list(figures.measured_figures(copy.book())) == []
    adds(f"{RELY}/bounded.py", "\n# another\n")(copy.root)
    (found,) = figures.measured_figures(copy.book())
    assert re.fullmatch(r"README\.md:\d+", found.where)


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ("```console check measured=1\n$ make list\nnine\n```", "no figure"),
        ("```console chekc\n$ make list\n```", "mark"),
    ],
)
def test_a_mark_of_a_block_means_something(copy: Copy, block: str, says: str) -> None:
    found = copy.found(figures.measured_figures, adds("README.md", f"\n{block}\n"))
    assert [says in each.what for each in found] == [True]
