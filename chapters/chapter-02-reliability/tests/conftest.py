"""What several test files of the package use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reliability import Event, subscribe


@pytest.fixture
def events() -> Iterator[list[Event]]:
    """Every event that is emitted during the test, in order."""
    heard: list[Event] = []
    undo = subscribe(heard.append)
    yield heard
    undo()
