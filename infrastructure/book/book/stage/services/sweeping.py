"""In a process of its own: drops what trials made on a user's servers, each when told to, the rest
when the pipe from the command closes.

This prevents databases that stay behind on a user's server when the command is killed. Lines of
JSON come on standard input: ``{"key": K, "kind": …, "url": …, "name": …}`` is owed from then on,
``{"drop": K}`` is dropped now. Each is answered by a line: "" or what went wrong.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time

from book.stage.services import lent, postgres, redis
from book.stage.services.errors import ServiceError
from book.stage.services.psql import Psql

LATE_S = 0.5  # a killed command's processes end too: what they still write is dropped with the rest


def main() -> None:
    owed: dict[str, dict[str, str]] = {}
    for line in sys.stdin:
        told = json.loads(line)
        refused = ""
        if "drop" in told:
            refused = _drop(owed.pop(told["drop"], {}))
        else:
            owed[told.pop("key")] = told
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(refused), flush=True)
    if owed:
        time.sleep(LATE_S)
    for what in owed.values():
        if refused := _drop(what):
            print(refused, file=sys.stderr)


def _drop(what: dict[str, str]) -> str:
    """Drop one tenant; what went wrong, or nothing."""
    try:
        match what.get("kind"):
            case postgres.KIND:
                psql = Psql(lent.client_program(), what["url"])
                psql.run(f"DROP DATABASE IF EXISTS {what['name']} WITH (FORCE);")
            case redis.KIND:
                with redis.asking(what["url"]) as client:
                    client.flushdb()
    except ServiceError as error:
        return f"{what['kind']}: a trial's data could not be dropped: {error}"
    return ""


if __name__ == "__main__":
    main()
