"""search-outage: one dead tool slows everybody.

Half of the tasks need the search. While it hangs, each of its calls holds a worker for two
seconds, three attempts hold it for six, and soon all workers wait for a tool that is down while
the other half of the users stands in line. The cure is a circuit breaker per tool.
"""

from __future__ import annotations

from pathlib import Path

from book.story.incident import (
    Check,
    Evidence,
    Headline,
    Incident,
    Outcome,
    Run,
    Task,
    Workload,
    at_least,
    at_most,
)
from book.story.wishes import Wishes, at, tagged
from mock_claude import FaultScript

SEARCH = "/w/api.php"
BACK_S = 17.0  # when the search works again, as in the fault script
IN_FLIGHT_S = 0.1  # a call that was sent just before the circuit opened may arrive just after
PROBES = 1
ATTEMPTS, HANGS_S = 3, 2.0  # of one search; others wait no longer than for one of these


def workload(seed: int) -> Workload:
    """Twelve tasks a second for 22 seconds, twelve at once; every second one needs the search."""
    wishes = Wishes(seed)

    def task(user: int) -> Task:
        if user % 2:
            return tagged("search", wishes.search(user))
        return tagged("other", wishes.product(user))

    tasks = (at(user / 12, task(user)) for user in range(264))
    return Workload(tuple(tasks), at_once=12, limit_s=40.0)


def needs_no_search(outcome: Outcome) -> bool:
    return outcome.task.tag == "other"


def promise(run: Run) -> list[Check]:
    """Who does not need the search gets an answer, and without trouble so does everybody."""
    others = run.only(needs_no_search)
    checks = [at_least("success without search", others.success, 0.99, "%")]
    if run.calm:
        checks += [at_least("success", run.success, 0.99, "%")]
        checks += [at_most("p95 without search", others.latency_s(0.95), 4.0, "s")]
    return checks


def cure(seen: Evidence) -> list[Check]:
    """The dead tool is left alone, is found again soon, and costs the others little."""
    run, before = seen.run, seen.before
    calls, calls_before = calls_during_outage(run), calls_during_outage(before)
    p95 = run.only(needs_no_search).latency_s(0.95)
    p95_before = before.only(needs_no_search).latency_s(0.95)
    back_s = first_success_s(run) - BACK_S
    ratios = not seen.is_before
    return [
        at_most("p95 without search", p95, ATTEMPTS * HANGS_S, "s"),
        at_most(
            "calls to the dead search over the step before",
            calls / calls_before,
            0.5,
            applies=ratios,
        ),
        at_most("calls while open beyond its probes", calls_beyond_probes(run), 0, guard=True),
        at_most("first success after its return", back_s, 5.0, "s", guard=True),
        at_most("p95 without search over the step before", p95 / p95_before, 0.5, applies=ratios),
    ]


def calls_during_outage(run: Run) -> int:
    return sum(each.fault is not None for each in run.requests(SEARCH))


def calls_beyond_probes(run: Run) -> int:
    """Calls that reached the search while its circuit was open, less one probe per interval."""
    changes = run.noted("CircuitChanged", dependency="search_web")
    beyond = 0
    opened_s, probes = None, 0
    for change in changes:
        if change.fields["after"] == "open" and opened_s is None:
            opened_s, probes = change.at_s, 0
        probes += PROBES if change.fields["after"] == "half_open" else 0
        if change.fields["after"] == "closed" and opened_s is not None:
            beyond += max(calls_between(run, opened_s + IN_FLIGHT_S, change.at_s) - probes, 0)
            opened_s = None
    if opened_s is not None:
        beyond += max(calls_between(run, opened_s + IN_FLIGHT_S, run.seconds) - probes, 0)
    return beyond


def calls_between(run: Run, begin_s: float, end_s: float) -> int:
    return sum(begin_s <= each.at_s < end_s for each in run.requests(SEARCH))


def first_success_s(run: Run) -> float:
    """When the first call after the outage was answered; the run's end where none was."""
    good = [e for e in run.requests(SEARCH) if e.status == 200 and e.at_s >= BACK_S]
    return good[0].at_s + good[0].duration_s if good else BACK_S + run.seconds


INCIDENT = Incident(
    name="search-outage",
    story="For 15 s the search hangs 2 s and then fails; half of all tasks need it.",
    symptom="one tool is dead; everybody else waits",
    headline=Headline(
        "p95 of everybody else",
        "s",
        "lower",
        lambda run: run.latency_s(0.95),
        whose=needs_no_search,
    ),
    tags={"search": "tasks that need the search", "other": "everybody else"},
    faults=FaultScript.load(Path(__file__).with_suffix(".toml")),
    workload=workload,
    settings={
        "AGENT_RETRY__MAX_ATTEMPTS": str(ATTEMPTS),
        "AGENT_BREAKER__WINDOW_CALLS": "20",
        "AGENT_BREAKER__PROBES": str(PROBES),
        "AGENT_BREAKER__OPEN_S": "1",
        "AGENT_BREAKER__OPEN_GROWTH": "1",
    },
    promise=promise,
    cure=cure,
)
