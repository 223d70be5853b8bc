"""Starting a server that cannot choose its own port: a free one, and again when it was taken.

This prevents a run that fails because somebody took the port between our look and the server's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from book.stage.ports import free_port
from book.stage.services.errors import ServiceError
from book.stage.services.supervised import Supervised

TRIES = 5
TAKEN = re.compile(r"address (is )?already in use", re.IGNORECASE)


def on_a_free_port(
    launch: Callable[[int], Supervised],
    ready: str,
    port_of: Callable[[], int] = free_port,
) -> tuple[Supervised, int]:
    """Launch until a server says ``ready`` (a pattern). ServiceError when it does not start."""
    for attempt in range(1, TRIES + 1):
        port = port_of()
        process = launch(port)
        try:
            process.until_said(ready)
        except BaseException as error:
            taken = isinstance(error, ServiceError) and TAKEN.search(str(error)) is not None
            process.end(keep=taken and attempt < TRIES)
            if not taken:
                raise
            if attempt == TRIES:
                raise ServiceError(
                    f"{process.name}: {TRIES} ports in a row were taken, the last one {port}; "
                    "see what listens there (`ss -ltnp`, `lsof -i`) and run the command again"
                ) from None
        else:
            return process, port
    raise AssertionError("not reached")


def folder_for(scratch: Path, name: str) -> Path:
    """A new folder for one server below ``scratch``, for its owner alone."""
    for number in range(1_000_000):
        folder = scratch / f"{name}-{number}"
        try:
            folder.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return folder
    raise ServiceError(f"{scratch}: holds a million folders of {name}; remove them")
