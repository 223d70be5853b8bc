"""The parts that need pytest: a reader who only replays incidents has not installed it."""

from __future__ import annotations

from types import ModuleType

from book.chain.chain import ChainError


def running() -> ModuleType:
    """``book.testing.running``. Raises ChainError, with what to do, where tests cannot run."""
    try:
        from book.testing import running as testing
    except ModuleNotFoundError as missing:
        todo = "`make test` or `uv sync --all-packages` installs what tests need"
        raise ChainError(f"{missing.name} is not installed; {todo}") from None
    return testing
