"""A chapter that hardens nothing shows something of its own: the code of its demonstration.

It lies in the chapter's folder ``demonstration``, is no part of the chapter's package, and is
loaded by path, so that the harness imports no chapter.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable

from book.chain.chain import ChainError, Chapter


def load(chapter: Chapter) -> Callable[..., None]:
    """The demonstration's ``show(book, chapter, out, **options)``.

    Its folder comes first on the path, so that its modules find each other. Raises ChainError where
    the chapter has none.
    """
    file = chapter.demonstration
    if file is None:
        raise ChainError(f"{chapter.name} has nothing to run yet; `book list` shows what there is")
    sys.path.insert(0, str(file.parent))
    show: Callable[..., None] = importlib.import_module(file.stem).show
    return show
