"""What a trial's processes said, written where a person can look at it: ``DETAILS=1`` names where.

This prevents a verdict on a log, a figure or a trace that nobody else can see. The files hold texts
of tasks and answers, stay in the cache, and are replaced by the next run.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from book.replay.replay import Replay, Row

FOLDER = ".cache/trials"


def hold(root: Path, replay: Replay) -> Path:
    """Write down what was collected in each trial of a replay; the folder that holds it."""
    folder = root / FOLDER / f"{replay.incident.name}-{replay.seed}"
    shutil.rmtree(folder, ignore_errors=True)
    for row in replay.rows:
        _write(folder / _name(row), row)
    return folder


def _name(row: Row) -> str:
    said = row.trial.label or row.trial.step.name.replace("/", "-")
    kept = "".join(each if each.isalnum() or each in "-_." else "-" for each in said)
    return f"{kept}-calm" if row.trial.calm else kept


def _write(folder: Path, row: Row) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    telemetry = row.run.telemetry
    texts: dict[str, list[str]] = {}
    for line in telemetry.logs:
        texts.setdefault(f"{line.source}.{line.stream}", []).append(line.text)
    for name, lines in texts.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    _lines(folder / "samples.jsonl", telemetry.samples)
    _lines(folder / "spans.jsonl", telemetry.spans)
    _lines(folder / "alerts.jsonl", telemetry.alerts)
    run = row.run
    told = {
        "exit_codes": dict(run.exit_codes),
        "peak_mb": dict(run.peak_mb),
        "done_to_it": [asdict(each) for each in run.done_to_it],
        "dropped": dict(telemetry.dropped),
        "refused": dict(telemetry.refused),
    }
    (folder / "trial.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def _lines(file: Path, each: Iterable[Any]) -> None:
    lines = [json.dumps(asdict(one), default=_text) for one in each]
    if lines:
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _text(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
