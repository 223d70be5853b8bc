"""Runs a step's agent as a person would: ``python agent.py TASK`` or ``service.py`` in its folder.

Offline, a simulator runs beside it and the person's own key, settings and proxies stay out of
reach, so that trying a step never costs money by accident.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
import socket
import ssl
import sys
from collections.abc import Mapping
from urllib.parse import urlsplit

from book.chain.chain import Book, ChainError, Step
from book.lessons import env_file
from book.stage.driving import without_agent_variables
from mock_claude import Simulator, paths
from mock_claude.offline import offline_environment, without_proxies

WRONG = 2
PORT = 8000
SERVICE, ENV, BASE_URL = "service.py", ".env", "ANTHROPIC_BASE_URL"
# Where systems keep their certificates, if Python was built to look elsewhere.
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
WEB = (paths.SEARCH, paths.GEOCODING)
INVENTED = (
    "book: offline, the web and the weather are invented, and the map holds few cities. "
    "The real ones, with your key: make agent LIVE=1"
)
ASK = (
    "book: once it listens, ask it: curl localhost:{port}/v1/tasks "
    "-H 'content-type: application/json' -d '{{\"task\": \"What is 23*19?\"}}'"
)


async def run(step: Step, task: str | None, *, live: Mapping[str, str] | None, seed: int) -> int:
    """The agent's exit code; 2 for a blank task. Cancelling ends the agent too.

    ``live`` holds the variables of a person who asks for the real API.
    """
    if task is not None and not task.strip():
        print('book: the task is blank; try: make agent TASK="What is 23*19?"', file=sys.stderr)
        return WRONG
    env_file.refuse(step.path / ENV, live)
    command = [sys.executable, "agent.py", *([task] if task is not None else [])]
    if live is not None:
        _refuse_socks(live)
        code = await _run(command, step, _with_certificates(live))
        if code == 1:
            print(_asked(step, live), file=sys.stderr)
        return code
    async with Simulator(seed=seed) as simulator:
        environment = _offline(simulator)
        if task is None:  # a prompt: told before anything is believed
            print(INVENTED, file=sys.stderr)
            return await _run(command, step, environment)
        code = await _run(command, step, environment)
        if any(exchange.path in WEB for exchange in simulator.log):
            print(INVENTED, file=sys.stderr)
        return code


async def serve(
    book: Book, step: Step, *, live: Mapping[str, str] | None, seed: int, port: int
) -> int:
    """The exit code of the step's service, which runs until a signal ends it.

    Raises ChainError for a step without one, and for a port that is in use.
    """
    if not (step.path / SERVICE).is_file():
        having = [each.name for each in book.steps if (each.path / SERVICE).is_file()]
        raise ChainError(f"{step.name} has no {SERVICE}. Steps with one: {', '.join(having)}")
    env_file.refuse(step.path / ENV, live)
    _refuse_if_taken(port)
    listening = {"AGENT_LISTEN__PORT": str(port)}
    command = [sys.executable, SERVICE]
    print(ASK.format(port=port), file=sys.stderr)
    if live is not None:
        _refuse_socks(live)
        return await _run(command, step, _with_certificates(live) | listening, drains=True)
    async with Simulator(seed=seed) as simulator:
        print(INVENTED.replace("agent", "service"), file=sys.stderr)
        # No load balancer has to be told before it leaves.
        listening["AGENT_DRAIN__PAUSE_S"] = "0"
        return await _run(command, step, _offline(simulator) | listening, drains=True)


def _with_certificates(given: Mapping[str, str]) -> dict[str, str]:
    """A company's own certificate authority stands among the system's certificates: the tools use
    these, too, unless a person names others.
    """
    own = {"SSL_CERT_FILE", "SSL_CERT_DIR"} & given.keys()
    places = (ssl.get_default_verify_paths().cafile, *BUNDLES)
    found = next((place for place in places if place and os.path.isfile(place)), None)
    return dict(given) if own or found is None else {**given, "SSL_CERT_FILE": found}


def _asked(step: Step, live: Mapping[str, str]) -> str:
    """Where a live run that failed sent its question, and whose key it was: never the key."""
    file = f"{step.path.name}/{ENV}"
    key = "the environment" if live.get(env_file.KEY) else file
    host = urlsplit(live.get(BASE_URL, "")).netloc.rpartition("@")[2]  # without a password
    proxies = ", ".join(sorted(live.keys() - without_proxies(live).keys()))
    through = f" through {proxies}" if proxies else ""
    return (
        f"book: it asked {host or f'the API, or {BASE_URL} in {file},'} "
        f"with the {env_file.KEY} of {key}{through}. "
        "Other certificates: SSL_CERT_FILE. Offline: without LIVE=1"
    )


def _refuse_socks(given: Mapping[str, str]) -> None:
    """The clients know SOCKS only with a package that nothing here installs."""
    if importlib.util.find_spec("socksio") or "*" in (given.get("NO_PROXY"), given.get("no_proxy")):
        return
    for name, value in given.items():
        if name.lower().endswith("_proxy") and value.lower().startswith("socks"):
            raise ChainError(
                f"{name} names a SOCKS proxy, which needs a package more: "
                "uv pip install socksio, or name an HTTP proxy"
            )


def _offline(simulator: Simulator) -> dict[str, str]:
    own = without_proxies(without_agent_variables(os.environ))
    return own | offline_environment(simulator.url)


def _refuse_if_taken(port: int) -> None:
    with socket.socket() as probe:
        if os.name == "posix":  # else the port of one that has just ended counts as taken
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ChainError(
                f"port {port} cannot be had ({error.strerror}): make service PORT={port + 1}"
            ) from None


async def _run(
    command: list[str], step: Step, environment: Mapping[str, str], *, drains: bool = False
) -> int:
    """What ``drains`` gets the signals that end us, and is waited for: a terminal's Ctrl-C reaches
    it by itself.
    """
    agent = await asyncio.create_subprocess_exec(*command, cwd=step.path, env=environment)
    if drains:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(NotImplementedError):  # Windows
            loop.add_signal_handler(signal.SIGTERM, agent.terminate)
            loop.add_signal_handler(signal.SIGINT, int)
    try:
        return await agent.wait()
    finally:
        if agent.returncode is None:
            agent.kill()
            await agent.wait()
