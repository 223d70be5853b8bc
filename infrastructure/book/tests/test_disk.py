"""A full disk gives no verdict: what met it is named, with how much to free and where."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from throw_away import AGENT, incident, on_any_machine, step

from book import __main__
from book.chain.chain import Book
from book.stage import trial as trials
from book.stage.disk import Disk, DiskFull, watched
from book.stage.processes import Processes
from book.stage.schedule import run_all
from book.stage.simulating import TrialError
from book.stage.trial import Trial
from book.story.incident import Deed, Incident, Run, Task, Workload

FULL_DEVICE = Path("/dev/full")  # every write to it fails as on a full disk
MB = 1_000_000
has_full_device = pytest.mark.skipif(not FULL_DEVICE.exists(), reason="no /dev/full there")
# What each task makes this agent do.
WRITES = AGENT.replace(
    'case "raise":',
    """case "note":
                with open("/dev/full", "w") as file:
                    file.write("a note")
            case "note and go on":
                try:
                    with open("/dev/full", "w") as file:
                        file.write("a note")
                except OSError:
                    import logging
                    logging.exception("no note")
            case "raise":""",
)


def one(text: str) -> Incident:
    return incident(Workload((Task(text, (text,)),), 1, 10.0))


@pytest.fixture
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Processes]:
    """Of one test: a full disk ends all."""
    with Processes(trials.IMPORTS, tmp_path_factory.mktemp("scratch")) as started:
        yield started


def result_of(trial: Trial, processes: Processes) -> Run | TrialError:
    """With all errors kept that may be."""
    done = run_all(
        [trial], processes, lambda *told: None, keep_errors=True, is_too_busy=on_any_machine
    )
    return next(iter(done))[1]


def test_a_disk_with_too_little_left_is_told_before_anything_begins(tmp_path: Path) -> None:
    lacking = shutil.disk_usage(tmp_path).free / MB + 1_000
    began = []
    with (
        pytest.raises(DiskFull, match=rf"free \d+ MB in {tmp_path} and run it again"),
        watched(tmp_path, lacking),
    ):
        began.append(tmp_path)
    assert began == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_an_error_that_says_the_disk_is_full_is_no_verdict(tmp_path: Path, number: int) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    error = TrialError("a server does not start")
    error.__cause__ = OSError(number, os.strerror(number), str(elsewhere / "file"))
    with pytest.raises(DiskFull, match=rf"disk is full: .* in {elsewhere}"), watched(tmp_path):
        raise error


@pytest.mark.parametrize(
    "error", [OSError(errno.EACCES, "denied", "x"), TrialError("it fell"), KeyError("no")]
)
def test_any_other_error_stays_what_it_is(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(type(error)) as raised, watched(tmp_path):
        raise error
    assert raised.value is error


def test_a_child_that_says_it_could_not_write_is_believed(tmp_path: Path) -> None:
    said = TrialError("a-step ended early:\nOSError: [Errno 28] No space left on device: 'x'")
    with pytest.raises(DiskFull, match="disk is full"), watched(tmp_path):
        raise said


def test_a_disk_that_was_full_for_a_moment_was_full(tmp_path: Path) -> None:
    disk = Disk()
    disk.watch(tmp_path)
    disk.check()
    disk.least_mb = shutil.disk_usage(tmp_path).free / MB + 1_000
    disk.look()
    disk.least_mb = 0.0
    disk.look()
    with pytest.raises(DiskFull):
        disk.check()


@has_full_device
@pytest.mark.parametrize("how", ["note", "note and go on"])
def test_a_task_that_meets_a_full_disk_voids_its_run_even_where_errors_are_kept(
    how: str, processes: Processes, tmp_path: Path
) -> None:
    made = step(Book.find(), tmp_path, agent=WRITES)
    with pytest.raises(DiskFull, match="the disk is full: nothing is judged; free some space"):
        result_of(Trial(made, one(how), 7), processes)


@has_full_device
def test_a_deed_that_meets_a_full_disk_voids_the_run(processes: Processes, tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        with FULL_DEVICE.open("w") as file:
            file.write("a key")

    told = one("sign: a")
    made = step(Book.find(), tmp_path)
    with pytest.raises(DiskFull, match="the disk is full"):
        result_of(Trial(made, replace(told, deeds=(Deed("a key", write),)), 7), processes)


def test_an_error_of_writing_outside_a_trial_names_the_folder(tmp_path: Path) -> None:
    said = __main__._of_no_room(OSError(errno.ENOSPC, "full", str(tmp_path / "page.html")))
    assert said.startswith("the disk is full")
    assert str(tmp_path) in said
    assert __main__._of_no_room(OSError(errno.EACCES, "denied", "x")) == ""


def test_where_no_temporary_file_can_be_written_the_way_out_is_named() -> None:
    nowhere = FileNotFoundError(errno.ENOENT, f"{__main__.NOWHERE} found in ['/tmp', '/']")
    assert "set TMPDIR" in __main__._of_no_room(nowhere)


@pytest.fixture
def small() -> Iterator[Path]:
    """A file system of 64 MB, which only root can have."""
    folder = Path(tempfile.mkdtemp(prefix="book-small-"))
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m,mode=1777", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        folder.rmdir()
        pytest.skip("no file system of our own can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
        folder.rmdir()


def fill(folder: Path, left_mb: float = 0.0) -> None:
    """A file that takes all that is left but so much."""
    free = shutil.disk_usage(folder).free - int(left_mb * MB)
    with (folder / "filler").open("wb", buffering=0) as file:
        while free > 0 and (written := file.write(bytes(min(MB, free)))):
            free -= written


def test_a_disk_that_is_full_in_the_middle_of_a_run_gives_no_verdict(
    small: Path, tmp_path: Path
) -> None:
    load = Workload(tuple(Task(f"sign: {n}", (), at_s=n / 10) for n in range(10)), 1, 10.0)
    deeds = (
        Deed("it is full", lambda _: fill(small), at_s=0.2),
        Deed("it is free again", lambda _: (small / "filler").unlink(), at_s=0.5),
    )
    told = replace(incident(load), deeds=deeds)
    made = step(Book.find(), tmp_path)
    scratch = small / "scratch"
    scratch.mkdir()
    with (
        Processes(trials.IMPORTS, scratch) as processes,
        pytest.raises(DiskFull, match=rf"free 32 MB in {small}"),
    ):
        result_of(Trial(made, told, 7), processes)
    assert not (small / "filler").exists()
    scratch.mkdir(exist_ok=True)
    with Processes(trials.IMPORTS, scratch) as processes:
        seen = result_of(Trial(made, replace(told, deeds=()), 7), processes)
    assert isinstance(seen, Run)


def test_a_command_on_a_full_disk_says_so_and_fails(small: Path) -> None:
    fill(small, left_mb=2)  # with less, Python takes another folder
    ran = subprocess.run(
        [sys.executable, "-m", "book", "run", "02", "--incident", "search-outage"],
        env={**os.environ, "TMPDIR": str(small), "TMP": str(small), "TEMP": str(small)},
        cwd=Book.find().root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "the disk is full: nothing is judged; free " in ran.stderr
    assert str(small) in ran.stderr.replace("\n", "")
    assert "Traceback" not in ran.stdout + ran.stderr
    assert "holds" not in ran.stdout
