"""``book``: one command for readers, behind the Makefile.

Exit codes: 0 all as it should be, 1 not so, 2 a wrong call or setup, 130 Ctrl-C, 143 SIGTERM.
"""

from __future__ import annotations

import errno
import signal
import sys
from types import FrameType
from typing import NoReturn

INTERRUPTED = 130


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
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f" at {error.filename}" if error.filename else ""
        print(f"book: the disk is full{where}: free some space and run it again", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
