"""What quick and slow tests share: their helpers, and one damaged copy of the repository for all.

To copy and read it takes a while.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from damaged import Copy

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
