"""What the policies cost when all goes well, as multiples of a bare await, all in one run.

- Each policy alone around one async function, beside what does the same work elsewhere.
- All layers of `complete/agent.py`, as its own class stacks them, around methods that do nothing.
- One SDK call: its `ask_claude` without layers, over loopback, to a simulator in a process of its
  own. A real API takes many times as long, so that the share of the layers is smaller there.

Every round measures every row; a ratio is the median of what it is within each round. The layers
of a request, a model call and a tool call together must stay under 10 % of one SDK call. Exit
status: 0 they do, 1 they do not, 2 something is missing, 130 after Ctrl-C.
"""

import argparse
import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import tenacity
from anthropic.types import ToolUseBlock
from rich.console import Console
from rich.progress import track
from rich.table import Table

import reliability as r

ROW_S = 0.004  # at least, for each row in each round
MOST_SHARE = 0.10
BARE, SDK_CALL = "bare await", "one SDK call"
LAYERS = ("run, all layers", "ask_claude, all layers", "use_tool, all layers")
MODEL, TOOL, CITY = "claude-sonnet-5-5", "get_weather", {"city": "Lisbon"}
ARGS = (MODEL, CITY)
OTHERS = ("purgatory", "pybreaker", "stamina")  # what is not installed otherwise


class Row(NamedTuple):
    """A function to call again and again, and what is put `around` all of its calls."""

    name: str
    function: Callable[..., Awaitable[object]]
    args: tuple[object, ...]
    around: Callable[["Row", int], Awaitable[float]]


async def plain(row: Row, calls: int) -> float:
    """Seconds a call. The loop's turn at the end pays for the timers that the calls leave."""
    function, args = row.function, row.args
    began = time.perf_counter()
    for _ in range(calls):
        await function(*args)
    await asyncio.sleep(0)
    return (time.perf_counter() - began) / calls


named = r.protect(plain, dependency=TOOL)  # the name is set, as for every policy of the agent


async def in_request(row: Row, calls: int) -> float:
    """Within one request: its deadline is set, its notes are collected."""
    with r.collect_notes():
        async with r.deadline(3600):
            return await plain(row, calls)


async def heard(row: Row, calls: int) -> float:
    """Within one request, while a listener hears the events. No other row has one."""
    undo = r.subscribe(lambda event: None)
    seconds = await in_request(row, calls)
    undo()
    return seconds


def policies(purgatory: Any, pybreaker: Any, stamina: Any) -> list[Row]:
    """The bare await, each policy alone and, set in, its like from elsewhere."""
    tenacious = tenacity.retry(stop=tenacity.stop_after_attempt(5), reraise=True)
    steadfast = stamina.retry(on=OSError, attempts=5)
    circuit = pybreaker.CircuitBreaker(fail_max=5, reset_timeout=60)
    places, rules = asyncio.Semaphore(20), r.LoopSettings()
    call = ToolUseBlock(id="toolu_1", name=TOOL, input=dict(CITY), type="tool_use")

    async def work(model: str, arguments: object) -> str:
        return "sunny"

    async def in_circuit(model: str, arguments: object) -> str:
        with circuit.calling():  # its decorator for async functions needs Tornado
            return await work(model, arguments)

    async def in_time(model: str, arguments: object) -> str:
        async with asyncio.timeout(30):
            return await work(model, arguments)

    async def in_place(model: str, arguments: object) -> str:
        async with places:
            return await work(model, arguments)

    async def guarded(model: str, arguments: object) -> str:
        r.LoopGuard(rules).admit([call])
        return await work(model, arguments)

    return [
        Row(BARE, work, ARGS, plain),
        Row("protect, name given", r.protect(work, dependency=TOOL), ARGS, plain),
        Row("protect, name found", r.protect(work), ARGS, plain),
        Row("retry", r.retry()(work), ARGS, named),
        Row("  tenacity.retry", tenacious(work), ARGS, named),
        Row("  stamina.retry", steadfast(work), ARGS, named),
        Row("circuit_breaker", r.circuit_breaker()(work), ARGS, named),
        Row("  purgatory", purgatory.AsyncCircuitBreakerFactory(5, 60)(TOOL)(work), ARGS, named),
        Row("  pybreaker", in_circuit, ARGS, named),
        Row("timeout", r.timeout(30)(work), ARGS, named),
        Row("  asyncio.timeout", in_time, ARGS, named),
        Row("bulkhead", r.bulkhead()(work), ARGS, named),
        Row("  asyncio.Semaphore", in_place, ARGS, named),
        Row("request_deadline", r.request_deadline(r.TimeoutSettings())(work), ARGS, named),
        Row("last_known_good", r.last_known_good(read_only=lambda *args: True)(work), ARGS, named),
        Row("fallback_model", r.fallback_model()(work), ARGS, named),
        Row("LoopGuard, one turn", guarded, ARGS, named),
    ]


def stacks(url: str) -> list[Row]:
    """The layers of `complete/agent.py` around nothing, and its model call without layers."""
    sys.path.insert(0, str(Path(__file__).resolve().parent / "complete"))
    agent, config = import_module("agent"), import_module("config")
    settings = config.Settings(anthropic_api_key="any", anthropic_base_url=url, model=MODEL)
    answer = agent.Answer(
        "437", 1, 1, 1, cache_write_tokens=0, cache_read_tokens=0, all_input_tokens=1
    )

    async def work(self: object, task: str, session: str | None = None) -> object:
        return answer

    async def ask_claude(self: object, messages: object, model: str) -> object:
        return answer

    async def use_tool(self: object, name: str, arguments: object) -> str:
        return "sunny"

    methods = {"work": work, "ask_claude": ask_claude, "use_tool": use_tool}
    idle, (run, ask, use) = type("Idle", (agent.Agent,), methods)(settings), LAYERS
    sdk_call = agent.Agent.ask_claude.__get__(agent.Agent(settings))  # as a bound method
    messages = [{"role": "user", "content": "What is 23*19?"}]
    return [
        Row(run, idle.run, ("What is 23*19?",), plain),
        Row(ask, idle.ask_claude, (messages, MODEL), in_request),
        Row(use, idle.use_tool, (TOOL, CITY), in_request),
        Row("  with a listener", idle.use_tool, (TOOL, CITY), heard),
        Row(SDK_CALL, sdk_call, (messages, MODEL), plain),
    ]


async def measure(rows: Sequence[Row], rounds: int) -> list[dict[str, float]]:
    """Seconds a call by row, for each round."""
    calls = {row.name: 5 for row in rows}
    for row in rows:  # also the first calls, which load what later ones find
        while await row.around(row, calls[row.name]) * calls[row.name] < ROW_S:
            calls[row.name] *= 2
    numbers = track(range(rounds), "measuring", console=Console(stderr=True))
    return [{row.name: await row.around(row, calls[row.name]) for row in rows} for _ in numbers]


def cost(found: Mapping[str, float], *names: str) -> float:
    """What the layers of these rows add in one round, as a share of one SDK call."""
    return sum(found[name] - found[BARE] for name in names) / found[SDK_CALL]


def report(rounds: Sequence[Mapping[str, float]]) -> int:
    """Print the table and the verdict; returns the exit status."""
    table = Table("", title=f"the success path, medians of {len(rounds)} rounds")
    for heading in ("µs a call", "x bare await", "% of an SDK call"):
        table.add_column(heading, justify="right")
    for name in rounds[0]:
        columns = zip(*((f[name], f[name] / f[BARE], cost(f, name)) for f in rounds), strict=True)
        seconds, multiple, share = map(median, columns)
        added = "" if name in (BARE, SDK_CALL) else f"{share:.2%}"
        table.add_row(name, f"{seconds * 1e6:,.2f}", f"{multiple:,.1f}", added)
    Console().print(table)
    share = median(cost(found, *LAYERS) for found in rounds)
    said = f"all layers together: {share:.2%} of one SDK call, to be under {MOST_SHARE:.0%}"
    sys.stdout.write(f"{said}: {'met' if share < MOST_SHARE else 'MISSED'}\n")
    return 0 if share < MOST_SHARE else 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and report; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=41, help="more are steadier; default: 41")
    rounds = max(1, parser.parse_args(arguments).rounds)
    if missing := [name for name in OTHERS if find_spec(name) is None]:
        parser.error(f"{missing[0]} is not installed: uv sync --all-packages --group bench")
    command = [sys.executable, "-m", "mock_claude", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as simulator:  # noqa: S603
        try:
            url = str(simulator.stdout and simulator.stdout.readline()).split()[3]
            rows = [*policies(*map(import_module, OTHERS)), *stacks(url)]
            return report(asyncio.run(measure(rows, rounds)))
        except KeyboardInterrupt:
            return 130
        finally:
            simulator.kill()


if __name__ == "__main__":
    sys.exit(main())
