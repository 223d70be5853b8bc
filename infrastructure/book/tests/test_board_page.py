"""The scoreboard's page is whole whatever became of the trials, and says in words what it shows."""

import json
import math
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_diff_page import Page, contrast

from book.chain.chain import ChainError
from book.pages import board_page
from book.pages.board_charts import DASH, amount, reach

WORDS = {"words": "tasks answered within 8 s", "unit": "%", "better": "higher"}
NASTY = "<script>alert('&amp;\"')</script>"
CHECK = {"name": "success", "value": 0.825, "limit": 0.99, "at_most": False, "unit": "%"}


def check(**changed: Any) -> dict[str, Any]:
    return {**CHECK, "ok": False, **changed}


def cell(incident: str, step: str, **changed: Any) -> dict[str, Any]:
    checks = [check()]
    figures = {"success": 0.825, "p50_s": 0.8, "p95_s": 2.774, "model_requests": 1372}
    money = {"cost_usd": "0.2789", "dollars_per_hour": 40.1}
    rest = {"tasks": 120, "done": 99, "seconds": 21.04, "served_by": None, "exit_code": None}
    told = {"holds": False, "why": "success 82.5% < 99.0%", "error": None, "checks": checks}
    lead = {"headline": headline(0.8167, "81.7%"), "unjudged": False}
    place = {"incident": incident, "step": step}
    return {**place, **told, **lead, **figures, **money, **rest, **changed}


def incident(name: str, **changed: Any) -> dict[str, Any]:
    told = {"story": f"The story of {name}.", "chapter": "chapter-02", "solved_by": "chapter-02/b"}
    return {"name": name, **told, "before": "first", "headline": WORDS, **changed}


def headline(value: float | None, shown: str, **changed: Any) -> dict[str, Any]:
    return {**WORDS, "value": value, "shown": shown, **changed}


def board(
    steps: list[str], incidents: list[dict[str, Any]], cells: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "seed": 7,
        "versions": {"python": "3.11.7", "anthropic": "2.11.0"},
        "machine": {"system": "Linux", "processors": 2},
        "steps": [{"name": step, "title": f"Chapter of {step}"} for step in steps],
        "incidents": incidents,
        "cells": cells,
    }


@pytest.fixture
def small() -> dict[str, Any]:
    """Two steps; the last one holds."""
    good = [check(value=0.9917, ok=True)]
    cells = [
        cell("storm", "first", checks=[check(), check(name="p95", value=9, limit=8, unit="s")]),
        cell("storm", "last", holds=True, why="", success=0.9917, done=119, checks=good),
    ]
    cells[1]["headline"] = headline(1.0, "100%")
    return board(["first", "last"], [incident("storm")], cells)


def page_of(found: dict[str, Any]) -> Page:
    page = Page(board_page.page(found))
    assert not re.search(r"\b(None|nan|NaN|null|inf)\b", page.text("body"))
    return page


def only(text: str, kind: str) -> list[str]:
    """The text of every table cell of the staircase that looks like ``kind``."""
    rows = re.findall(rf'<td class="{kind}">.*?</td>', text)
    return [Page(row).text("td") for row in rows]


def entries(found: dict[str, Any]) -> list[str]:
    """The text of every check of the charts, a row a line."""
    made = re.findall(r"<li>.*?</li>", board_page.page(found), re.DOTALL)
    return [re.sub(r"</p>|</div>", "\n", each) for each in made]


def lines(entry: str) -> list[str]:
    told = (re.sub(r"\s+", " ", re.sub("<.*?>", " ", line)) for line in entry.split("\n"))
    return [line.strip() for line in told if line.strip()]


def bars(found: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Of every picture: what it says, how long its bar is, whether it is cut off."""
    pictures = re.findall(
        r'<svg class="\w+" role="img" aria-label="(.*?)".*?</svg></div>',
        (text := board_page.page(found)),
    )
    bodies = re.findall(r'role="img".*?</div>', text)
    lengths = [re.findall(r'class="bar" y="4" width="([\d.]+%)"', body) for body in bodies]
    return [
        (says, "".join(length), 'class="cut"' in body)
        for says, length, body in zip(pictures, lengths, bodies, strict=True)
    ]


def test_a_page_is_well_formed_and_says_what_it_shows(small: dict[str, Any]) -> None:
    page = page_of(small)
    assert page.all("html") == [{"lang": "en"}]
    assert page.text("title") == page.text("h1") == "The scoreboard"
    assert {"charset": "utf-8"} in page.all("meta")
    sized = {"name": "viewport", "content": "width=device-width, initial-scale=1"}
    assert sized in page.all("meta")
    assert len(page.all("main")) == len(page.all("h1")) == 1
    assert page.text("header", "p").endswith(
        "Of the incidents that were run, 0 of 1 on first and 1 of 1 on last hold."
    )


def test_every_incident_is_a_row_and_every_step_a_column(small: dict[str, Any]) -> None:
    page = page_of(small)
    scopes = [each["scope"] for each in page.all("th")]
    assert scopes[:6] == ["colgroup", "colgroup", "col", "col", "rowgroup", "rowgroup"]
    heads = "".join(page.text("thead", "div", "main").splitlines())
    assert heads.startswith("Chapter of firstChapter of lastfirstlast")
    told = "storm tasks answered within 8 s (%, higher is better)"
    assert page.text("tbody", "th", "div", "table").startswith(told)
    assert page.text("tfoot") == "holds0 of 11 of 1"
    assert page.text("tbody", "a") == page.text("h3") == "storm"
    assert "The story of storm." in page.text("section", "p")
    assert "chapter-02; solved by chapter-02/b" in page.text("section", "small")


def test_a_verdict_is_in_words_and_a_miss_says_why(small: dict[str, Any]) -> None:
    text = board_page.page(small)
    assert only(text, "misses") == ["✗ misses 81.7% success 82.5% < 99.0%"]
    assert only(text, "holds") == ["✓ holds 100%"]
    small["cells"][0]["why"] = ""
    assert only(board_page.page(small), "misses") == ["✗ misses 81.7% no reason was given"]


def test_a_cell_says_when_it_was_measured(small: dict[str, Any]) -> None:
    small["cells"][1]["measured"] = "2026-11-28T12:10:03Z"
    told = "✓ holds 100% measured 2026-11-28 12:10 UTC"
    assert only(board_page.page(small), "holds") == [told]


@pytest.mark.parametrize("name", ["first", "b", "c", "d", "e"])
def test_a_cell_that_was_not_judged_is_neither_red_nor_green(name: str) -> None:
    steps = ["first", "b", "c", "d", "e"]
    busy = {"unjudged": True, "holds": False, "error": "a trial waited 9 s\nfor a processor"}
    cells = [cell("storm", step, holds=True, why="") for step in steps]
    place = steps.index(name)
    cells[place].update(**busy, headline=headline(None, ""), checks=[])
    for count in (2, 5):  # with and without room for a reason in the cell
        shown = steps[:count] if place < count else [steps[0], name]
        found = board(shown, [incident("storm")], [cells[steps.index(each)] for each in shown])
        text = board_page.page(found)
        (told,) = only(text, "unjudged")
        assert told == ("? not judged a trial waited 9 s" if len(shown) == 2 else "? not judged")
        assert len(only(text, "holds")) == len(shown) - 1
        assert only(text, "misses") == only(text, "crashed") == []
        counts = ["0 of 0" if each == name else "1 of 1" for each in shown]
        assert Page(text).text("tfoot") == "holds" + "".join(counts)
        assert f"{name} not judged:" in Page(text).text("section", "p")
        assert Page(text).text("section", "pre") == "a trial waited 9 s\nfor a processor"


@pytest.mark.parametrize(
    ("value", "shown", "unit", "hidden"),
    [
        (0.8167, "81.7%", "%", ["%"]),
        (11.9, "11.9 s", "s", [" s"]),
        (1234.5, "$1,234", "$", ["$"]),
        (13, "13", "", []),
        (None, "not measured", "s", ["not measured"]),
    ],
)
def test_the_unit_of_a_figure_is_hidden_where_columns_are_narrow(
    value: float | None, shown: str, unit: str, hidden: list[str]
) -> None:
    told = headline(value, shown, unit=unit)
    steps = [f"chapter-{n:02}/complete" for n in range(1, 13)]
    cells = [cell("storm", step, holds=True, why="", headline=told) for step in steps]
    text = board_page.page(board(steps, [incident("storm", headline=told)], cells))
    wanted = f"{DASH} not measured" if value is None else shown
    assert only(text, "holds") == [f"✓ holds {wanted}"] * 12
    (row, *_) = re.findall(r'<td class="holds">.*?</td>', text)
    assert re.findall(r'<span class="wide">(.*?)</span>', row) == ["holds", *hidden]


def test_many_columns_are_numbered_and_their_reasons_are_told_below() -> None:
    steps = [f"chapter-{n:02}/complete" for n in range(1, 13)]
    cells = [cell("storm", step) for step in steps]
    page = page_of(board(steps, [incident("storm")], cells))
    text = board_page.page(board(steps, [incident("storm")], cells))
    assert only(text, "misses") == ["✗ misses 81.7%"] * 12
    assert len(re.findall(r'<th scope="col" class="step">\d+ <span class="wide">', text)) == 12
    legend = page.text("ol", "details", "div")
    assert all(f"{step} Chapter of {step}" in legend for step in steps)
    assert page.text("details", "section", "summary") == "storm on each of 12 steps"
    below = page.text("details", "section", "li")
    assert all(f"{s} ✗ misses 81.7% success 82.5% < 99.0%" in below for s in steps)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_columns_need_no_legend(count: int) -> None:
    steps = [f"step-{n}" for n in range(count)]
    cells = [cell("storm", step) for step in steps]
    page = page_of(board(steps, [incident("storm")], cells))
    assert page.all("details") == []
    assert {"class": "stairs"} in page.all("table")


def test_neighbouring_steps_of_one_chapter_share_its_title() -> None:
    found = board(["a", "b", "c"], [], [])
    for step, title in zip(found["steps"], ("One", "Two", "Two"), strict=True):
        step["title"] = title
    page = page_of(found)
    groups = [each for each in page.all("th") if each["scope"] == "colgroup"]
    assert [each["colspan"] for each in groups] == ["1", "2"]
    assert [each["span"] for each in page.all("colgroup")] == ["1", "2"]


def test_a_trial_that_was_not_run_is_grey_and_counts_nowhere(small: dict[str, Any]) -> None:
    del small["cells"][1]
    text = board_page.page(small)
    assert only(text, "missing") == [f"{DASH} not run"]
    assert Page(text).text("tfoot") == "holds0 of 10 of 0"
    assert lines(entries(small)[0])[-1] == f"last {DASH} not run"
    small["cells"].clear()
    page = page_of(small)
    assert "Nothing was measured here." in page.text("section")
    assert page.all("svg") == []


def test_a_crash_is_told_apart_and_its_whole_error_is_shown(small: dict[str, Any]) -> None:
    error = f"TrialError: it fell\n  {NASTY}\nlast line"
    small["cells"][1] = {"incident": "storm", "step": "last", "holds": False, "error": error}
    text = board_page.page(small)
    assert only(text, "crashed") == ["✗ crashed TrialError: it fell"]
    page = page_of(small)
    assert page.text("pre") == error
    assert "last crashed:" in page.text("section", "p")
    assert [lines(entry)[-1] for entry in entries(small)] == ["last ✗ crashed"] * 2
    small["cells"][1].update(success=None, p50_s=None, cost_usd=None, checks=[], why=None)
    assert page_of(small).text("table") == page.text("table")
    small["cells"][1]["holds"] = True  # whatever it says, it did not come to its end
    assert page_of(small).text("tfoot") == "holds0 of 10 of 1"


def test_a_crash_between_the_two_ends_is_told_too() -> None:
    steps = ["a", "b", "c"]
    cells = [cell("storm", step, error="TrialError: x" if step == "b" else None) for step in steps]
    page = page_of(board(steps, [incident("storm")], cells))
    assert "run, 0 of 1 on a and 0 of 1 on c hold." in page.text("header")
    assert page.text("section", "pre") == "TrialError: x"
    assert "b crashed:" in page.text("section", "p")


def test_a_bar_is_as_long_as_its_value_in_limits(small: dict[str, Any]) -> None:
    assert bars(small) == [
        ("success on first: 82.5%, limit at least 99%, misses", "33.33%", False),
        ("success on last: 99.2%, limit at least 99%, holds", "40.07%", False),
        ("p95 on first: 9 s, limit at least 8 s, misses", "45.00%", False),
    ]
    assert [lines(entry) for entry in entries(small)] == [
        ["success at least 99%", "first 82.5% ✗ misses", "last 99.2% ✓ holds"],
        ["p95 at least 8 s", "first 9 s ✗ misses", "last not judged by this"],
    ]


@pytest.mark.parametrize("at_most", [True, False])
def test_the_tinted_side_is_where_the_bar_must_end(at_most: bool) -> None:
    cells = [cell("storm", "a", checks=[check(at_most=at_most)])]
    text = board_page.page(board(["a"], [incident("storm")], cells))
    place = 'x="0" width="40%"' if at_most else 'x="40%" width="60%"'
    assert re.findall(r'class="good" (.*?) height', text) == [place]
    assert re.findall(r'class="limit" x1="(.*?)" x2="(.*?)"', text) == [("40%", "40%")]


@pytest.mark.parametrize(
    ("value", "limit", "length", "cut"),
    [
        (2.5, 1, "100.00%", False),
        (2.51, 1, "100.00%", True),
        (math.inf, 5, "100.00%", True),
        (0, 5, "0.00%", False),
        (-3, 5, "0.00%", False),
        (0, 0, "0.00%", False),
        (1, 0, "100.00%", True),
        (None, 5, "", False),
        (math.nan, 5, "", False),
        (5, None, "", False),
    ],
)
def test_a_bar_far_beyond_its_limit_is_cut_off_and_marked(
    value: float | None, limit: float | None, length: str, cut: bool
) -> None:
    told = check(name="calls", value=value, limit=limit, at_most=True, unit="")
    found = board(["a"], [incident("storm")], [cell("storm", "a", checks=[told])])
    assert [bar[1:] for bar in bars(found)] == [(length, cut)]
    page_of(found)
    assert lines(entries(found)[0])[0] == f"calls at most {amount(limit)}"


def test_a_limit_of_zero_is_met_by_zero_in_either_direction() -> None:
    assert reach(0, 0, at_most=True) == 0.0
    assert reach(0, 0, at_most=False) == 1.0
    assert reach(3, 0, at_most=False) == math.inf
    assert reach(-3, 0, at_most=False) == 0.0
    assert reach(-1, -1, at_most=True) == 1.0
    assert reach(math.inf, math.inf, at_most=True) == 1.0


def test_a_check_that_one_side_was_not_judged_by_has_no_bar_there(small: dict[str, Any]) -> None:
    small["cells"][0]["checks"] = []
    small["cells"][1]["checks"] = [check(value=1.0, ok=True)]
    shown = ["first not judged by this", "last 100.0% ✓ holds"]
    assert lines(entries(small)[0]) == ["success at least 99%", *shown]


def test_a_check_that_asks_nothing_has_no_bar_and_no_verdict(small: dict[str, Any]) -> None:
    told = check(value=1.0, limit=0.0, ok=True, applies=False)
    small["cells"][0]["checks"] = [told]
    assert lines(entries(small)[0])[1] == "first does not apply"
    assert len(bars(small)) == 1


def test_a_check_that_was_not_measured_says_so(small: dict[str, Any]) -> None:
    small["cells"][0]["checks"] = [check(value=None)]
    assert lines(entries(small)[0])[1] == "first not measured ✗ misses"


def test_limits_that_differ_between_the_steps_are_both_told(small: dict[str, Any]) -> None:
    small["cells"][1]["checks"] = [check(limit=0.95, ok=True)]
    first = lines(entries(small)[0])[0]
    assert first == "success at least 99% on first; at least 95% on last"


def test_two_checks_of_one_name_keep_their_places(small: dict[str, Any]) -> None:
    for each in small["cells"]:
        each["checks"] = [check(value=0.1), check(value=0.2)]
    assert [lines(entry)[1:] for entry in entries(small)] == [
        ["first 10.0% ✗ misses", "last 10.0% ✗ misses"],
        ["first 20.0% ✗ misses", "last 20.0% ✗ misses"],
    ]


@pytest.mark.parametrize(
    ("value", "limit", "unit", "shown"),
    [
        (0.98999, 0.99, "%", ("98.999%", "99%")),
        (0.9996, 0.9995, "%", ("99.96%", "99.95%")),
        (1.0, 1.0, "%", ("100.0%", "100%")),
        (0.0, 0.2, "%", ("0.0%", "20%")),
        (1000.4, 1000, "", ("1,000.4", "1,000")),
        (8.001, 8.0, "s", ("8.001 s", "8 s")),
        (3.14159, 11.000000000000002, "s", ("3.14 s", "11 s")),
        (12, 12.5, "", ("12", "12.5")),
        (0.5, 0.25, "$", ("$0.5000", "$0.2500")),
        (0.25001, 0.25, "$", ("$0.25001", "$0.2500")),
    ],
)
def test_a_value_never_looks_like_the_limit_that_it_is_not(
    value: float, limit: float, unit: str, shown: tuple[str, str]
) -> None:
    told = check(value=value, limit=limit, unit=unit)
    says = bars(board(["a"], [incident("x")], [cell("x", "a", checks=[told])]))[0][0]
    assert says == f"success on a: {shown[0]}, limit at least {shown[1]}, misses"


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (0.825, "%", "82.5%"),
        (12.5, "%", "1,250.0%"),
        (1e307, "%", f"{int(1e307) * 100:,}.0%"),
        ("0.2789", "$", "$0.2789"),
        (1234.567, "$", "$1,234.57"),
        (1, "$", "$1.00"),
        (0.8, "s", "0.8 s"),
        (2.774, "s", "2.77 s"),
        (111.28, "s", "111 s"),
        (999.9, "", "1,000"),
        (12345, "", "12,345"),
        (0.0000123456, "", "0.0000123"),
        (0, "s", "0 s"),
        (-2.5, "times", "-2.5 times"),
        (math.inf, "s", "∞ s"),
        (-math.inf, "", "-∞"),
        (math.nan, "s", DASH),
        (None, "%", DASH),
        ("soon", "s", DASH),
        (10**400, "", DASH),
    ],
)
def test_a_number_is_written_for_people(value: object, unit: str, shown: str) -> None:
    assert amount(value, unit) == shown


@given(st.floats(), st.floats(), st.sampled_from(["", "%", "s", "$"]), st.booleans())
def test_any_number_has_a_picture(value: float, limit: float, unit: str, at_most: bool) -> None:
    told = check(value=value, limit=limit, unit=unit, at_most=at_most)
    found = board(["a"], [incident("storm")], [cell("storm", "a", checks=[told])])
    page_of(found)
    reached = reach(value, limit, at_most=at_most)
    assert (reached is None) == (math.isnan(value) or math.isnan(limit))
    assert reached is None or reached >= 0


def test_the_small_figures_have_their_units(small: dict[str, Any]) -> None:
    small["cells"][1].update(served_by="service.py", exit_code=0)
    text = board_page.page(small)
    table = text[text.index('<table class="figures">') :].partition("</table>")[0]
    assert [lines(row)[0] for row in table.split("</tr>")[:-1]] == [
        "figure first last",
        "verdict ✗ misses ✓ holds",
        "tasks answered within 8 s 81.7% 100%",
        "success 82.5% 99.2%",
        "tasks done 99 of 120 119 of 120",
        "p50 0.8 s 0.8 s",
        "p95 2.77 s 2.77 s",
        "model requests 1,372 1,372",
        "cost $0.2789 $0.2789",
        "cost an hour $40.10 $40.10",
        "duration 21 s 21 s",
        f"served by {DASH} service.py",
        f"exit code {DASH} 0",
    ]


@pytest.mark.parametrize(
    ("before", "sides"),
    [
        ("b", ["b", "c"]),
        ("a", ["a", "c"]),
        ("c", ["a", "c"]),
        ("elsewhere", ["a", "c"]),
        (None, ["a", "c"]),
    ],
)
def test_the_step_before_is_shown_beside_the_last(before: str | None, sides: list[str]) -> None:
    steps = ["a", "b", "c"]
    cells = [cell("storm", step) for step in steps]
    found = board(steps, [incident("storm", before=before)], cells)
    assert [line.split()[0] for line in lines(entries(found)[0])[1:]] == sides


@pytest.mark.parametrize("count", [0, 1, 30])
def test_a_page_is_whole_with_any_number_of_steps(count: int) -> None:
    steps = [f"chapter-{n:02}/end" for n in range(count)]
    names = ["storm", "outage"]
    cells = [cell(name, step, holds=True) for name in names for step in steps]
    found = board(steps, [incident(name) for name in names], cells)
    page = page_of(found)
    assert [each["scope"] for each in page.all("th")].count("colgroup") == count
    assert len(only(board_page.page(found), "holds")) == 2 * count
    assert len(page.all("svg")) == 2 * min(count, 2)
    assert ("No step was run." in page.text("header")) == (count == 0)
    for step in steps:
        assert step in page.text("thead")


def test_a_board_without_an_incident_is_whole() -> None:
    assert page_of(board(["a"], [], [])).text("tfoot") == "holds0 of 0"


def test_nothing_of_the_board_is_read_as_html() -> None:
    told = check(name=NASTY, unit=NASTY)
    cells = [
        cell(NASTY, NASTY, why=NASTY, error=NASTY, served_by=NASTY, checks=[told]),
        cell("other", NASTY, why=NASTY, served_by=NASTY, checks=[told]),
    ]
    nasty = {"words": NASTY, "unit": NASTY, "better": NASTY, "value": 1, "shown": NASTY}
    for each in cells:
        each.update(headline=nasty, measured=NASTY)
    incidents = [
        incident(name, story=NASTY, chapter=NASTY, solved_by=NASTY, before=NASTY, headline=nasty)
        for name in (NASTY, "other")
    ]
    found = {**board([NASTY], incidents, cells), "seed": NASTY, "machine": {NASTY: NASTY}}
    found["versions"] = {NASTY: NASTY}
    text = board_page.page(found)
    assert "<script" not in text
    page = page_of(found)
    assert page.text("h3") == f"{NASTY}other"
    assert page.text("pre") == NASTY
    assert f"success on {NASTY}" not in page.text("body")
    says = [each["aria-label"] for each in page.all("svg") if "aria-label" in each]
    assert says[0] == f"{NASTY} on {NASTY}: 0.825 {NASTY}, limit at least 0.99 {NASTY}, misses"


@given(st.text(), st.text())
def test_any_text_leaves_the_page_well_formed(name: str, why: str) -> None:
    cells = [cell(name, "a", why=why), cell(name, why, error=why)]
    text = board_page.page(board(["a", why], [incident(name, story=why)], cells))
    assert len(Page(text).all("section")) == 1


def test_every_row_leads_to_its_section() -> None:
    names = ["storm", "two words", "é & <b>"]
    page = page_of(board(["a"], [incident(name) for name in names], []))
    ids = [each["id"] for each in page.all("section")]
    links = [each["href"] for each in page.all("a")]
    assert len({*ids}) == 3
    assert [unquote(link) for link in links] == [f"#{each}" for each in ids]
    assert not any(re.search(r"\s", each) for each in ids)


def test_a_page_fetches_nothing_and_runs_nothing(small: dict[str, Any]) -> None:
    page = page_of(small)
    fetching = {"src", "srcset", "action", "data", "background", "poster", "style", "xlink:href"}
    assert not [attributes for _, attributes in page.elements if fetching & attributes.keys()]
    assert all(each["href"].startswith("#") for _, each in page.elements if "href" in each)
    used = {tag for tag, _ in page.elements}
    assert not {"link", "script", "img", "image", "iframe", "base", "object"} & used
    assert not re.search(r"@import|url\(|@font-face", page.text("style"))
    assert "http" not in board_page.page(small)


def test_every_picture_says_what_it_shows(small: dict[str, Any]) -> None:
    pairs = zip(page_of(small).elements, page_of(small).parents, strict=True)
    outer = [each for (tag, each), parents in pairs if tag == "svg" and "svg" not in parents]
    assert len(outer) == 3
    assert all(each["role"] == "img" and each["aria-label"] for each in outer)


def test_the_wide_table_scrolls_in_its_box_which_the_keyboard_reaches(
    small: dict[str, Any],
) -> None:
    page = page_of(small)
    named = {"role": "region", "aria-labelledby": "staircase", "tabindex": "0"}
    assert [each for each in page.all("div") if each.get("class") == "box"] == [
        {"class": "box", **named}
    ]
    assert {"id": "staircase"} in page.all("h2")
    assert ".box { overflow-x: auto;" in page.text("style")
    pairs = zip(page.elements, page.parents, strict=True)
    stairs = [p for (_, each), p in pairs if each.get("class") == "stairs"]
    assert [parents[-1] for parents in stairs] == ["div"]


def test_the_same_board_gives_the_same_bytes(small: dict[str, Any], tmp_path: Path) -> None:
    first = board_page.write(small, tmp_path / "1.html").read_bytes()
    read = json.loads(json.dumps(small, sort_keys=True))
    assert board_page.write(read, tmp_path / "2.html").read_bytes() == first
    assert b"\r" not in first
    assert str(tmp_path).encode() not in first


def test_the_foot_says_what_it_was_measured_with(small: dict[str, Any]) -> None:
    shown = "seed7versionsanthropic 2.11.0, python 3.11.7machineprocessors 2, system Linux"
    assert page_of(small).text("footer") == shown
    small.update(seed=None, versions={"python": None}, machine={})
    assert page_of(small).text("footer") == f"seed{DASH}versionspython {DASH}machine{DASH}"


def test_a_page_goes_into_a_folder_under_its_own_name(
    small: dict[str, Any], tmp_path: Path
) -> None:
    page = board_page.write(small, tmp_path)
    assert page == tmp_path / "scoreboard.html"
    assert page.read_text(encoding="utf-8") == board_page.page(small)
    named = board_page.write(small, tmp_path / "new" / "page.html")
    assert named == tmp_path / "new" / "page.html"
    assert named.read_bytes() == page.read_bytes()
    assert [each.name for each in named.parent.iterdir()] == ["page.html"]


def test_what_is_no_text_is_written_as_a_question_mark(
    small: dict[str, Any], tmp_path: Path
) -> None:
    small["cells"][0]["why"] = "half \ud800 a pair"
    assert "half ? a pair" in board_page.write(small, tmp_path).read_text(encoding="utf-8")


def test_a_place_that_cannot_be_written_is_named(small: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ChainError, match=r"page\.html cannot be written: \w+"):
        board_page.write(small, tmp_path / "file" / "page.html")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_have_enough_contrast(small: dict[str, Any], scheme: str) -> None:
    roots = re.findall(r":root \{(.*?)\}", page_of(small).text("style"), re.DOTALL)
    found = [dict(re.findall(r"--(\w+): (#\w+);", root)) for root in roots]
    assert len(found) == 2
    assert found[0].keys() == found[1].keys()
    of = found[scheme == "dark"]
    for ink, ground in (
        *(("text", "page"), ("text", "yesbox"), ("text", "nobox"), ("link", "page")),
        *(("quiet", "page"), ("quiet", "rail"), ("yes", "page"), ("yes", "yesbox")),
        *(("no", "page"), ("no", "nobox")),
    ):
        assert contrast(of[ink], of[ground]) >= 4.5, (ink, ground)
    for ink, ground in (
        *(("yesbar", "rail"), ("yesbar", "yesbox"), ("nobar", "rail"), ("nobar", "yesbox")),
        *(("text", "rail"), ("text", "yesbox"), ("page", "nobar"), ("page", "yesbar")),
    ):
        assert contrast(of[ink], of[ground]) >= 3, (ink, ground)
