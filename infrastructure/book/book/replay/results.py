"""The figures of replays as plain data, for scripts: what ``book run --json`` writes."""

from __future__ import annotations

from collections.abc import Sequence

from book.replay import policies
from book.replay.replay import Replay, Row


def figures(replays: Sequence[Replay]) -> list[dict[str, object]]:
    """One entry a trial. Times are seconds, costs US dollars as a decimal string."""
    return [_entry(replay, row) for replay in replays for row in replay.rows]


def _entry(replay: Replay, row: Row) -> dict[str, object]:
    run = row.run
    return {
        "incident": replay.incident.name,
        "seed": replay.seed,
        "step": row.trial.step.name,
        "variant": row.trial.label or None,
        "faults": not row.trial.calm,
        "settings": row.trial.settings,
        "tasks": len(run.outcomes),
        "done": run.done,
        "success": run.success,
        "users_got": dict(run.kinds),
        "headline": {
            "words": replay.incident.headline.words,
            "unit": replay.incident.headline.unit,
            "value": replay.incident.headline.of(run),
        },
        "p50_s": run.latency_s(0.5),
        "p95_s": run.latency_s(0.95),
        "model_requests": len(run.model_requests),
        "sdk_retries": run.sdk_retries,
        "tokens": run.tokens,
        "cost_usd": str(run.cost_usd),
        "policies": policies.counts(run),
        "answered_by_model": policies.by_model(run),
        "served_by": run.served_by,
        "exit_code": run.exit_code,
        "faults_fired": dict(run.fired),
        "errors": dict(run.errors),
        "seconds": run.seconds,
        "holds": row.holds,
        "expected": row.expected,
        "checks": [
            {
                "name": c.name,
                "value": c.value,
                "limit": c.limit,
                "ok": c.ok,
                "applies": c.applies,
            }
            for c in row.checks
        ],
    }
