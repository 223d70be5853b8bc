"""Runs one step's agent as a person would: ``python agent.py TASK`` in its folder.

Offline, a simulator runs beside it and the person's own key and settings stay out of reach, so
that trying a step never costs money by accident.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping

from book.chain.chain import Step
from book.stage.driving import without_agent_variables
from mock_claude import Simulator, paths
from mock_claude.offline import offline_environment

WRONG = 2
WEB = (paths.SEARCH, paths.GEOCODING)
INVENTED = (
    "book: offline, the web and the weather are invented, and the map holds few cities. "
    "The real ones, with your key: make agent LIVE=1"
)


async def run(step: Step, task: str | None, *, live: bool, seed: int) -> int:
    """The agent's exit code; 2 for a blank task. Cancelling ends the agent too."""
    if task is not None and not task.strip():
        print('book: the task is blank; try: make agent TASK="What is 23*19?"', file=sys.stderr)
        return WRONG
    command = [sys.executable, "agent.py", *([task] if task is not None else [])]
    if live:
        return await _run(command, step, os.environ)
    async with Simulator(seed=seed) as simulator:
        environment = without_agent_variables(os.environ) | offline_environment(simulator.url)
        if task is None:  # a prompt: told before anything is believed
            print(INVENTED, file=sys.stderr)
            return await _run(command, step, environment)
        code = await _run(command, step, environment)
        if any(exchange.path in WEB for exchange in simulator.log):
            print(INVENTED, file=sys.stderr)
        return code


async def _run(command: list[str], step: Step, environment: Mapping[str, str]) -> int:
    agent = await asyncio.create_subprocess_exec(*command, cwd=step.path, env=environment)
    try:
        return await agent.wait()
    finally:
        if agent.returncode is None:
            agent.kill()
            await agent.wait()
