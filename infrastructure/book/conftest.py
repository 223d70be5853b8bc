"""What quick and slow tests share: helpers, fixtures, one damaged copy of the repository for all.

What a fixture needs is imported when a test asks for it: every test process loads this module.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from damaged import Copy
    from small_units import Small

    from book.chain.chain import Book
    from book.stage.processes import Processes
    from book.stage.services.servers import Servers

sys.path.insert(0, str(Path(__file__).parent / "tests"))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    from damaged import Copy

    return Copy(tmp_path_factory.mktemp("repository"))


@pytest.fixture
def copy(made: Copy) -> Iterator[Copy]:
    """As the repository is; whatever a test does to it is undone."""
    yield made
    made.restore()


@pytest.fixture(scope="module")
def book() -> Book:
    """This repository."""
    from book.chain.chain import Book

    return Book.find()


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """For trials; what any test needs is imported once."""
    from forking import IMPORTS

    from book.stage.processes import Processes

    with Processes(IMPORTS, tmp_path_factory.mktemp("scratch")) as started:
        yield started


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def small(tmp_path: Path, scratch: Path, processes: Processes) -> Small:
    """A small repository whose tests can be run."""
    from small_units import Small

    return Small(tmp_path / "root", scratch, processes)


@pytest.fixture
def pool(scratch: Path) -> Iterator[Callable[..., Servers]]:
    """Makes pools of servers, and closes them."""
    from servers_of_each_kind import pools

    with pools(scratch) as make:
        yield make
