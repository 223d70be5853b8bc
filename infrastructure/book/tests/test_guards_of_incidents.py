"""A check that nobody misses and a setting that nobody reads are found, with line and mend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import throw_away

from book.chain.chain import Book
from book.check import verdicts
from book.replay import cells
from book.replay.cells import Cell
from book.replay.replay import Story
from book.stage.balancing import POLL_LIMIT_S
from book.stage.processes import Processes
from book.story.incident import (
    Check,
    Contrast,
    Evidence,
    Run,
    Task,
    Workload,
    at_least,
    at_most,
    load,
)

CHAPTER = "chapters/chapter-02-words"
STEPS_TOML = """
title = "Words"
package = "words"
[[step]]
name = "first"
lesson = "One."
changes = ["agent.py"]
solves = ["a-storm"]
[[step]]
name = "last"
lesson = "Two."
changes = ["agent.py"]
"""
STORM = """
from book.story.incident import Contrast, Headline, Incident, Workload
from mock_claude import FaultScript

BREAKER = "AGENT_BREAKER__OPEN_S"
INCIDENT = Incident(
    name="a-storm",
    story="It storms.",
    faults=FaultScript.parse(""),
    workload=lambda seed: Workload(()),
    settings={"AGENT_RETRY__BASE_S": "1", "ANTHROPIC_BASE_URL": "http://127.0.0.1"},
    later_settings={BREAKER: "2"},
    contrasts=(Contrast("no patience", {"AGENT_RETRY__MAX_ATTEMPTS": "1"}),),
    promise=lambda run: [],
    symptom="something is slow",
    headline=Headline("tasks done", "%", "higher", lambda run: run.success),
    cure=lambda seen: [],
)
"""
EXAMPLE = "ANTHROPIC_BASE_URL=\n# AGENT_RETRY__BASE_S=1\n#AGENT_RETRY__MAX_ATTEMPTS=3\n"


@pytest.fixture
def storm(tmp_path: Path) -> Path:
    """An incident that the step ``first`` solves; the step ``last`` knows one setting more."""
    files = {
        "reference-agent/agent.py": "",
        f"{CHAPTER}/steps.toml": STEPS_TOML,
        f"{CHAPTER}/first/agent.py": "",
        f"{CHAPTER}/first/.env.example": EXAMPLE,
        f"{CHAPTER}/last/agent.py": "",
        f"{CHAPTER}/last/.env.example": EXAMPLE + "# AGENT_BREAKER__OPEN_S=60\n",
        f"{CHAPTER}/incidents/a_storm.py": STORM,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_settings_that_reach_the_step_that_is_meant_have_no_findings(storm: Path) -> None:
    assert list(verdicts.settings(Book(storm))) == []


@pytest.mark.parametrize(
    ("old", "new", "says", "line", "mend"),
    [
        (
            '"AGENT_RETRY__BASE_S": "1"',
            '"AGENT_RETRY__BASIS_S": "1"',
            "declares no AGENT_RETRY__BASIS_S, which settings",
            11,
            "AGENT_RETRY__BASE_S",
        ),
        (
            "AGENT_RETRY__MAX_ATTEMPTS",
            "AGENT_RETRY__MOST",
            "which the contrast 'no patience'",
            13,
            "AGENT_RETRY__MAX_ATTEMPTS",
        ),
        (
            '"AGENT_RETRY__BASE_S": "1"',
            'BREAKER: "1"',
            "declares no AGENT_BREAKER__OPEN_S",
            5,
            "later_settings",
        ),
        ("__OPEN_S", "__OPENS_S", "no step after", 5, "AGENT_BREAKER__OPEN_S"),
        ('{BREAKER: "2"}', '{"AGENT_RETRY__BASE_S": "2"}', "itself", 11, "move it to settings"),
        ("FaultScript.parse(", "FaultScript.pars(", "AttributeError", None, "mend the incident"),
    ],
)
def test_a_setting_that_would_be_dropped_in_silence_is_found(
    storm: Path, old: str, new: str, says: str, line: int | None, mend: str
) -> None:
    file = storm / CHAPTER / "incidents" / "a_storm.py"
    assert old in STORM
    file.write_text(STORM.replace(old, new), encoding="utf-8")
    (found,) = verdicts.settings(Book(storm))
    place = f"{CHAPTER}/incidents/a_storm.py" + (f":{line}" if line else "")
    assert (found.where, says in found.what, mend in found.mend) == (place, True, True), found


def test_the_incidents_of_the_repository_set_what_their_solvers_read() -> None:
    assert list(verdicts.settings(Book.find())) == []


def test_no_incident_judges_a_drain_that_ends_before_the_balancers_slowest_poll() -> None:
    """Such a run loses requests by chance, whenever one poll takes long."""
    drains = []
    for chapter in Book.find().chapters:
        for name in (name for step in chapter.steps for name in step.solves):
            incident = load(chapter.incident_file(name))
            service = incident.service
            if service is not None and service.sigterm_at_s is not None:
                pause_s = float(incident.settings["AGENT_DRAIN__PAUSE_S"])
                drains.append((name, pause_s > service.poll_s + POLL_LIMIT_S))
    assert drains == [("deploy-drain", True)]


# --- Checks that nobody misses -------------------------------------------------------------------

SAYS_ITS_NUMBER = throw_away.AGENT.replace(
    "return Answer(task)", 'import os; return Answer(os.environ["AGENT_EXIT_CODE"])'
)
IS_ONE = throw_away.AGENT.replace("return Answer(task)", 'return Answer("1")')


def number(run: Run) -> int:
    return int(run.outcomes[0].text or 0)


def checks(seen: Evidence) -> Sequence[Check]:
    """The step before says 1, the solving step 2, the contrast 3."""
    return [
        at_least("missed before", number(seen.run), 2),
        at_most("missed on the contrast", number(seen.run), 2),
        at_least("missed by nobody", number(seen.run), 1),
        at_least("guarded", number(seen.run), 1, guard=True),
    ]


@pytest.fixture
def story(tmp_path: Path) -> Story:
    book = Book.find()
    for name in ("before", "solver"):
        (tmp_path / name).mkdir()
    made = throw_away.incident(
        Workload((Task("Hello", ()),), at_once=1, limit_s=20.0), AGENT_EXIT_CODE="2"
    )
    contrast = Contrast("three", {"AGENT_EXIT_CODE": "3"})
    return Story(
        replace(made, cure=checks, contrasts=(contrast,)),
        throw_away.step(book, tmp_path / "before", "before", agent=IS_ONE),
        throw_away.step(book, tmp_path / "solver", "solver", agent=SAYS_ITS_NUMBER),
    )


def told(story: Story, processes: Processes) -> list[str]:
    """What is said of the checks, each with its line in a file that holds their names."""
    book = Book.find()
    (cell,) = cells.fill([(story, story.before)], 7, processes, lambda trial, ok: None)
    found = verdicts.nobody_misses(book, cell, Path(__file__), processes)
    return [f"{each.where} {each.what} {each.mend}" for each in found]


def line_of(text: str) -> int:
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next(n for n, line in enumerate(lines, 1) if text in line)


def test_a_check_that_the_step_before_and_every_contrast_hold_is_found(
    story: Story, processes: Processes
) -> None:
    (found,) = told(story, processes)
    assert "nobody misses the check 'missed by nobody': before holds it" in found
    assert "so does every contrast" in found
    assert f"test_guards_of_incidents.py:{line_of('missed by nobody')} " in found
    assert "guard=True" in found


def test_without_contrasts_the_step_before_alone_must_miss_it(
    story: Story, processes: Processes
) -> None:
    alone = replace(story, incident=replace(story.incident, contrasts=()))
    found = told(alone, processes)
    assert [each.split("'")[1] for each in found] == ["missed by nobody", "missed on the contrast"]
    assert "contrast" not in found[0].partition("mend")[0].partition("'")[0]


def test_a_cure_may_look_at_the_calm_run_of_a_contrast(story: Story, processes: Processes) -> None:
    def against_calm(seen: Evidence) -> Sequence[Check]:
        return [at_most("over the calm run", number(seen.run) - number(seen.calm), 0)]

    wanted = replace(story.incident, cure=against_calm, needs_calm=True)
    assert told(replace(story, incident=wanted), processes) == []


def test_a_contrast_that_crashes_is_told_as_such(story: Story, processes: Processes) -> None:
    broken = replace(story.incident, contrasts=(Contrast("x", {"AGENT_SERVICE_PORT": "1"}),))
    (story.solver.path / "agent.py").write_text("raise RuntimeError('no luck')", encoding="utf-8")
    (found,) = told(replace(story, incident=broken), processes)
    assert "a contrast could not be run" in found
    assert "no luck" in found


def test_a_cell_without_a_run_has_other_troubles(story: Story, processes: Processes) -> None:
    cell = Cell(story, story.before, None, error="the trial crashed")
    file = Path(__file__)
    assert list(verdicts.nobody_misses(Book.find(), cell, file, processes)) == []


def test_only_the_step_before_is_asked_and_such_a_cell_is_not_kept(
    story: Story, processes: Processes, storm: Path
) -> None:
    book = Book(storm)
    named = replace(story, before=book.steps[0], solver=book.steps[1])
    wanted = [(story, story.before), (story, story.solver)]
    before, solver = cells.fill(wanted, 7, processes, lambda trial, ok: None)
    assert list(verdicts.nobody_misses(Book.find(), solver, Path(__file__), processes)) == []
    missed = replace(before, story=named, step=named.before)
    assert [check.name for check in cells.unmissed(missed)] == [
        "missed on the contrast",
        "missed by nobody",
    ]
    assert not cells.agrees(book, missed)
    guarded = tuple(replace(check, guard=check.ok) for check in missed.checks)
    assert cells.agrees(book, replace(missed, checks=guarded))


def test_a_headline_that_is_not_better_is_found_on_the_solving_step(
    story: Story, processes: Processes, storm: Path
) -> None:
    book = Book(storm)
    wanted = [(story, story.before), (story, story.solver)]
    before, solver = cells.fill(wanted, 7, processes, lambda trial, ok: None)
    assert before.better
    assert not solver.better  # both have done all tasks
    assert not cells.agrees(book, replace(solver, story=replace(story, solver=book.steps[1])))
