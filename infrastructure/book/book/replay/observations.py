"""What was observed of a run, as compact JSON that holds figures and no words.

Prevents figures that are gone when the command ends, and files that give away more than figures:
no text of a task or an answer is written, no key, no name of a machine. An error is its class
name. Files are whole or not there; old ones go, and never are there more than ``MOST_BYTES``.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from book.story.observed import Noted, Outcome, Run
from book.story.workload import Task
from mock_claude import Exchange

VERSION = 1
MOST_BYTES = 200_000_000
AGE_S = 60 * 86_400.0
NAME = re.compile(r"[A-Za-z_][A-Za-z_.]{0,63}")
MODEL = re.compile(r"[a-z][a-z0-9.-]{0,63}")
ERROR = re.compile(r"(?:\d{3}(?: [a-z_]{1,40})?|[A-Za-z_]\w{0,79}|too late)")
# What of an exchange is written: its query and its key may hold a task's words.
REQUEST = (
    *("number", "at_s", "duration_s", "method", "path", "model", "attempt", "sdk_retry", "status"),
    *("fault", "stream", "input_tokens", "output_tokens", "cost_usd"),
    *("cache_creation_input_tokens", "cache_read_input_tokens"),
)
OUTCOME = ("began_s", "latency_s", "done", "answered", "error", "status", "retry_after_s", "left")


def observation(run: Run, incident: str, measured: str) -> dict[str, Any]:
    """The run as JSON values. ``of`` numbers requests that asked the same."""
    asked: dict[str, int] = {}
    texts = {platform.node(), *(text for o in run.outcomes for text in _texts(o))}
    requests = []
    for each in sorted(run.exchanges, key=lambda exchange: exchange.number):
        values = each.to_json()
        row = [_short(values[name]) for name in REQUEST]
        requests.append([*row, asked.setdefault(each.key, len(asked))])
    return {
        "format": "observation",
        "version": VERSION,
        "incident": incident,
        "measured": measured,
        "step": run.step,
        "seed": run.seed,
        "calm": run.calm,
        "seconds": _short(run.seconds),
        "in_flight": run.in_flight,
        "exit_code": run.exit_code,
        "served_by": run.served_by,
        "signal_s": _short(run.signal_s),
        "fired": dict(run.fired),
        "outcomes": {"fields": OUTCOME, "rows": [_outcome(each) for each in run.outcomes]},
        "requests": {"fields": [*REQUEST, "of"], "rows": requests},
        "events": [[e.name, _short(e.at_s), _fields(e.fields, texts)] for e in run.events],
    }


def run_of(values: Mapping[str, Any]) -> Run:
    """The run of an observation, for its figures; a verdict that looks at texts cannot judge it.

    Raises ValueError where it is none, or of another version.
    """
    try:
        if (values["format"], values["version"]) != ("observation", VERSION):
            raise ValueError("no observation of this version")
        return Run(
            step=values["step"],
            seed=values["seed"],
            outcomes=tuple(_outcome_of(each) for each in _rows(values["outcomes"])),
            exchanges=tuple(_exchange_of(each) for each in _rows(values["requests"])),
            fired=values["fired"],
            seconds=values["seconds"],
            calm=values["calm"],
            events=tuple(Noted(name, at_s, fields) for name, at_s, fields in values["events"]),
            in_flight=values["in_flight"],
            exit_code=values["exit_code"],
            served_by=values["served_by"],
            signal_s=values["signal_s"],
        )
    except (KeyError, TypeError, AttributeError, ArithmeticError) as error:
        raise ValueError(f"this is no whole observation: {type(error).__name__}") from None


class Observations:
    """The files in one folder, each named by its content."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self.folder, self.most_bytes = folder, most_bytes

    def write(self, run: Run, incident: str, measured: str) -> str:
        """Write a run down; the name to read it by. Raises OSError where that cannot be done."""
        text = json.dumps(observation(run, incident, measured), separators=(",", ":"))
        content = text.encode()
        words = re.sub(r"[^\w-]+", "-", f"{incident}-{run.step}{'-calm' if run.calm else ''}")
        name = f"{words}-{run.seed}-{hashlib.sha256(content).hexdigest()[:16]}.json"
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self.folder / f".{name}.{os.getpid()}.part"
        try:
            part.write_bytes(content)
            os.replace(part, self.folder / name)
        finally:
            part.unlink(missing_ok=True)
        return name

    def read(self, name: str) -> Run | None:
        """The run of that name, if it is still there and whole; it is young again then."""
        file = self.folder / name
        try:
            run = run_of(json.loads(file.read_bytes()))
        except (OSError, ValueError):
            return None
        with suppress(OSError):
            os.utime(file)
        return run

    def tidy(self, clock: float | None = None) -> None:
        """Remove what is old or broken off, then the oldest of what is too much."""
        now_s = time.time() if clock is None else clock
        left: list[tuple[float, int, Path]] = []
        for file in self.folder.glob("*.json"):
            with suppress(OSError):
                left.append((file.stat().st_mtime, file.stat().st_size, file))
        for part in self.folder.glob(".*.part"):  # of a command that was killed
            with suppress(OSError):
                if now_s - part.stat().st_mtime > 3600:
                    part.unlink()
        room = self.most_bytes
        for age, size, file in sorted(left, reverse=True):
            room -= size
            if room < 0 or now_s - age > AGE_S:
                with suppress(OSError):
                    file.unlink()


def _outcome(outcome: Outcome) -> list[object]:
    error = outcome.error
    shown = error
    if error is not None and not ERROR.fullmatch(error):
        shown = error[:3] if error[:3].isdecimal() else "error"
    times = (_short(outcome.began_s), _short(outcome.latency_s))
    rest = (outcome.status, outcome.retry_after_s, outcome.left)
    return [*times, outcome.done, outcome.text is not None, shown, *rest]


def _outcome_of(row: Mapping[str, Any]) -> Outcome:
    """An outcome that is done, or not, as it was: its own words are not known any more."""
    task = Task("", () if row["done"] else ("what was asked for",))
    same = {name: row[name] for name in OUTCOME if name not in ("done", "answered")}
    return Outcome(task, "" if row["answered"] else None, **same)


def _exchange_of(row: Mapping[str, Any]) -> Exchange:
    return Exchange.from_json({**row, "key": str(row["of"]), "request_id": ""})


def _rows(table: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    fields: Sequence[str] = table["fields"]
    return (dict(zip(fields, row, strict=True)) for row in table["rows"])


def _texts(outcome: Outcome) -> Iterator[str]:
    task = outcome.task
    yield from (task.text, *task.facts, task.session or "", outcome.text or "")


def _fields(fields: Mapping[str, object], texts: set[str]) -> dict[str, object]:
    """Numbers, and names: of a dependency, a state, an error, a model. Other words are left out."""
    kept: dict[str, object] = {}
    for name, value in fields.items():
        if value is None or isinstance(value, bool | int | float):
            kept[name] = _short(value)
        elif isinstance(value, str) and value not in texts:
            pattern = MODEL if "model" in name else NAME
            kept |= {name: value} if pattern.fullmatch(value) else {}
        elif isinstance(value, Mapping):
            kept[name] = _fields(value, texts)
    return kept


def _short(value: object) -> object:
    """Times to the microsecond; what JSON has no number for is none."""
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value
