"""``book``: one command for readers, behind the Makefile.

Exit codes: 0 all as it should be, 1 not so, 2 a wrong call or setup, 130 Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130
NOWHERE = "No usable temporary directory"  # what tempfile says where it can write in none


def _terminated(signum: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + signum)


def main() -> None:
    """The entry point. Imports take a second, in which a Ctrl-C must be no traceback either."""
    try:
        signal.signal(signal.SIGTERM, _terminated)
        from book import cli

        cli.main()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except OSError as error:
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
