"""Checks that run code, in parallel; what has not changed since is not run again."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from book.chain.kept import Kept
from book.check.finding import Finding
from book.stage.processes import Processes


@dataclass(frozen=True)
class Job:
    """A check that runs code: its name, the text that decides its result, and what to run."""

    name: str
    key: str
    run: Callable[[], list[Finding]]


def run(
    jobs: Sequence[Job], processes: Processes, kept: Kept, on_job: Callable[[str], None]
) -> list[Finding]:
    """Run what has changed since it was last run; all findings in the order of the jobs."""

    def result(job: Job) -> list[Finding]:
        known = kept.get(job.key)
        if known is None:
            known = [asdict(each) for each in job.run()]
            kept.put(job.key, known)
            on_job(job.name)
        return [Finding(**each) for each in known]

    with ThreadPoolExecutor(os.cpu_count() or 2) as pool, processes.killed_on_error():
        return [each for job in pool.map(result, jobs) for each in job]
