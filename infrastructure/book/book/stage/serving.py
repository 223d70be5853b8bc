"""In a child process: one role of a step, such as its service.

This prevents a step that is judged by a server that is not its own where it has one.
"""

from __future__ import annotations

import importlib
from multiprocessing.connection import Connection
from pathlib import Path

from book.stage.driving import enter
from book.stage.noting import note_events

START_S = 30.0
OWN = "service.py"
PLAIN = "plain_service.py"


def serves(folder: Path) -> str:
    """Which file serves this step: its own service.py, or the harness's plain one."""
    return OWN if (folder / OWN).is_file() else PLAIN


def serve_step(
    pipe: Connection,
    folder: Path,
    environment: dict[str, str],
    port: int,
    events: Path,
    file: str,
) -> None:
    """Run ``main()`` of a file of the step until it ends; its exit is what others observe.

    Send whether the step declares a port for its metrics, once its modules are imported.
    """
    declares = enter(folder, environment)
    import agent  # type: ignore[import-not-found]  # noqa: F401

    note_events(events)
    if file == PLAIN:
        from book.stage import plain_service

        pipe.send(declares)
        plain_service.main(port)
    else:
        role = importlib.import_module(file.removesuffix(".py"))
        pipe.send(declares)
        role.main()
