"""Which versions ``uv.lock`` gives a project, with all that they need in turn.

Prevents a kept result that outlives an upgrade of something deep below.
"""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from book.chain.chain import ChainError


def normal(name: str) -> str:
    """A project's name as the lock writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


@lru_cache(maxsize=4)
def _parsed(text: str) -> dict[str, Any]:
    """Nobody changes what this gives: it is everybody's who reads the same text."""
    return tomllib.loads(text)


class Lock:
    """A lock file; without one nothing is locked. Raises ChainError where it is no TOML."""

    def __init__(self, file: Path) -> None:
        self.file = file

    @cached_property
    def _packages(self) -> dict[str, list[dict[str, Any]]]:
        """By name; a name may have several versions, for several systems."""
        found: dict[str, list[dict[str, Any]]] = defaultdict(list)
        try:
            read = _parsed(self.file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return found
        except tomllib.TOMLDecodeError as error:
            raise ChainError(f"{self.file}: not valid TOML: {error}; `uv lock` writes it") from None
        for package in read.get("package", []):
            found[package["name"]].append(package)
        return found

    def needs(self, project: str) -> set[str]:
        """The projects that one asks for itself, groups for development left out."""
        return {
            each["name"]
            for package in self._packages.get(normal(project), [])
            for each in package.get("dependencies", [])
        }

    def versions(self, projects: Iterable[str]) -> list[str]:
        """``name version source`` of all of them and of what they need, sorted."""
        left, seen, found = [normal(each) for each in projects], set[str](), set[str]()
        while left:
            name = left.pop()
            if name in seen:
                continue
            seen.add(name)
            for package in self._packages.get(name, []):
                source = sorted(package.get("source", {}).items())
                found.add(f"{name} {package.get('version', '')} {source}")
                wanted = list(package.get("dependencies", []))
                for extra in package.get("optional-dependencies", {}).values():
                    wanted += extra  # which of them are asked for is not worth a wrong result
                left += [each["name"] for each in wanted]
        return sorted(found)
