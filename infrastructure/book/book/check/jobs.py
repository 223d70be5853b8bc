"""Checks that run code, in parallel; what was well and has not changed since is not run again."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from book.chain.deciding import Deciding, Watched
from book.chain.kept import Kept, now
from book.check.finding import Finding
from book.stage.processes import Processes


@dataclass(frozen=True)
class Job:
    """A check that runs code: its name, what makes the key of its result, and what to run."""

    name: str
    key: Callable[[Deciding], str]
    run: Callable[[], list[Finding]]


def run(
    jobs: Sequence[Job],
    processes: Processes,
    kept: Kept,
    watched: Watched,
    on_job: Callable[[str], None],
    *,
    fresh: bool = False,
) -> list[Finding]:
    """Run what is not known to be well; all findings in the order of the jobs.

    Only what has no finding is kept: a finding may be a busy machine's, and is asked again. With
    ``fresh`` all are run. Nor is kept what ran while its files changed.
    """

    def result(job: Job) -> list[Finding]:
        key = job.key(watched.began)
        if not fresh and kept.get(key) is not None:
            return []
        found = job.run()
        if found:
            kept.drop(key)
        elif watched.still(key, job.key):
            kept.put(key, {"measured": now()})
        on_job(job.name)
        return found

    with ThreadPoolExecutor(os.cpu_count() or 2) as pool, processes.killed_on_error():
        return [each for job in pool.map(result, jobs) for each in job]
