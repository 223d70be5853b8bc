"""What READMEs tell a reader to type runs on a machine that only ran the first command."""

import os
import shutil
import sys
from collections.abc import Iterator

import pytest

from book.chain.chain import Book
from book.check import pasting

pytestmark = pytest.mark.skipif(
    os.name != "posix" or shutil.which("make") is None, reason="make and a POSIX shell are needed"
)


@pytest.fixture(scope="module")
def pasted() -> Iterator[pasting.Pasted]:
    python = os.environ.get("BOOK_PYTHON", getattr(sys, "_base_executable", sys.executable))
    with pasting.fresh_copy(Book.find(), python) as (copy, environment):
        yield pasting.paste(Book.find(), copy, environment)


def test_every_block_does_what_it_says(pasted: pasting.Pasted) -> None:
    assert pasted.wrong == []
    assert pasted.commands > 15
    assert pasted.left_out, "the key's own block is one"
