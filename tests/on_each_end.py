"""What the agent makes of replies that no SDK documents; `test_ends` runs this on both ends.

This is no test module of this folder: it runs in a process of its own, beside the agent of a step.
"""

import asyncio
import importlib
import importlib.util
import json
import runpy
import subprocess
import sys
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from anthropic import APIError
from anthropic.types import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_claude import Simulator
from mock_claude.api import fitting
from mock_claude.api.thinking import signature
from mock_claude.background import in_background
from mock_claude.model.reply import Reply, Shape
from mock_claude.offline import offline_environment

from agent import Agent, Run, UnfinishedAnswer  # type: ignore[import-not-found]
from config import Settings  # type: ignore[import-not-found]
from tools import Tools  # type: ignore[import-not-found]

Command = Callable[..., tuple[int, list[str]]]
GOOD, FACT = "What is 23*19?", "437"
OSLO = "What is the weather in Oslo?"
TEXT: dict[str, object] = {"type": "text", "text": "Done."}
BLANK: dict[str, object] = {"type": "text", "text": " \n"}
HALF: dict[str, object] = {"type": "text", "text": "half \ud83d"}
FUTURE: dict[str, object] = {"type": "hologram", "depth": 3, "text": "hello"}
SUM: dict[str, object] = {"type": "tool_use", "name": "calculate", "input": {"expression": "1+1"}}
THOUGHT: dict[str, object] = {"type": "thinking", "thinking": "", "signature": signature("")}
NO_NUMBER = """{"id": "m", "type": "message", "role": "assistant", "model": "claude-sonnet-5-5",
 "stop_reason": "tool_use", "usage": {"input_tokens": 1, "output_tokens": 1}, "content":
 [{"type": "tool_use", "id": "n", "name": "calculate", "input": {"expression": NaN}}]}"""


class Stage:
    """A simulator whose model says what is queued, and after that what is right."""

    def __init__(self) -> None:
        self.queued: deque[Shape | None] = deque()
        self.requests: list[Mapping[str, Any]] = []
        self.seen = 0  # model requests before this test
        self.simulator = Simulator(model=self._reply)

    def _reply(self, request: Mapping[str, object]) -> Reply:
        self.requests.append(request)
        right = fitting.reply_to(request)
        return replace(right, shape=self.queued.popleft()) if self.queued else right

    def queue(self, *replies: Mapping[str, object] | str | None) -> None:
        """Fields of messages, bodies, or None for what the model says by itself; in order."""
        for reply in replies:
            body = reply if isinstance(reply, str) else None
            fields = reply if isinstance(reply, Mapping) else {}
            kind = "text/html" if body and body.startswith("<") else "application/json"
            self.queued.append(None if reply is None else Shape(fields, body, kind))

    def begin(self) -> None:
        self.queued.clear()
        self.requests.clear()
        self.seen = len(self.simulator.model_requests())

    def refused(self) -> list[int]:
        """The statuses of this test's requests that were answered, and not with 200."""
        return [e.status for e in self.simulator.model_requests()[self.seen :] if e.status > 200]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    made = Stage()
    with in_background(made.simulator):
        yield made


@pytest.fixture(autouse=True)
def settings_of_this_test(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stage.begin()
    own = {
        "AGENT_NOTES_FILE": str(tmp_path / "notes.jsonl"),
        "AGENT_RETRY__MAX_ATTEMPTS": "1",  # each queued reply is one model call
        "AGENT_BREAKER__MINIMUM_CALLS": "100000",  # no circuit opens on purpose
        "AGENT_BREAKER__WINDOW_CALLS": "100000",
    }
    for name, value in (offline_environment(stage.simulator.url) | own).items():
        if name in Settings.variables():
            monkeypatch.setenv(name, value)


@pytest.fixture
async def agent(settings_of_this_test: None) -> AsyncIterator[Any]:
    async with Agent(Settings.from_env()) as made:
        yield made


def says(*content: object, stop: object = "end_turn") -> dict[str, object]:
    return {"content": list(content), "stop_reason": stop}


async def outcome(agent: Any, task: str, session: str | None = "ada") -> str:
    """The answer, or the error's name and what it tells; anything but a told error is raised."""
    try:
        answer = await agent.run(task, session)
    except (UnfinishedAnswer, APIError) as error:
        return f"{type(error).__name__}: {error}"
    return str(answer.text)


UNFINISHED, UNREADABLE = "UnfinishedAnswer: ", "APIResponseValidationError: "
SHAPES: dict[str, tuple[list[Mapping[str, object] | str | None], str]] = {
    "nothing": ([says()], UNFINISHED),
    "nothing after a tool's result": ([None, says()], UNFINISHED),
    "white space alone": ([says(BLANK)], UNFINISHED),
    "an empty text": ([says({"type": "text", "text": ""})], UNFINISHED),
    "thinking alone": ([says(THOUGHT)], UNFINISHED),
    "a call left open": ([says(TEXT, SUM)], UNFINISHED),
    "a call that stop sequences cut off": ([says(SUM, stop="stop_sequence")], UNFINISHED),
    "tool_use without a call": ([says(TEXT, stop="tool_use")], UNFINISHED),
    "tool_use with nothing": ([says(stop="tool_use")], UNFINISHED),
    "white space beside a call": ([says(BLANK, SUM, stop="tool_use"), says(TEXT)], "Done."),
    "an empty text beside a call": (
        [says({"type": "text", "text": ""}, SUM, stop="tool_use"), says(TEXT)],
        "Done.",
    ),
    "thinking beside a call": ([says(THOUGHT, SUM, stop="tool_use"), says(TEXT)], "Done."),
    "a block of the future": ([says(FUTURE)], UNFINISHED),
    "a block of the future beside a text": ([says(FUTURE, TEXT)], "Done."),
    "a field of the future": ([says(TEXT | {"warmth": 0.9})], "Done."),
    "a count of the future": ([says(TEXT) | {"usage": {"service_tier": "platinum"}}], "Done."),
    "a stop reason of the future": ([says(TEXT, stop="bored")], UNREADABLE),
    "max_tokens": ([says(TEXT, stop="max_tokens")], f"{UNFINISHED}Claude stopped early: max_tok"),
    "a call cut by max_tokens": ([says(SUM, stop="max_tokens")], UNFINISHED),
    "a refusal": ([says(stop="refusal")], UNFINISHED),
    "a pause": ([says(TEXT, stop="pause_turn")], UNFINISHED),
    "no stop reason": ([says(TEXT, stop=None)], UNFINISHED),
    "two calls of one id": ([says(*[SUM | {"id": "a"}] * 2, stop="tool_use")], UNFINISHED),
    "an id used before": (
        [says(SUM | {"id": "b"}, stop="tool_use"), says(SUM | {"id": "b"}, stop="tool_use")],
        UNFINISHED,
    ),
    "a page": (["<html>hello</html>"], UNREADABLE),
    "half of a message": (['{"content": [{"type": "te'], UNREADABLE),
    "an empty object": (["{}"], UNREADABLE),
    "null": (["null"], UNREADABLE),
    "brackets without end": (["[" * 100_000], UNREADABLE),
    "usage null": ([says(TEXT) | {"usage": None}], UNREADABLE),
    "content null": ([{"content": None}], UNREADABLE),
    "content a text": ([{"content": "Done."}], UNREADABLE),
    "a block that is a text": ([says("Done.")], UNREADABLE),
    "a text that is null": ([says({"type": "text", "text": None})], UNREADABLE),
    "input a JSON text": ([says(SUM | {"input": '{"a": 1}'}, stop="tool_use")], UNREADABLE),
    "input null": ([says(SUM | {"input": None}, stop="tool_use")], UNREADABLE),
    "a call without an id": ([says(SUM | {"id": ""}, stop="tool_use")], UNFINISHED),
    "an id of other letters": ([says(SUM | {"id": "é"}, stop="tool_use")], UNFINISHED),
    "a call without a name": ([says(SUM | {"name": ""}, stop="tool_use")], UNFINISHED),
    "a name without end": ([says(SUM | {"name": "n" * 300}, stop="tool_use")], UNFINISHED),
    "half a character": ([says(HALF)], "half \ufffd"),
    "half a character in a call": (
        [
            says({**SUM, "name": "save_note", "input": {"text": "tea \ud83d"}}, stop="tool_use"),
            says(TEXT),
        ],
        "Done.",
    ),
    "no number in a call": (
        [NO_NUMBER, says(TEXT)],
        "Done.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_reply_of_any_shape_is_told_or_read_and_the_session_goes_on(
    agent: Any, stage: Stage, shape: str
) -> None:
    replies, expected = SHAPES[shape]
    stage.queue(*replies)
    told = await outcome(agent, OSLO)
    assert told.startswith(expected)
    assert len(told.splitlines()) == 1
    assert "AGENT_MAX_TOKENS" in told or "max_tokens" not in told
    stage.queued.clear()
    assert FACT in await outcome(agent, GOOD)
    assert FACT in await outcome(agent, "What is 23*19, and what is 2+2?")
    assert stage.refused() == []


BLOCKS = st.sampled_from(
    [
        *(TEXT, BLANK, HALF, FUTURE, THOUGHT, SUM, SUM | {"id": "fixed"}),
        *(SUM | {"id": "odd id!"}, SUM | {"name": "no.such.tool"}, SUM | {"name": "nothing"}),
        *(SUM | {"input": "{}"}, SUM | {"input": {"expression": [1]}}, SUM | {"input": {}}),
        *({"type": "redacted_thinking", "data": "eA=="}, {"type": "text"}, {}, None, "text"),
        *({"type": "text", "text": ""}, TEXT | {"citations": None, "new": 1}),
    ]
)
STOPS = st.sampled_from(
    ["end_turn", "tool_use", "max_tokens", "stop_sequence", "refusal", "pause_turn", "new", None]
)
REPLIES = st.builds(
    lambda content, stop: {"content": content, "stop_reason": stop},
    st.lists(BLOCKS, max_size=4) | st.none(),
    STOPS,
)


def test_no_mix_of_replies_makes_the_agent_send_what_the_api_refuses(stage: Stage) -> None:
    async def session(agent: Any, mixes: list[list[Mapping[str, object]]]) -> None:
        name = f"session {len(agent.sessions)}"
        for replies in mixes:
            stage.queue(*replies)
            await outcome(agent, OSLO, name)
            stage.queued.clear()
            assert FACT in await outcome(agent, GOOD, name)

    with asyncio.Runner() as runner:
        agent = Agent(Settings.from_env())

        @settings(max_examples=100, deadline=None)
        @given(mixes=st.lists(st.lists(REPLIES, min_size=1, max_size=3), min_size=1, max_size=3))
        def holds(mixes: list[list[Mapping[str, object]]]) -> None:
            stage.begin()
            runner.run(session(agent, mixes))
            assert stage.refused() == []

        try:
            holds()
        finally:
            runner.run(agent.client.close())


async def test_a_reply_that_cannot_be_read_is_502_in_the_service(stage: Stage) -> None:
    if importlib.util.find_spec("service") is None:
        pytest.skip("this end has no service")
    from reliability import Drain

    app = importlib.import_module("service").build(Settings.from_env(), Drain())
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service") as http,
    ):
        for reply in ("<html>", '{"content": [', "{}", says(), says(TEXT, SUM)):
            stage.queue(reply)
            failed = await http.post("/v1/tasks", json={"task": OSLO, "session": "ada"})
            assert failed.status_code == 502
            stage.queued.clear()
        done = await http.post("/v1/tasks", json={"task": GOOD, "session": "ada"})
        assert done.status_code == 200
        assert done.json()["all_input_tokens"] == done.json()["input_tokens"]


async def test_thinking_goes_back_as_it_came(agent: Any, stage: Stage) -> None:
    stage.queue(says(THOUGHT, SUM, stop="tool_use"), says(TEXT))
    await agent.run(OSLO)
    assert THOUGHT in stage.requests[-1]["messages"][1]["content"]


async def test_unknown_tools_and_extra_arguments_are_told_to_claude(
    agent: Any, stage: Stage
) -> None:
    stage.queue(
        says({**SUM, "name": "fly", "input": {}}, {**SUM, "input": {"x": 1}}, stop="tool_use"),
        says(TEXT),
    )
    assert await outcome(agent, OSLO) == "Done."
    results = stage.requests[-1]["messages"][2]["content"]
    assert [each["is_error"] for each in results] == [True, True]
    assert all("calculate" in each["content"] for each in results)


async def test_a_task_that_is_cancelled_leaves_no_trace_in_its_session(
    agent: Any, stage: Stage
) -> None:
    asked = asyncio.create_task(agent.run(OSLO, "ada"))
    while not stage.requests:  # noqa: ASYNC110 - the stage lives in another thread
        await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert not agent.sessions.get("ada")
    assert FACT in await outcome(agent, GOOD)


async def test_two_tasks_at_once_in_a_session_are_both_answered_and_both_remembered(
    agent: Any, stage: Stage
) -> None:
    both = await asyncio.gather(outcome(agent, GOOD), outcome(agent, "What is 12*12?"))
    assert FACT in both[0]
    assert "144" in both[1]
    assert "144" in await outcome(agent, "What is 12*12?")
    asked = [each["content"] for each in agent.sessions["ada"] if isinstance(each["content"], str)]
    assert sorted(asked[:2]) == sorted([GOOD, "What is 12*12?"])
    assert stage.refused() == []


async def test_cached_input_is_counted(agent: Any, stage: Stage) -> None:
    counts = {"input_tokens": 5, "cache_read_input_tokens": 10_000}
    stage.queue(says(TEXT) | {"usage": counts | {"cache_creation_input_tokens": 200}})
    answer = await agent.run(OSLO)
    assert (answer.input_tokens, answer.all_input_tokens) == (5, 10_205)
    assert (answer.cache_write_tokens, answer.cache_read_tokens) == (200, 10_000)
    assert answer.all_input_tokens == stage.simulator.model_requests()[-1].all_input_tokens
    assert asdict(answer)["all_input_tokens"] == 10_205


async def test_a_run_that_was_written_down_is_finished_by_another_agent(stage: Stage) -> None:
    stage.queue(says(SUM, stop="tool_use"), "<html>")
    async with Agent(Settings.from_env()) as first:
        run = started(first, OSLO)
        with pytest.raises(APIError):
            await first.go_on(run)
    stage.queue(says(TEXT))
    async with Agent(Settings.from_env()) as second:
        answer = await second.go_on(reread(second, run))
        assert (answer.text, answer.turns) == ("Done.", 2)
        assert FACT in await outcome(second, GOOD)
    assert stage.refused() == []


async def test_a_run_whose_calls_were_not_made_makes_them_first(stage: Stage) -> None:
    async with Agent(Settings.from_env()) as agent:
        run = started(agent, OSLO)
        run.replies.append(await agent.ask_claude(run.messages, agent.settings.model))
        content = [block.to_dict() for block in run.replies[0].content]
        run.messages.append({"role": "assistant", "content": content})
        answer = await agent.go_on(reread(agent, run))
    assert stage.simulator.world.weather_fact("Oslo") in answer.text
    assert answer.turns == 2


def started(agent: Any, task: str) -> Any:
    begun = [{"role": "user", "content": task}]
    if "guard" not in Run.__dataclass_fields__:
        return Run(task, "ada", begun, [])
    guard = importlib.import_module("reliability").LoopGuard(agent.settings.loop)
    return Run(task, "ada", begun, [], guard)


def reread(agent: Any, run: Any) -> Any:
    """The run as another process would read it."""
    text = json.dumps([run.messages, [each.to_dict(mode="json") for each in run.replies]])
    messages, replies = json.loads(text)
    again = replace(run, messages=messages, replies=[Message.model_validate(r) for r in replies])
    if hasattr(run, "guard"):
        counts = json.loads(json.dumps(run.guard.to_json()))
        again.guard = type(run.guard).from_json(agent.settings.loop, counts)
    return again


async def test_the_geocoders_error_is_no_missing_place_and_null_is_no_weather() -> None:
    with answering('{"error": true, "reason": "try later"}') as url:
        told = await weather_told_by(geocoding_url=url)
    assert "try later" in told
    assert "no place" not in told
    with answering('{"current": {"temperature_2m": null, "wind_speed_10m": 3}}') as url:
        told = await weather_told_by(forecast_url=url)
    assert "None °C" not in told
    assert "127.0.0.1 failed" in told
    with answering("null") as url:
        assert "127.0.0.1 failed" in await weather_told_by(geocoding_url=url)


async def weather_told_by(**services: str) -> str:
    """What is told of the weather where these services stand in for the simulator's."""
    tools = Tools(Settings.from_env().model_copy(update=services))
    try:
        return str(await tools.call("get_weather", {"city": "Oslo"}))
    except Exception as error:  # noqa: BLE001 - the test says what must stand in it
        return f"{type(error).__name__}: {error}"


@contextmanager
def answering(body: str) -> Iterator[str]:
    """A web service that answers everything with this JSON, under this address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """``python agent.py TASK`` in this process: its exit code, and the lines of its errors."""

    def run(*words: str) -> tuple[int, list[str]]:
        monkeypatch.setattr(sys, "argv", ["agent.py", *(words or [GOOD])])
        code = 0
        try:
            runpy.run_path("agent.py", run_name="__main__")
        except SystemExit as left:
            code = int(left.code or 0)
        return code, capfd.readouterr().err.strip().splitlines()

    return run


def test_the_command_without_a_key_says_what_to_do_in_two_lines(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "")
    code, lines = command()
    assert code == 2
    assert "ANTHROPIC_API_KEY" in "".join(lines)
    assert len(lines) == 2


def test_the_command_tells_a_reply_that_cannot_be_read_in_a_line(
    stage: Stage, command: Command
) -> None:
    stage.queue("<html>")
    code, lines = command()
    assert code == 1
    assert len(lines) == 1


@pytest.mark.parametrize("task", [["--help"], ["-5+3", "is", "what?"]])
def test_the_command_takes_whatever_words_follow_for_the_task(
    stage: Stage, command: Command, task: list[str]
) -> None:
    assert command(*task) == (0, [])
    assert stage.requests[-1]["messages"][0]["content"] == " ".join(task)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"ANTHROPIC_API_KEY": "sk-ant-invalid-mine"}, "invalid x-api-key"),
        ({"AGENT_MODEL": "claude-none"}, "model: claude-none"),
    ],
)
def test_the_command_tells_what_the_api_refuses_in_its_own_words(
    stage: Stage,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    wrong: dict[str, str],
    says: str,
) -> None:
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    assert command() == (1, [says])


@pytest.mark.parametrize("key", ["sk-ant-mine\n", "sk-ant\r\n -mine"])
@pytest.mark.parametrize("end", ["", "/v1", "/v1/"])
async def test_white_space_in_a_key_and_a_version_in_the_url_do_no_harm(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, key: str, end: str
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", key)
    monkeypatch.setenv("ANTHROPIC_BASE_URL", stage.simulator.url + end)
    async with Agent(Settings.from_env()) as agent:
        assert FACT in (await agent.run(GOOD)).text


def test_without_the_packages_the_command_says_which_python_has_them() -> None:
    command = [sys.executable, "-S", "-I", "agent.py", GOOD]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert ".venv/bin/python" in done.stderr
    assert "make agent" in done.stderr
