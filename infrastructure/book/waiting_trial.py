"""How long trials wait for a CPU on this machine, and whether their verdicts are right anyway.

From its figures comes the share in ``book/stage/waiting.py`` above which a run is not judged. Run
it once on a quiet machine and once with busy loops beside it:

    python infrastructure/book/waiting_trial.py
    python infrastructure/book/waiting_trial.py --loops 4

A share is right if no run of a quiet machine is above it, and no wrong verdict below it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, cycle
from pathlib import Path
from typing import Annotated

import typer

from book.chain.chain import Book, ChainError
from book.replay import present
from book.replay.cells import all_stories
from book.replay.replay import judge, plan
from book.stage import trial as trials
from book.stage.processes import Processes
from book.stage.schedule import AT_ONCE, Line, places_of
from book.stage.trial import Trial
from book.stage.waiting import SHARE, Waited
from book.story.incident import Run
from mock_claude.offline import forget_proxies

BUSY = [sys.executable, "-c", "while True: pass"]


def made(planned: Sequence[Trial], processes: Processes) -> list[tuple[Run, Waited]]:
    """The trials side by side, each once, however long it waited."""
    line, results = Line(), dict[int, tuple[Run, Waited]]()
    for number, trial in enumerate(planned):
        line.ask(number, places_of(trial), trial.about_s)

    def work() -> None:
        while (taken := line.take()) is not None:
            number, places = taken
            try:
                results[number] = trials.watched(planned[number], processes, lambda ok: None)
            finally:
                line.give_back(places)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for ended in [pool.submit(work) for _ in range(AT_ONCE)]:
            ended.result()
    return [results[number] for number in range(len(planned))]


def main(
    incident: Annotated[str | None, typer.Option(help="only this incident")] = None,
    runs: Annotated[int, typer.Option(help="stop after the incident that makes it so many")] = 20,
    loops: Annotated[int, typer.Option(help="busy loops beside it, each in its session")] = 0,
) -> None:
    """Make runs as `book run` does, eight at once, each once, and show a line for each."""
    forget_proxies()
    out = present.console()
    told = [s for s in all_stories(Book.find()) if incident in (None, s.incident.name)]
    if not told:
        raise ChainError(f"there is no incident {incident!r}; `book list` names them")
    beside = [
        subprocess.Popen(BUSY, start_new_session=True)  # noqa: S603 - our own words
        for _ in range(loops)
    ]
    quiet: list[float] = []  # the shares of right verdicts
    wrong: list[float] = []
    head = "".join(f"{name:>9}" for name in ("length", "work", "waited", "excused", "share"))
    out.print(f"{'seconds, and of work and waiting what others took':<60}{head}  verdict")
    try:
        with (
            tempfile.TemporaryDirectory(prefix="book-") as scratch,
            Processes(trials.IMPORTS, Path(scratch)) as processes,
        ):
            for number, story in zip(count(), cycle(told)):
                if len(quiet) + len(wrong) >= runs:
                    break
                seed = 7 + number // len(told)
                planned = plan(story, seed)
                seen = made([trial for trial, _ in planned], processes)
                replay = judge(story.incident, seed, planned, [run for run, _ in seen])
                for row, (_, waited) in zip(replay.rows, seen, strict=True):
                    right = row.expected in (None, row.holds)
                    (quiet if right else wrong).append(waited.share)
                    name = f"{story.incident.name} {seed}, {present.title(row.trial)}"
                    word = "right" if right else "WRONG"
                    out.print(f"{name[:59]:<60}{figures(waited)}  {word}", soft_wrap=True)
    finally:
        for loop in beside:
            loop.kill()
            loop.wait()
    out.print(f"right verdicts: shares up to {max(quiet, default=0):.2f}")
    out.print(f"wrong verdicts: {len(wrong)}, shares from {min(wrong, default=1):.2f}")
    out.print(
        f"above {SHARE} a run is not judged: {sum(s > SHARE for s in quiet + wrong)} of these"
    )


def figures(waited: Waited) -> str:
    seconds = (waited.seconds, waited.worked_s, waited.waited_s, waited.excused_s)
    return "".join(f"{each:9.2f}" for each in (*seconds, waited.share))


if __name__ == "__main__":
    typer.run(main)
