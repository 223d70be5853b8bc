"""``book``: one command for readers, behind the Makefile.

Exit codes: 0 all as it should be, 1 not so, 2 a wrong call or setup, 130 Ctrl-C, 143 SIGTERM. Who
closes the pipe that a command prints to (``| head``) wanted no more of it: where the command judges
nothing, that is 0.
"""

from __future__ import annotations

import errno
import io
import os
import select
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
NOWHERE = "No usable temporary directory"  # what tempfile says where it can write in none
SHOWS = ("agent", "service", "list", "diff", "units", "report", "--help")  # and judges nothing


def _terminated(signum: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + signum)


def open_streams() -> None:
    """A stream that was closed leads nowhere; a character that a terminal cannot show is replaced.

    Else the first file or socket would take the place of a closed one.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
            setattr(sys, name, open(number, "r" if number == 0 else "w", closefd=False))  # noqa: SIM115
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def reader_is_gone() -> bool:
    """Whether standard output is a pipe that nobody reads any more."""
    if not hasattr(select, "poll"):
        return False
    asked = select.poll()
    asked.register(1, 0)
    return any(state & select.POLLERR for _, state in asked.poll(0))


def _leave_quietly(code: str | int | None) -> NoReturn:
    """End without a word on what can no longer be printed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    shows = next(iter(sys.argv[1:]), "--help") in SHOWS
    sys.exit(0 if shows and code in (None, 0, 1, INTERRUPTED) else code or 1)


def main() -> None:
    """The entry point. Imports take a second, in which a Ctrl-C must be no traceback either."""
    try:
        signal.signal(signal.SIGTERM, _terminated)
        open_streams()
        from book import cli

        cli.main()
    except SystemExit as left:
        if reader_is_gone():
            _leave_quietly(left.code)
        raise
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except OSError as error:
        if error.errno == errno.EPIPE:
            _leave_quietly(1)
        if not (told := _of_no_room(error)):
            raise
        print(f"book: {told}", file=sys.stderr)
        sys.exit(1)


def _of_no_room(error: OSError) -> str:
    """What a person reads where nothing can be written; nothing for another error."""
    from book.stage import disk

    if error.errno in disk.FULL:
        folder = disk.folder_of(error) or Path.cwd()
        return disk.told(folder, disk.free_mb(folder))
    if NOWHERE not in str(error):
        return ""
    temporary = next(filter(None, map(os.environ.get, ("TMPDIR", "TEMP", "TMP"))), "/tmp")  # noqa: S108
    left = disk.free_mb(Path(temporary))
    if left is not None and left < disk.LEAST_MB:
        return disk.told(Path(temporary), left)
    return f"no folder for temporary files can be written, {temporary} neither: set TMPDIR to one"


if __name__ == "__main__":
    main()
