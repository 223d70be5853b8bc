"""Is it ready? Nine questions, each answered by what was observed and not by a tick.

Prevents the checklist that is always green: boxes ticked from memory, for things that held last
year. The rules:

- A line counts only with a proof: an incident or a test that held in this run, or the word of a
  person who gives name and date.
- A proof that nobody ran proves nothing, and one that failed says so: both score 0.
- All proofs of a line must hold for its one point. A line without a proof is not proven.

Nothing here runs anything: whoever ran the proofs passes the outcomes in. What the lines are and
who proves them is data; `READINESS_ITEMS` are the book's nine, still without proofs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal, TypeAlias

Verdict: TypeAlias = Literal["proven", "not proven", "disproved"]


@dataclass(frozen=True)
class Proof:
    """What a line rests on. Raises ValueError that names the field.

    `name` is an incident's name, a test (``file::test``) or its command, or who gives their word;
    `on` is the day on which they gave it. A word needs both, and stands until the evidence says
    otherwise. The others stand only by the evidence.
    """

    kind: Literal["incident", "test", "word"]
    name: str
    on: date | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("incident", "test", "word"):
            raise ValueError(f"kind must be incident, test or word, not {self.kind!r}")
        if not self.name.strip():
            raise ValueError(f"name is blank: say which {self.kind}, or whose")
        if (self.kind == "word") != isinstance(self.on, date):
            raise ValueError(f"on must be the date of a word, and only of a word, not {self.on!r}")

    @property
    def id(self) -> str:
        """What the evidence calls it: ``incident:hung-api``, ``word:A. Roe 2026-11-20``."""
        return f"{self.kind}:{self.name}" + (f" {self.on}" if self.on else "")

    def outcome(self, evidence: Mapping[str, bool]) -> bool | None:
        """Whether it held; None if this run did not try it."""
        return evidence.get(self.id, True if self.kind == "word" else None)


@dataclass(frozen=True)
class Item:
    """One line of the checklist: what it asks for in a sentence, and what proves it."""

    key: str
    title: str
    asks: str
    proofs: tuple[Proof, ...] = ()

    def verdict(self, evidence: Mapping[str, bool]) -> Verdict:
        outcomes = [proof.outcome(evidence) for proof in self.proofs]
        if False in outcomes:
            return "disproved"
        return "proven" if outcomes and None not in outcomes else "not proven"


@dataclass(frozen=True)
class Row:
    """A scored line, as a table shows it; `proof` lists each proof with its outcome."""

    title: str
    points: int
    verdict: Verdict
    proof: str

    @property
    def proven(self) -> bool:
        return self.verdict == "proven"


@dataclass(frozen=True)
class Score:
    """The rows in the order of the items, and their points of as many: ``str`` is "7 of 9"."""

    rows: tuple[Row, ...]

    @property
    def points(self) -> int:
        return sum(row.points for row in self.rows)

    @property
    def out_of(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        return f"{self.points} of {self.out_of}"


READINESS_ITEMS = (
    Item(
        "error-handling",
        "Error handling",
        "Every failure of the model, a tool or the network is bounded in time, repeated only where"
        " that can help, and told to the user; none ends the process.",
    ),
    Item(
        "logging-and-tracing",
        "Structured logging and tracing",
        "One request can be followed from its arrival to its answer, by an id, in logs and traces.",
    ),
    Item(
        "metrics-and-monitoring",
        "Metrics and monitoring",
        "Traffic, errors, latency and saturation are measured, and an alert reaches a person while"
        " there is still error budget left.",
    ),
    Item(
        "security",
        "Security and input validation",
        "Input is checked, text from outside gives no orders, and no secret reaches a log or an"
        " answer.",
    ),
    Item(
        "cost",
        "Cost tracking and budgets",
        "What a task costs is known while it runs, and a budget stops the one that exceeds it.",
    ),
    Item(
        "testing",
        "Testing",
        "Tests of parts, of the whole and of its failures run on every change, and a broken"
        " behaviour fails one.",
    ),
    Item(
        "deployment",
        "Deployment automation",
        "A release goes out and comes back by one automated way that loses no request.",
    ),
    Item(
        "incident-response",
        "Incident response",
        "Somebody is called, can stop the agent at once, and knows what to do first.",
    ),
    Item(
        "documentation",
        "Documentation and runbooks",
        "How the system works and what to do about each known failure is written down and was"
        " tried out.",
    ),
)


def with_proofs(
    proofs: Mapping[str, Sequence[Proof]], items: Sequence[Item] = READINESS_ITEMS
) -> tuple[Item, ...]:
    """The items with these proofs added, by key. Raises ValueError for a key without an item."""
    if unknown := proofs.keys() - {item.key for item in items}:
        raise ValueError(f"proofs for no item: {', '.join(sorted(unknown))}")
    return tuple(replace(i, proofs=(*i.proofs, *proofs.get(i.key, ()))) for i in items)


def score(items: Sequence[Item], evidence: Mapping[str, bool]) -> Score:
    """One point for each item whose proofs all held; `evidence` maps `Proof.id` to the outcome.

    Evidence that no item names is left aside. Raises ValueError for an outcome that is not a bool
    (a text such as "failed" would count as true) and for an item that is listed twice.
    """
    for name, held in evidence.items():
        if not isinstance(held, bool):
            raise ValueError(f"evidence for {name} must be True or False, not {held!r}")
    keys = [item.key for item in items]
    if twice := {key for key in keys if keys.count(key) > 1}:
        raise ValueError(f"items listed twice: {', '.join(sorted(twice))}")
    return Score(tuple(_row(item, evidence) for item in items))


def _row(item: Item, evidence: Mapping[str, bool]) -> Row:
    verdict = item.verdict(evidence)
    proofs = [f"{proof.id} ({_told(proof, evidence)})" for proof in item.proofs]
    return Row(item.title, int(verdict == "proven"), verdict, "; ".join(proofs) or "none")


def _told(proof: Proof, evidence: Mapping[str, bool]) -> str:
    if proof.outcome(evidence) and proof.id not in evidence:
        return "word given"  # nobody observed it in this run
    return {True: "held", False: "failed", None: "not run"}[proof.outcome(evidence)]
