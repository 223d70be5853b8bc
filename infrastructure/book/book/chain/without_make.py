"""The commands of readers beside those that do the same without make, for the root README.

Prevents a table of two columns of which one was true once: a test asks make itself what each of
its commands would run.
"""

from __future__ import annotations

# Words of make, and what is written instead of them after `uv run`.
PAIRS = (
    ("make list", "book list"),
    ("make chapter-02", "book run 02"),
    (
        "make chapter-02 INCIDENT=hung-api SEED=3 DETAILS=1",
        "book run 02 --incident hung-api --seed 3 --details",
    ),
    ("make diff-02", "book diff 02"),
    (
        "make diff A=reference-agent B=chapter-02/with-retries",
        "book diff reference-agent chapter-02/with-retries",
    ),
    ('make agent TASK="What is 23*19?"', 'book agent "What is 23*19?"'),
    ("make scoreboard", "book scoreboard"),
    ("make test", "book test"),
    ("make test-02", "book test 02"),
    ("make report", "book report"),
)


def table() -> str:
    """The generated block."""
    rows = ["| with make | without |", "|---|---|"]
    return "\n".join([*rows, *(f"| `{made}` | `uv run {run}` |" for made, run in PAIRS)])
