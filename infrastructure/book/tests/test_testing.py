"""``book test``: parts that add up, results that are kept by content, tests that hang."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from small_units import CHAPTER, FILES, FIRST, PROJECT, Small

from book.chain.chain import Book
from book.testing import machine
from book.testing import report as show
from book.testing.keeping import FILE
from book.testing.parts import MOST, PART_S, Share, Times, split

UNITS = (
    "reference-agent",
    "chapter-02/trials",
    "chapter-02/first",
    "infrastructure/mock-claude",
    "infrastructure/book",
    "repository",
)


def test_what_is_green_is_run_once_and_still_counts(small: Small) -> None:
    first = small.kept(None)
    assert first == {unit: (3 if unit.endswith("first") else 1, 0, 0) for unit in UNITS}
    assert small.kept(None) == {unit: (n, 0, n) for unit, (n, _, _) in first.items()}


@pytest.mark.parametrize(
    ("edited", "run_again"),
    [
        (f"{CHAPTER}/first/agent.py", {"chapter-02/first"}),
        (f"{CHAPTER}/first/data.csv", {"chapter-02/first"}),
        (f"{CHAPTER}/first/new.txt", {"chapter-02/first"}),
        (f"{CHAPTER}/trials/__init__.py", {"chapter-02/first", "chapter-02/trials"}),
        (f"{CHAPTER}/tests/test_trials.py", {"chapter-02/trials"}),
        (f"{CHAPTER}/README.md", {"chapter-02/trials"}),
        ("reference-agent/data.txt", {*UNITS[:3]}),
        ("infrastructure/mock-claude/mock_claude/cities.csv", {*UNITS[:5]}),
        ("infrastructure/mock-claude/tests/test_mock.py", {"infrastructure/mock-claude"}),
        ("uv.lock", {*UNITS}),
        ("pyproject.toml", {*UNITS}),
    ],
)
def test_an_edit_runs_again_what_it_can_decide(
    small: Small, edited: str, run_again: set[str]
) -> None:
    before = small.keys()
    small.write(edited, FILES.get(edited, "") + "\n# edited\n")
    after = small.keys()
    changed = {unit for unit in UNITS if before[unit] != after[unit]}
    assert changed == run_again | {"repository"}  # about the whole tree


def test_a_need_of_a_need_decides_and_so_do_development_groups(small: Small) -> None:
    # The chapter needs reference-agent for its tests, and that needs this one.
    small.write(
        "infrastructure/deep/pyproject.toml",
        PROJECT.format(name="deep", needs="", dev="", module="deep"),
    )
    small.write(
        "reference-agent/pyproject.toml",
        PROJECT.format(
            name="reference-agent", needs="\"deep; python_version > '3'\"", dev="", module=""
        ),
    )
    before = small.keys()
    small.write("infrastructure/deep/deep.py", "")
    after = small.keys()
    assert before["chapter-02/first"] != after["chapter-02/first"]
    assert before["infrastructure/book"] == after["infrastructure/book"]


def test_a_unit_whose_test_fails_is_not_kept(small: Small) -> None:
    small.write(f"{FIRST}/test_second.py", "def test_three() -> None: assert 0\n")
    for _ in range(2):
        assert small.kept() == {"chapter-02/first": (2, 1, 0)}
    small.write(f"{FIRST}/test_second.py", "def test_three() -> None: pass\n")
    assert small.kept() == {"chapter-02/first": (3, 0, 0)}
    assert small.kept() == {"chapter-02/first": (3, 0, 3)}


def test_a_unit_with_skipped_tests_is_not_kept_as_the_machine_may_decide_them(
    small: Small,
) -> None:
    small.write(
        f"{FIRST}/test_third.py", "import pytest\n\ndef test_four(): pytest.skip('no server')\n"
    )
    for _ in range(2):
        (report,) = small.run_tests()
        assert (report.passed, report.kept) == (3, 0)
        assert len(report.skipped) == 1
        assert "no server" in report.skipped[0]


def test_what_the_whole_tree_decides_is_kept_whatever_it_starts(small: Small) -> None:
    starts = "import subprocess\ndef test_a(): subprocess.run(['true'], check=True)\n"
    small.write("tests/test_starting.py", starts)
    assert small.kept("repository") == {"repository": (2, 0, 0)}
    assert small.kept("repository") == {"repository": (2, 0, 2)}
    small.write("reference-agent/data.txt", "edited")
    assert small.kept("repository") == {"repository": (2, 0, 0)}


def test_what_a_file_of_tests_reads_beside_its_unit_decides_too(small: Small) -> None:
    # More of what may decide is among the slow tests.
    other = (small.root / "tests" / "test_repository.py").as_posix()
    reads = "from pathlib import Path\ndef test_a(): Path({!r}).read_bytes()\n"
    small.write(f"{FIRST}/test_third.py", reads.format(other))
    small.write(f"{FIRST}/test_fourth.py", reads.format("data.csv"))
    assert small.kept() == {"chapter-02/first": (5, 0, 0)}
    small.write("tests/test_repository.py", "# edited\n")
    assert small.kept() == {"chapter-02/first": (5, 0, 4)}


def test_a_broken_file_of_results_costs_a_run(small: Small) -> None:
    small.run_tests()
    small.write(str(FILE), "{")
    assert small.kept() == {"chapter-02/first": (3, 0, 0)}


def test_all_runs_all_and_a_clean_clone_knows_nothing(small: Small) -> None:
    small.run_tests()
    (report,) = small.run_tests(everything=True)
    assert (report.passed, report.kept) == (3, 0)
    assert small.kept() == {"chapter-02/first": (3, 0, 3)}
    (small.root / FILE).unlink()
    assert small.kept() == {"chapter-02/first": (3, 0, 0)}


def test_parts_run_each_test_once_and_add_up(small: Small) -> None:
    log = small.scratch.parent / "log"
    body = f"    with open({str(log)!r}, 'a') as log: log.write(f'{{__name__}} {{n}}\\n')\n"
    head = "import pytest\n@pytest.mark.parametrize('n', range(12))\n"
    for name in ("test_first", "test_second", "test_third"):
        small.write(f"{FIRST}/{name}.py", f"{head}def test_a(n):\n{body}")
    small.write(f"{FIRST}/conftest.py", "collect_ignore = []\n")
    times = Times(Book(small.root))
    seconds = {"test_first": 3.5 * PART_S, "test_second": 0.9 * PART_S, "test_third": 0.1}
    times.seconds = {f"{FIRST}/{name}.py": s for name, s in seconds.items()}
    times.save()
    (report,) = small.run_tests()
    assert len(report.outcomes) == 5
    assert (report.passed, report.failed) == (36, 0)
    ran = log.read_text().splitlines()
    assert sorted(ran) == sorted(f"{name} {n}" for name in seconds for n in range(12))
    assert {name: file.passed for name, file in report.files.items()} == {
        f"{FIRST}/{name}.py": 12 for name in seconds
    }
    # What they took is remembered, so that they are no longer thought to be long.
    (report,) = small.run_tests(everything=True)
    assert len(report.outcomes) == 1
    assert report.passed == 36


@given(st.dictionaries(st.text("abc", min_size=1), st.floats(0.0, 100.0), max_size=12))
def test_every_test_belongs_to_one_part_and_parts_are_even(seconds: dict[str, float]) -> None:
    parts = split(seconds)
    part_s = max(PART_S, sum(seconds.values()) / MOST)
    assert len(parts) <= MOST
    shares = [share for part in parts for share in part]
    assert len(shares) == len(set(shares))
    for file in seconds:
        mine = sorted((s for s in shares if s.file == file), key=lambda share: share.number)
        assert mine == [Share(file, number, len(mine)) for number in range(len(mine))]
    for part in parts:
        assert sum(seconds[share.file] / share.of for share in part) <= 3 * part_s


def test_a_test_that_hangs_is_named_and_ended_and_one_that_is_slow_is_not(small: Small) -> None:
    small.write(
        f"{FIRST}/test_second.py",
        "import threading\ndef test_that_hangs(): threading.Event().wait()\n",
    )
    (report,) = small.run_tests(patience_s=2.0)
    assert (report.passed, report.failed) == (0, 1)
    assert "no test ended for 2 s" in report.details
    assert "test_that_hangs" in report.details


def test_a_process_that_dies_fails_its_unit_with_the_test_that_ran(small: Small) -> None:
    small.write(f"{FIRST}/test_second.py", "import os\ndef test_that_dies(): os._exit(0)\n")
    (report,) = small.run_tests()
    assert report.failed == 1
    assert "test_that_dies" in report.details


CERTIFICATES = """import os


def test_certificates():
    assert os.environ.get("SSL_CERT_DIR", "").startswith(os.environ["TMPDIR"]) is {}
"""


def test_slow_tests_run_only_when_asked_for_one_file_a_part_and_may_speak_tls(small: Small) -> None:
    folder = "infrastructure/book/slow"
    for name in ("test_first", "test_second"):
        small.write(f"{folder}/{name}.py", CERTIFICATES.format(False))
    small.write("infrastructure/book/tests/test_book.py", CERTIFICATES.format(True))
    assert small.kept("book") == {"infrastructure/book": (1, 0, 0)}
    (report,) = small.run_tests("slow", kinds=("ruff", "mypy", "pytest"))
    assert (report.unit, report.what) == ("infrastructure/book/slow", "pytest")
    assert (report.passed, report.failed, len(report.outcomes)) == (2, 0, 2)
    assert small.kept("slow") == {"infrastructure/book/slow": (2, 0, 2)}
    small.write(f"{folder}/test_second.py", "def test_a(): assert 0\n")
    assert small.kept("infrastructure/book/slow")["infrastructure/book/slow"][1] == 1


def test_a_unit_without_tests_fails(small: Small) -> None:
    for name in ("test_first", "test_second"):
        (small.root / FIRST / f"{name}.py").unlink()
    (report,) = small.run_tests()
    assert (report.passed, report.failed) == (0, 1)


def test_the_line_before_the_counts_says_how_many_were_kept(small: Small) -> None:
    small.write("reference-agent/test_agent.py", "def test_a(): assert 0\n")
    small.run_tests()
    shown = io.StringIO()
    out = Console(file=shown, width=200, highlight=False)
    reports = small.run_tests() + small.run_tests("reference-agent")
    show.sums(out, reports, 2, 1.0)
    lines = shown.getvalue().splitlines()
    assert lines[-2] == "2 folders in 1 s; 3 results kept from earlier runs, ALL=1 runs all"
    assert lines[-1] == "3 passed, 1 failed"


def test_which_servers_tests_could_use_is_said() -> None:
    shown = io.StringIO()
    show.servers(Console(file=shown, width=80), machine.who(), machine.servers())
    head, *lines = shown.getvalue().strip().splitlines()
    assert head in ("servers, started by root:", "servers, started by an ordinary user:")
    kinds = [line.split(":")[0].strip() for line in lines]
    assert kinds == ["redis", "postgres", "prometheus", "alertmanager"]


def test_times_tell_cpu_and_wall_of_each_job_and_the_slowest_tests(small: Small) -> None:
    small.write(f"{FIRST}/test_second.py", "def test_that_works(): sum(range(10**7))\n")
    shown = io.StringIO()
    reports = small.run_tests()
    show.times(Console(file=shown, width=200, highlight=False), reports, 10.0)
    text = shown.getvalue()
    cpu, wall = map(float, re.findall(r"first pytest +([\d.]+) s +([\d.]+) s", text)[0])
    assert cpu > 0.05
    assert wall > 0.05
    assert re.search(r"the longest job took \d+% of the whole", text)
    slowest = text.splitlines()[-3:]
    assert slowest[0].endswith("test_second.py::test_that_works")
    assert len([line for line in slowest if "::" in line]) == 3


def test_one_run_on_a_busy_machine_does_not_make_a_file_long(small: Small) -> None:
    times = Times(Book(small.root))
    file = f"{FIRST}/test_first.py"
    for took, remembered in ((3.0, 3.0), (60.0, 6.0), (60.0, 12.0), (3.0, 3.0)):
        times.ran(file, took)
        assert times.of(file) == remembered
    times.save()
    assert Times(Book(small.root)).of(file) == 3.0
