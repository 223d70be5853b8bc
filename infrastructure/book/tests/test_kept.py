"""Kept results outlive interruptions, narrower commands, other commands and broken files."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from book.chain import kept as keeping
from book.chain.kept import AGE_DAYS, DAY_S, FORMAT, VERSION, Kept
from book.chain.locking import LockError, locked


class Calendar:
    """A day that a test turns."""

    def __init__(self) -> None:
        self.day = int(time.time() // DAY_S)

    def __call__(self) -> float:
        return self.day * DAY_S


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "results.json"


@pytest.fixture
def notices() -> list[str]:
    return []


def kept(file: Path, notices: list[str] | None = None, today: Calendar | None = None) -> Kept:
    said: list[str] = [] if notices is None else notices
    found = Kept(file, said.append, today or Calendar())
    if notices is None:
        assert said == []
    return found


def put(file: Path, **values: object) -> None:
    store = kept(file)
    for key, value in values.items():
        store.put(key, value)
    store.save()


def test_what_a_command_did_not_ask_for_is_not_forgotten(file: Path) -> None:
    put(file, a=[1], b={"x": None})
    narrow = kept(file)
    assert narrow.get("a") == [1]
    narrow.put("c", "new")
    narrow.save()
    after = kept(file)
    assert (after.get("a"), after.get("b"), after.get("c")) == ([1], {"x": None}, "new")


def test_two_commands_at_once_keep_what_both_found_out(file: Path) -> None:
    one, other = kept(file), kept(file)
    one.put("one", 1)
    other.put("other", 2)
    one.save()
    other.save()
    assert (kept(file).get("one"), kept(file).get("other")) == (1, 2)


WRITER = """
import sys
from pathlib import Path
from book.chain import kept
kept.SAVE_EVERY_S = 0.0
store = kept.Kept(Path(sys.argv[1]))
for number in range(40):
    store.put(f"{sys.argv[2]} {number}", number)
store.save()
"""


def test_many_processes_that_write_at_once_lose_nothing(file: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(file), name], stderr=subprocess.PIPE)
        for name in ("a", "b", "c")
    ]
    for writer in writers:
        _, said = writer.communicate(timeout=100)
        assert (writer.returncode, said) == (0, b"")
    after = kept(file)
    assert [after.get(f"{name} {n}") for name in "abc" for n in range(40)] == [*range(40)] * 3


def test_threads_may_put_at_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "SAVE_EVERY_S", 0.0)
    store = kept(file)
    threads = [threading.Thread(target=store.put, args=(str(n), n)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.save()
    assert [kept(file).get(str(n)) for n in range(20)] == [*range(20)]


ENDLESS = """
import sys
from pathlib import Path
from book.chain import kept
kept.SAVE_EVERY_S = 0.0
store = kept.Kept(Path(sys.argv[1]))
number = 0
while True:
    store.put(str(number % 500), "x" * 2000)
    number += 1
    print(number, flush=True)
"""


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_a_command_that_is_killed_while_it_writes_leaves_all_that_was_kept(file: Path) -> None:
    put(file, before="it")
    for puts in (3, 20, 41):
        command = [sys.executable, "-c", ENDLESS, str(file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            for _ in range(puts):
                writer.stdout.readline()
            writer.send_signal(signal.SIGKILL)
        after = kept(file)
        assert after.get("before") == "it"
        assert after.get("0") == "x" * 2000
    put(file, after="it")  # the lock ended with its holder
    assert kept(file).get("after") == "it"
    assert sorted(path.name for path in file.parent.iterdir()) == [file.name, f"{file.name}.lock"]


def test_results_are_saved_now_and_then_and_not_each_time(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = kept(file)
    store.put("a", 1)
    assert not file.exists()
    monkeypatch.setattr(keeping, "SAVE_EVERY_S", 0.0)
    store.put("b", 2)
    assert (kept(file).get("a"), kept(file).get("b")) == (1, 2)


def test_what_nobody_asked_for_in_a_long_time_goes(file: Path) -> None:
    today = Calendar()
    store = kept(file, [], today)
    store.put("used", 1)
    store.put("unused", 2)
    store.save()
    today.day += AGE_DAYS
    later = kept(file, [], today)
    assert later.get("used") == 1
    later.save()
    today.day += 1
    last = kept(file, [], today)
    last.put("other", 3)
    last.save()
    after = kept(file, [], today)
    assert (after.get("used"), after.get("unused"), after.get("other")) == (1, None, 3)


def test_asking_writes_nothing_on_the_same_day(file: Path) -> None:
    put(file, a=1)
    before = file.stat().st_mtime_ns
    store = kept(file)
    store.get("a")
    store.get("b")
    store.save()
    assert file.stat().st_mtime_ns == before


def test_what_was_dropped_does_not_come_back_from_a_command_that_only_asked(file: Path) -> None:
    put(file, a=1, b=2)
    tomorrow = Calendar()
    tomorrow.day += 1
    asked, dropped = kept(file, [], tomorrow), kept(file)
    assert asked.get("a") == 1
    dropped.drop("a")
    dropped.save()
    asked.save()
    assert (kept(file).get("a"), kept(file).get("b")) == (None, 2)


WHOLE = {"format": FORMAT, "version": VERSION, "results": {"a": {"day": 20_000, "value": 1}}}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (json.dumps(WHOLE)[:-20], "broken"),
        ("\x00\x01", "broken"),
        ("", "no file of kept results"),
        ("[" * 100_000, "broken"),
        ('{"a": []}', "no file of kept results"),
        ("[1]", "no file of kept results"),
        (json.dumps(WHOLE | {"version": 2}), "version 2, not 1"),
        (json.dumps(WHOLE | {"version": None}), "version None, not 1"),
        (json.dumps(WHOLE | {"results": [1]}), "broken"),
        (json.dumps(WHOLE | {"results": {"a": 1}}), "broken"),
        (json.dumps(WHOLE | {"results": {"a": {"day": float("inf"), "value": 1}}}), "broken"),
    ],
)
def test_a_file_that_is_no_use_is_named_set_aside_and_not_lost(
    file: Path, notices: list[str], content: str, says: str
) -> None:
    file.parent.mkdir()
    file.write_text(content, encoding="utf-8")
    for number in (1, 2):
        file.write_text(content, encoding="utf-8")
        store = kept(file, notices)
        assert store.get("a") is None
        assert str(file) in notices[-1]
        assert says in notices[-1]
        store.put("b", number)
        store.save()
        assert kept(file).get("b") == number
        aside = file.with_name(f"{file.name}.aside-{number}")
        assert aside.read_text(encoding="utf-8") == content
        assert str(aside) in notices[-1]
        assert "remove it, or mend it" in notices[-1]


def test_a_file_that_breaks_meanwhile_costs_nothing_that_was_read(
    file: Path, notices: list[str]
) -> None:
    put(file, a=1)
    store = kept(file, notices)
    file.write_text("{", encoding="utf-8")
    store.put("b", 2)
    store.save()
    assert (kept(file).get("a"), kept(file).get("b")) == (1, 2)
    assert "aside-1" in notices[0]


def test_a_full_disk_is_named_once_and_loses_nothing(
    file: Path, notices: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    put(file, a=1)

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store = kept(file, notices)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        store.put("b", 2)
        store.save()
        store.save()
    (said,) = notices
    assert str(file) in said
    assert "No space left on device" in said
    assert kept(file).get("a") == 1
    assert list(file.parent.glob(".*")) == []
    store.save()
    assert kept(file).get("b") == 2


def test_a_folder_that_cannot_be_written_is_named(file: Path, notices: list[str]) -> None:
    file.parent.write_text("a file where the folder should be", encoding="utf-8")
    store = Kept(file, notices.append)
    store.put("a", 1)
    store.save()
    assert any(str(file) in said and "could not be kept" in said for said in notices)


def test_a_lock_that_is_held_is_waited_for_and_then_named(file: Path) -> None:
    now = 0.0

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    with (
        locked(file),
        pytest.raises(LockError, match="another command has held"),
        locked(file, 3.0, clock=lambda: now, sleep=sleep),
    ):
        pass
    assert now == pytest.approx(3.0, abs=0.2)
    with locked(file, 0.0):
        pass


def test_what_json_cannot_hold_is_refused_at_once(file: Path) -> None:
    store = kept(file)
    with pytest.raises(TypeError):
        store.put("a", {1, 2})
    store.put("b", 2)
    store.save()
    assert kept(file).get("b") == 2


JSON = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(values=st.dictionaries(st.text(), JSON, max_size=5))
def test_any_json_value_comes_back_as_it_was_put(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, object]
) -> None:
    file = tmp_path_factory.mktemp("kept") / "results.json"
    store = kept(file)
    for key, value in values.items():
        store.put(key, value)
    store.save()
    assert {key: kept(file).get(key) for key in values} == values
