"""A rule on the devcontainer: one image, no features, and no command that the README has not.

Prevents a second way to set up that nobody reads, and that stops working unseen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from book.chain.chain import Book
from book.chain.sources import sources
from book.check.finding import Finding
from book.check.names import code

FILE = ".devcontainer/devcontainer.json"


class _Container(BaseModel):
    """What the file may say, of all that the schema of development containers allows."""

    model_config = ConfigDict(extra="forbid", strict=True)
    schema_: str = Field(alias="$schema", pattern=r"^https://")
    name: str = Field(min_length=1)
    image: str = Field(pattern=r"^[a-z0-9./-]+/python:[\w.-]+$")
    postCreateCommand: str = Field(min_length=1)  # noqa: N815 - the file's own word


def container(book: Book) -> Iterator[Finding]:
    """The file has its form, and its commands are commands of the root README."""
    read = sources(book)
    text = read.text(FILE)
    if text is None:
        return
    try:
        said = _Container.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        keys = ", ".join(each.alias or name for name, each in _Container.model_fields.items())
        what = f"{place}: {first['msg']}".lstrip(": ")
        yield Finding(f"{FILE} has another form: {what}", FILE, f"it says {keys} and no more")
        return
    known = {each.strip().removeprefix("$ ") for _, each in code(read.text("README.md") or "")}
    for command in re.split(r"\s*(?:&&|;)\s*", said.postCreateCommand):
        if command not in known:
            line = text.count("\n", 0, text.index("postCreateCommand")) + 1
            mend = "run a command of the README, or tell its readers of this one"
            yield Finding(f"the README has no `{command}`", f"{FILE}:{line}", mend)
