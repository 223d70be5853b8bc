"""An observation holds the figures of a run and none of its words."""

from __future__ import annotations

import json
import os
import platform
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from book.replay import policies
from book.replay.observations import AGE_S, VERSION, Observations, observation, run_of
from book.story.incident import Noted, Outcome, Run, Task
from mock_claude import Exchange

SECRETS = ("capybara", "Lisbon", "sk_ant_api_key", "7919", "tapir-42")
TASK = Task("What of the capybara?", ("7919", "Lisbon"), session="tapir-42", tag="first")


def exchange(number: int, key: str, **changed: object) -> Exchange:
    values: dict[str, object] = {
        "number": number,
        "at_s": number * 0.1234567891,
        "method": "POST",
        "path": "/v1/messages",
        "model": "claude-sonnet-5-5",
        "key": key,
        "attempt": 1,
        "sdk_retry": 0,
        "status": 200,
        "fault": None,
        "stream": False,
        "input_tokens": 12,
        "output_tokens": 3,
        "cost_usd": "0.000123",
        "duration_s": 0.5,
        "request_id": "req_1",
        "cache_creation_input_tokens": 4,
        "cache_read_input_tokens": 5,
    }
    return Exchange.from_json(values | changed)


RUN = Run(
    step="chapter-02/complete",
    seed=7,
    outcomes=(
        Outcome(TASK, "It is 7919 in Lisbon, says the capybara", None, 0.5, 0.1, {"turns": 2}),
        Outcome(TASK, "It is 42", None, 0.25, 0.2),
        Outcome(TASK, None, "TimeoutError", 1.5, 0.3, left=2),
        Outcome(TASK, None, "too late", 15.0, 0.3),
        Outcome(TASK, None, "503 overloaded", 0.1, 0.4, status=503, retry_after_s=1.5),
    ),
    exchanges=(
        exchange(2, "what of the capybara", status=0),
        exchange(1, "what of the capybara", status=529, fault="refused"),
        exchange(3, "Lisbon", path="/v1/search", query="q=capybara", model=None, cost_usd="0"),
    ),
    fired={"refused": 1},
    seconds=15.3,
    events=(
        Noted("RetryScheduled", 0.25, {"dependency": "anthropic", "attempt": 1, "wait_s": 0.5}),
        Noted("CircuitChanged", 0.5, {"before": "closed", "after": "open", "open_s": None}),
        Noted("FallbackUsed", 0.75, {"model": "claude-haiku-4-5", "task": "the capybara"}),
        Noted("Told", 0.9, {"text": "Lisbon", "key": "sk_ant_api_key1", "error": "OSError"}),
        Noted("Nested", 0.9, {"failure": {"kind": "rate", "said": "What of the capybara?"}}),
        Noted("Machine", 0.9, {"host": platform.node(), "words": ["capybara"]}),
    ),
    in_flight=1,
    exit_code=143,
    served_by="service.py",
    signal_s=0.75,
)


def written(run: Run) -> str:
    return json.dumps(observation(run, "a-storm", "2026-11-28T12:10:03Z"))


def test_no_word_of_a_task_an_answer_or_a_session_no_key_and_no_machine_is_written() -> None:
    text = written(RUN)
    assert [word for word in (*SECRETS, TASK.text, "req_1") if word in text] == []
    assert f'"{platform.node()}"' not in text
    assert '"RetryScheduled"' in text
    assert '"version": 1' in text


@given(st.text(min_size=4, max_size=40).filter(lambda text: text.strip() == text))
def test_whatever_a_task_says_stays_out_of_what_events_and_errors_say(words: str) -> None:
    task = Task(f"ask {words}", (f"fact {words}",))
    run = replace(
        RUN,
        outcomes=(Outcome(task, f"answer {words}", None, 1.0), Outcome(task, None, words + "!", 1)),
        events=(Noted("Told", 0.1, {"a": f"ask {words}", "b": f"fact {words}"}),),
    )
    read = json.loads(written(run))
    assert read["events"] == [["Told", 0.1, {}]]
    rows = read["outcomes"]["rows"]
    assert rows[0][4] is None
    assert rows[1][4] in ("error", words[:3])


def test_the_figures_of_a_run_come_back() -> None:
    back = run_of(json.loads(written(RUN)))
    for figure in ("done", "success", "tokens", "cost_usd", "sdk_retries", "repeats", "hung_up"):
        assert getattr(back, figure) == getattr(RUN, figure), figure
    assert (back.latency_s(0.5), back.latency_s(0.95)) == (0.5, 15.0)
    assert (
        back.errors
        == RUN.errors
        == Counter({"wrong": 1, "TimeoutError": 1, "too late": 1, "503 overloaded": 1})
    )
    assert back.cost_usd == Decimal("0.000246")
    assert [each.at_s for each in back.requests("/v1/search")] == [0.37037]
    assert policies.counts(back) == policies.counts(RUN)
    assert policies.by_model(back) == policies.by_model(RUN)
    same = ("step", "seed", "seconds", "in_flight", "exit_code", "served_by", "signal_s", "fired")
    assert [getattr(back, name) for name in same] == [getattr(RUN, name) for name in same]


@pytest.fixture
def files(tmp_path: Path) -> Observations:
    return Observations(tmp_path / "observations")


def test_each_run_is_a_file_of_its_own_and_is_read_by_its_name(files: Observations) -> None:
    first = files.write(RUN, "a-storm", "2026-11-28T12:10:03Z")
    other = files.write(RUN, "a-storm", "2026-11-28T12:10:04Z")
    assert first != other
    assert first.startswith("a-storm-chapter-02-complete-7-")
    assert sorted(path.name for path in files.folder.iterdir()) == sorted([first, other])
    back = files.read(first)
    assert back is not None
    assert back.done == RUN.done


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"format": "observation"}', "null", '{"format": 1, "version": 1}']
)
def test_what_is_no_whole_observation_is_not_read(files: Observations, content: str) -> None:
    name = files.write(RUN, "a-storm", "now")
    (files.folder / name).write_text(content, encoding="utf-8")
    assert files.read(name) is None
    assert files.read("missing.json") is None


def test_an_observation_of_another_version_is_not_read(files: Observations) -> None:
    name = files.write(RUN, "a-storm", "now")
    other = json.loads(written(RUN)) | {"version": VERSION + 1}
    (files.folder / name).write_text(json.dumps(other), encoding="utf-8")
    assert files.read(name) is None


def test_old_ones_go_and_the_oldest_of_too_many(tmp_path: Path) -> None:
    size = len(written(RUN))
    files = Observations(tmp_path, most_bytes=3 * size)
    names = [files.write(RUN, "a-storm", f"2026-11-28T12:10:0{n}Z") for n in range(5)]
    for place, name in enumerate(names):
        os.utime(tmp_path / name, (1_000_000 + place, 1_000_000 + place))
    files.tidy(clock=1_000_010)
    left = [name for name in names if (tmp_path / name).exists()]
    assert left == names[-len(left) :]
    assert 0 < sum((tmp_path / name).stat().st_size for name in left) <= 3 * size
    assert files.read(left[0]) is not None  # it is young again
    files.tidy(clock=1_000_010 + AGE_S)
    assert [name for name in names if (tmp_path / name).exists()] == [left[0]]


def test_a_file_that_was_never_finished_goes_in_time(files: Observations) -> None:
    files.folder.mkdir()
    part = files.folder / ".a.json.1.part"
    part.write_text("{", encoding="utf-8")
    files.tidy()
    assert part.exists()
    os.utime(part, (1_000, 1_000))
    files.tidy()
    assert not part.exists()
