"""Each folder is tested by itself: all steps hold a module named agent, and one would be tested."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent
MARKS = ("agent.py", "pyproject.toml")  # what a folder has that is tested by itself
SAY = "each step folder is tested by itself: `make test`, `uv run book test with-retries`, "
SAY += "or pytest in one folder or on one file"


def pytest_configure(config: pytest.Config) -> None:
    """Stop where what is asked for lies in more than one of these folders."""
    here = config.invocation_params.dir
    places = [Path(here, word.partition("::")[0]).resolve() for word in config.args]
    if ROOT in places or len({home for place in places for home in _homes(place)}) > 1:
        raise pytest.UsageError(SAY)


def _homes(place: Path) -> set[Path]:
    """The folder that a place belongs to, and those below it."""
    within = (each for each in (place, *place.parents) if any((each / m).is_file() for m in MARKS))
    below = (each for mark in MARKS for each in place.glob(f"**/{mark}"))
    return {next(within, ROOT), *(each.parent for each in below if ".venv" not in each.parts)}
