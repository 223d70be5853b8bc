"""What a trial's processes waited for a CPU, and who is to blame."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from forking import IMPORTS
from throw_away import AGENT, incident, step

from book.chain.chain import Book
from book.stage.processes import Processes
from book.stage.schedule import run_all
from book.stage.simulating import TooBusy
from book.stage.trial import Trial
from book.stage.waiting import LEAST_S, SHARE, Waited, Watch, read, too_busy
from book.story.incident import Run, Task, Workload
from book.story.wishes import Wishes

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts what threads wait")
TICKS = 100 if sys.platform == "win32" else os.sysconf("SC_CLK_TCK")
CORE = min(os.sched_getaffinity(0)) if sys.platform == "linux" else 0


@dataclass
class Proc:
    """A folder like /proc of a machine with one usable core and one more."""

    root: Path
    idle_s: float = 0.0

    def machine(self, idle_s: float) -> None:
        self.idle_s += idle_s
        lines = [f"cpu {'9 ' * 10}", _core(CORE, self.idle_s), _core(CORE + 4096, 1e6), "intr 5"]
        (self.root / "stat").write_text("\n".join(lines) + "\n", encoding="ascii")

    def process(
        self, pid: int, worked_s: float, of_ended_s: float = 0.0, **waited_s: float
    ) -> None:
        """A process with its work, that of children which ended, and the waiting by thread."""
        folder = self.root / str(pid)
        folder.mkdir(exist_ok=True)
        ticks = [int(worked_s * TICKS), 0, int(of_ended_s * TICKS), 0]
        words = " ".join(["S", *"0" * 10, *map(str, ticks), "20"])
        (folder / "stat").write_text(f"{pid} (a) (b c) {words}\n", encoding="ascii")
        for name, seconds in waited_s.items():
            thread = folder / "task" / name.removeprefix("thread")
            thread.mkdir(parents=True, exist_ok=True)
            (thread / "schedstat").write_text(f"7 {int(seconds * 1e9)} 3\n", encoding="ascii")
            (thread / "children").write_text("", encoding="ascii")


def _core(number: int, idle_s: float) -> str:
    return f"cpu{number} 5 5 5 {int(idle_s * TICKS)} 0 5 5 0 0 0"


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    found = Proc(tmp_path)
    found.machine(idle_s=100)
    return found


def between(proc: Proc, pids: list[int], change: Callable[[], None], seconds: float) -> Waited:
    """What is said of these processes when ``change`` took so many seconds."""
    before = read(pids, proc.root)
    change()
    after = read(pids, proc.root)
    assert before is not None
    assert after is not None
    return replace(after, at_s=before.at_s + seconds).since(before)


@LINUX
def test_work_and_waiting_are_summed_over_threads_and_processes(proc: Proc) -> None:
    proc.process(11, 1.0, thread11=0.25, thread12=0.5)
    proc.process(21, 2.0, thread21=1.0)

    def change() -> None:
        proc.process(11, 1.5, thread11=0.5, thread12=0.5, thread13=0.125)
        proc.process(21, 3.0, thread21=1.5)
        proc.machine(idle_s=0)

    waited = between(proc, [11, 21], change, 4.0)
    assert waited.worked_s == pytest.approx(1.5)
    assert waited.waited_s == pytest.approx(0.25 + 0.125 + 0.5)
    assert waited.others_s == pytest.approx(4.0 - 1.5)
    assert waited.excused_s == pytest.approx(waited.waited_s)


@LINUX
def test_a_step_that_spins_in_many_processes_is_not_excused_by_its_own_waiting(proc: Proc) -> None:
    proc.process(11, 0.0, thread11=0.0, thread12=0.0)

    def change() -> None:  # one core, four that want it, nobody else
        proc.process(11, 9.75, thread11=15.0, thread12=15.0)
        proc.machine(idle_s=0)

    waited = between(proc, [11], change, 10.0)
    assert waited.waited_s == 30.0
    assert waited.excused_s == pytest.approx(0.25)
    assert not too_busy(waited)


@LINUX
def test_waiting_while_others_have_the_core_is_excused(proc: Proc) -> None:
    proc.process(11, 0.0, thread11=0.0)

    def change() -> None:
        proc.process(11, 0.5, thread11=9.5)
        proc.machine(idle_s=0)

    waited = between(proc, [11], change, 10.0)
    assert (waited.waited_s, waited.excused_s) == (9.5, 9.5)
    assert too_busy(waited)


@LINUX
def test_waiting_on_a_machine_that_has_nothing_to_do_is_the_steps_own(proc: Proc) -> None:
    proc.process(11, 0.0, thread11=0.0)

    def change() -> None:
        proc.process(11, 1.0, thread11=9.0)
        proc.machine(idle_s=9.0)

    assert between(proc, [11], change, 10.0).excused_s == 0


@LINUX
def test_what_ended_children_worked_is_the_steps_own(proc: Proc) -> None:
    proc.process(11, 0.0, thread11=0.0)
    proc.process(31, 2.0, thread31=0.5)
    (proc.root / "11" / "task" / "11" / "children").write_text("31", encoding="ascii")

    def change() -> None:  # the child has ended, and was waited for
        proc.process(11, 1.0, of_ended_s=8.0, thread11=6.0)
        proc.machine(idle_s=0)

    waited = between(proc, [11], change, 10.0)
    assert waited.worked_s == pytest.approx(7.0)  # two of the eight seconds were before
    assert waited.excused_s == pytest.approx(3.0)


@LINUX
def test_a_process_that_has_ended_adds_nothing(proc: Proc) -> None:
    proc.process(11, 1.0, thread11=1.0)
    proc.process(21, 1.0, thread21=1.0)

    def change() -> None:
        for file in sorted((proc.root / "21").rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        proc.process(11, 2.0, thread11=3.0)
        proc.machine(idle_s=0)

    waited = between(proc, [11, 21], change, 4.0)
    assert (waited.worked_s, waited.waited_s) == (1.0, 2.0)


def test_where_the_system_tells_nothing_nothing_is_excused(tmp_path: Path) -> None:
    assert read([os.getpid()], tmp_path) is None
    watch = Watch([os.getpid()], tmp_path)
    watch.note()
    assert not watch.tells
    assert watch.waited == Waited()


def test_little_waiting_shifts_no_verdict_whatever_its_share() -> None:
    assert not too_busy(Waited(10, 0.01, LEAST_S, LEAST_S, LEAST_S))
    assert not too_busy(Waited())
    for share, judged in ((SHARE - 0.01, True), (SHARE + 0.01, False)):
        assert too_busy(Waited(10, 1 - share, share, share, share)) is not judged


# --- Real processes ------------------------------------------------------------------------------

SPINNERS, SPIN_S = 4, 0.4
SPINS = AGENT.replace(
    '            case "raise":',
    f"""            case "spin":
                import subprocess
                import sys

                loop = "import time; t = time.process_time\\nwhile t() < {SPIN_S}: pass"
                words = [sys.executable, "-c", loop]
                for each in [subprocess.Popen(words) for _ in range({SPINNERS})]:
                    each.wait()
            case "raise":""",
)


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(IMPORTS, tmp_path) as started:
        yield started


@LINUX
def test_a_real_step_that_spins_is_judged_unless_others_used_the_machine(
    book: Book, processes: Processes, tmp_path: Path
) -> None:
    told = incident(Workload((Task("spin", ("spin",)),), 1, 60.0))
    spinner = Trial(step(book, tmp_path, agent=SPINS), told, 7)
    seen: list[Waited] = []

    def look(waited: Waited) -> bool:
        seen.append(waited)
        return too_busy(waited)

    ((_, result),) = run_all([spinner], processes, lambda *args: None, is_too_busy=look)
    for each in seen:
        # All of it is the step's own; the system counts whole hundredths of a second a thread.
        assert each.worked_s >= SPINNERS * (SPIN_S - 0.02)
    assert isinstance(result, Run) or min(w.others_s for w in seen) > SHARE * SPINNERS * SPIN_S


@LINUX
def test_busy_loops_beside_a_real_trial_lead_to_its_verdict_or_to_none(
    book: Book, processes: Processes
) -> None:
    wishes = Wishes(7)
    workload = Workload(tuple(wishes.echo(user) for user in range(12)), at_once=4, limit_s=5.0)
    told = incident(workload, "[latency]\nmessages_s = 0.1\n")
    short = Trial(book.step("reference-agent"), told, 7)
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        ((_, result),) = run_all([short], processes, lambda *args: None)
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
    assert isinstance(result, TooBusy) or (isinstance(result, Run) and result.done == 12)
