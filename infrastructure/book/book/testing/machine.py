"""What of the machine decides tests of real servers: which there are, and whether we are root.

Prevents a green result that was another's: servers from the PATH and from wheels are not the same,
and as root PostgreSQL runs as somebody else. What ran is said, beside the counts.
"""

from __future__ import annotations

import os

from book.stage.services.programs import is_root
from book.stage.services.servers import KINDS


def servers() -> list[str]:
    """A line a kind of server: every program of it that is found here, and where it is from."""
    if os.name != "posix":
        return ["servers: none, they need Linux, macOS or WSL"]
    lines = []
    for kind in KINDS.values():
        found = [str(program) for program in kind.programs()]
        lines.append(f"{kind.name}: {'; '.join(found) or 'none here'}")
    return lines


def who() -> str:
    """As whom servers are started."""
    return "root" if is_root() else "an ordinary user"
