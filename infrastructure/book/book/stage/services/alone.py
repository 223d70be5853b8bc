"""A server that one trial has to itself: there are no tenants, and nothing that one could flush.

This prevents a monitoring server that keeps another trial's targets, rules or alerts.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from book.stage.services.errors import ServiceError
from book.stage.services.starting import folder_for
from book.stage.services.supervised import Supervised


class Alone:
    """Heirs say what they are called, which variable tells their address, and how they start."""

    kind: ClassVar[str]
    variable: ClassVar[str]

    def __init__(self, scratch: Path) -> None:
        self._folder = folder_for(scratch, self.kind)
        self.process, self.port = self._start(0)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def tenant(self, *, whole: bool) -> tuple[dict[str, str], Callable[[], None]]:
        return {self.variable: self.url}, self.end

    def flush(self) -> None:
        raise ServiceError(f"{self.kind}: this server holds no data that an incident could flush")

    def restart(self) -> None:
        self.process.end(keep=True)
        self.process, _ = self._start(self.port)

    def end(self) -> None:
        self.process.end()

    def _start(self, port: int) -> tuple[Supervised, int]:
        """Start it on ``port``, or where 0 on one that it chooses; the process and the port."""
        raise NotImplementedError
