"""The state of a propagate that is not done: what it wrote, and what waits for a person.

Prevents that a second run takes the first one's results for a person's work, or a person's
decision for something to do again. The rule: a file counts as propagate's own only while its bytes
are the ones recorded; all of it is worth something only for the commit it was measured against.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from book.chain import files
from book.chain.chain import ChainError

FILE = "book-propagate.json"
ABSENT = "absent"


class Record(BaseModel):
    """One file of a later step.

    ``sources`` are the edits that reached it, ``results`` the contents that propagate gave it, all
    as digests. A conflict is open until a person has decided.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    sources: tuple[str, ...]
    results: tuple[str, ...]
    conflict: Literal["none", "open", "decided"] = "none"


class Unfinished(BaseModel):
    """``start`` is where the flow began (``chosen`` if a person said so), ``stopped`` where it
    waits; ``written`` is false while files are being replaced."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    head: str
    start: str
    chosen: bool
    stopped: str | None
    written: bool
    records: dict[str, Record]  # by path from the repository's root


def load(path: Path) -> Unfinished | None:
    """What an earlier run left; None if it finished. Raises ChainError if it cannot be read."""
    try:
        return Unfinished.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise ChainError(
            f"{path}: this is not the state of a propagate. Remove it; `git restore` takes back "
            "what was carried, then `book propagate` carries it again"
        ) from None


def save(path: Path, state: Unfinished) -> None:
    files.replace(path, state.model_dump_json(indent=1).encode())


def digest(content: bytes | None) -> str:
    return ABSENT if content is None else hashlib.sha256(content).hexdigest()
