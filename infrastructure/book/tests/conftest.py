"""One damaged copy of the repository for all files of tests: to copy and read it takes a while."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from damaged import Copy


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("repository"))


@pytest.fixture
def copy(made: Copy) -> Iterator[Copy]:
    """As the repository is; whatever a test does to it is undone."""
    yield made
    made.restore()
