"""``python -m mock_claude``: the simulator as a process.

Exit status: 2 for a wrong argument, script or port; 130 after Ctrl-C; 0 after SIGTERM.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mock_claude.faults.fault_script import FaultScript
    from mock_claude.world.telemetry import Telemetry

DEFAULT_PORT = 8765
_PORTS_TRIED = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse the command line and serve until stopped. The exit status."""
    parser = argparse.ArgumentParser(
        prog="mock-claude", description="A simulated Claude Messages API, with faults on request."
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to bind (%(default)s)")
    parser.add_argument(
        "--port",
        type=_port,
        help=f"port; 0: any free one (default {DEFAULT_PORT}, or the next free one)",
    )
    parser.add_argument("--seed", type=int, default=7, help="of faults and world (%(default)s)")
    parser.add_argument("--faults", metavar="FILE", help="fault script (TOML, see the README)")
    parser.add_argument("--log", metavar="FILE", help="append the web services' JSON log to it")
    parser.add_argument("--otlp", metavar="URL", help="export the web services' spans there")
    options = parser.parse_args(arguments)
    try:
        return _serve(options)
    except KeyboardInterrupt:
        return 130


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65_535:
        raise ValueError(text)
    return port


_port.__name__ = "port (0 to 65535)"  # argparse: "invalid port (0 to 65535) value: 'x'"


def _serve(options: argparse.Namespace) -> int:
    import asyncio

    from mock_claude.errors import FaultScriptError
    from mock_claude.faults.fault_script import FaultScript
    from mock_claude.world.telemetry import Telemetry

    try:
        script = FaultScript.load(options.faults) if options.faults else FaultScript()
        telemetry = Telemetry(options.log, options.otlp)
    except FaultScriptError as mistake:
        return _fail(str(mistake))
    except OSError as failure:
        return _fail(f"mock-claude: --log {options.log}: cannot be written: {failure.strerror}")
    except ValueError as mistake:
        return _fail(f"mock-claude: --otlp: {mistake}")
    ports = [options.port]
    if options.port is None:
        ports = list(range(DEFAULT_PORT, DEFAULT_PORT + _PORTS_TRIED))
    for port in ports:
        try:
            asyncio.run(_run(options.host, port, options.seed, script, telemetry))
        except OSError as failure:
            if failure.errno == errno.EADDRINUSE and options.port is None:
                _say(f"mock-claude: port {port} is in use, trying {port + 1}")
                continue
            reason = "is in use" if failure.errno == errno.EADDRINUSE else str(failure.strerror)
            return _fail(f"mock-claude: cannot listen on {options.host} port {port}: {reason}")
        else:
            return 0
    return _fail(f"mock-claude: ports {ports[0]} to {ports[-1]} are all in use; give --port")


async def _run(host: str, port: int, seed: int, script: FaultScript, telemetry: Telemetry) -> None:
    import asyncio
    import signal

    from mock_claude.server import Simulator

    stop = asyncio.Event()
    if sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    try:
        async with Simulator(seed, script, host, port, telemetry=telemetry) as simulator:
            _say(f"mock-claude listening on {simulator.url} (seed {seed})")
            _say(f"  model:   ANTHROPIC_BASE_URL={simulator.url} ANTHROPIC_API_KEY=any-key")
            _say(f"  search:  {simulator.search_url}")
            _say(f"  weather: {simulator.geocoding_url} and {simulator.forecast_url}")
            _say(f"  control: {simulator.url}/_mock/log, faults, scripts, latency, reset, metrics")
            await stop.wait()
    finally:
        if telemetry.lost:
            sys.stderr.write(f"mock-claude: {telemetry.lost} spans or lines were not delivered\n")


def _say(text: str) -> None:
    """Where nobody reads any more, it serves all the same."""
    with contextlib.suppress(BrokenPipeError):
        print(text, flush=True)  # noqa: T201


def _fail(text: str) -> int:
    sys.stderr.write(text + "\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
