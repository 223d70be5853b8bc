"""Control over HTTP, and what it must never do: fail with a 500, hang, or count as a request."""

from __future__ import annotations

import asyncio
import json
import pickle
import re
import time
from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from mock_claude import Exchange, FaultScript, Simulator, control
from mock_claude.accounts.metrics import Metrics
from mock_claude.model.reply import Reply
from mock_claude.stage import Stage

HEADERS = {"x-api-key": "test", "anthropic-version": "2026-10-21"}
BODY = {
    "model": "claude-opus-5-5",
    "max_tokens": 20,
    "messages": [{"role": "user", "content": "Hello"}],
}
SCRIPT = """
[latency]
search_s = 0.001
per_in_flight_s = 0.002
[[latency.model]]
model = "claude-haiku-*"
per_token_s = 0.0

[[rule]]
name = "down"
model = "claude-opus-*"
until_s = 9
fault = "status"
status = 529
retry_after_s = 0
headers = { x-a = "b" }

[[rule]]
name = "stalled"
fault = "stream-stall"
after_events = 2

[[script]]
name = "loop"
story = "cycle"
task = "*loop*"
calls = [{ tool = "a" }, { tool = "b", input = { x = [1, "2"] } }]

[[script]]
name = "poor"
story = "quality"
model = "claude-haiku-*"
right = 0.0
"""


def say(request: Mapping[str, object]) -> Reply:
    return Reply("Good day.")


@pytest.fixture
async def sim() -> AsyncIterator[Simulator]:
    async with Simulator(model=say) as simulator:
        yield simulator


@pytest.fixture
async def http(sim: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sim.url, headers=HEADERS, timeout=5) as client:
        yield client


async def ask(http: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    return await http.post("/v1/messages", json={**BODY, **changes})


async def test_faults_are_put_as_toml_or_json_and_take_effect_at_once(
    sim: Simulator, http: httpx.AsyncClient
) -> None:
    rule = {"name": "r", "fault": "status", "status": 503, "path": "/w/*"}
    put = await http.put("/_mock/faults", json={"rule": [rule]})
    assert put.json() == {"rule": [{**rule, "after_s": 0.0, "probability": 1.0}]}
    assert (await http.get("/w/api.php")).status_code == 503
    toml = '[[rule]]\r\nname = "r"\r\nfault = "status"\r\nstatus = 504\r\npath = "*"\r\n'
    assert (await http.put("/_mock/faults", content=toml)).status_code == 200
    assert (await http.get("/w/api.php")).status_code == 504
    assert (await http.put("/_mock/faults", content="")).json() == {"rule": []}
    assert (await http.get("/nowhere")).status_code == 404
    assert sim.faults == FaultScript()


async def test_a_put_replaces_its_own_part_and_those_it_names(
    sim: Simulator, http: httpx.AsyncClient
) -> None:
    whole = FaultScript.parse(SCRIPT)
    await http.put("/_mock/faults", content=SCRIPT)
    assert sim.faults == whole
    await http.put("/_mock/scripts", content="")
    assert sim.faults == FaultScript(whole.rules, whole.latency)
    await http.put("/_mock/latency", json={"latency": {"messages_s": 0}})
    assert sim.faults == FaultScript(whole.rules)


async def test_what_control_shows_can_be_put_back(sim: Simulator, http: httpx.AsyncClient) -> None:
    await http.put("/_mock/faults", content=SCRIPT)
    shown = [(await http.get(f"/_mock/{part}")).json() for part in ("faults", "scripts", "latency")]
    before = sim.faults
    for part, values in zip(("faults", "scripts", "latency"), shown, strict=True):
        await http.put(f"/_mock/{part}", content="")
        assert sim.faults != before
        assert (await http.put(f"/_mock/{part}", json=values)).json() == values
        assert sim.faults == before


def test_a_script_survives_json_and_pickling() -> None:
    script = FaultScript.parse(SCRIPT)
    assert FaultScript.from_json(json.loads(json.dumps(script.to_json()))) == script
    assert pickle.loads(pickle.dumps(script)) == script


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("faults", '{"rule": [{"name": "r", "fault": "hang", "x": 1}]}', "body: rule.0.x: unknown"),
        ("faults", '{"rule": [1]}', "body: rule.0: a table is needed, not a number"),
        ("faults", '{"rule": {}}', "body: rule: write each rule as a table under [[rule]]"),
        ("faults", '{"rule": [{"name": null, "fault": "hang"}]}', "body: rule.0.name: a string"),
        ("faults", '{"rules": []}', "body: rules: unknown key; allowed: latency, rule, script"),
        ("faults", '{"rule": ', "body: not valid JSON: EOF"),
        ("faults", "[[rule]]\nname = 'r'\nfault = 'x'", "body:3: rule.fault: 'x' is none of"),
        ("faults", "rule = [", "body:1: Invalid value"),
        ("scripts", "[[script]]\nname='s'\nstory='x'", "body:3: script.story: 'x' is none of"),
        (
            "scripts",
            '{"script":[{"name":"s","story":"cycle","calls":[]}]}',
            "body: script.0.calls:",
        ),
        ("latency", '{"latency": {"jitter": 2}}', "body: latency.jitter: 2 is not between 0 and 1"),
        ("latency", '{"latency": {"jitter": NaN}}', "body: not valid JSON:"),
        ("reset", '{"seed": "x"}', "body: seed: a whole number"),
        ("reset", '{"sead": 1}', "body: sead: unknown key; allowed: seed"),
        ("faults", b"\xff", "body: not UTF-8"),
    ],
)
async def test_a_wrong_call_is_refused_with_key_and_reason_and_changes_nothing(
    sim: Simulator, http: httpx.AsyncClient, path: str, body: str, message: str
) -> None:
    method = "POST" if path == "reset" else "PUT"
    answer = await http.request(method, f"/_mock/{path}", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.json()["error"]["message"].startswith(message)
    assert answer.json()["request_id"] == answer.headers["request-id"]
    assert sim.faults == FaultScript()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/_mock/nothing", 404),
        ("GET", "/_mock", 404),
        ("GET", "/_mock/reset", 405),
        ("DELETE", "/_mock/faults", 405),
        ("POST", "/metrics", 405),
        ("GET", "/_mock/log?since=-1", 400),
        ("GET", "/_mock/log?since=1.5", 400),
        ("GET", "/_mock/log?since=%D9%A1", 400),
    ],
)
async def test_an_unknown_path_method_or_query_has_the_api_s_form(
    http: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await http.request(method, path)
    assert (answer.status_code, answer.json()["type"]) == (status, "error")


async def test_a_huge_body_is_refused(http: httpx.AsyncClient) -> None:
    answer = await http.put("/_mock/faults", content=b"#" * (1024 * 1024 + 1))
    assert answer.status_code == 413


async def test_the_log_is_read_piece_by_piece(sim: Simulator, http: httpx.AsyncClient) -> None:
    seen, numbers = 0, list[int]()
    for count in (2, 0, 3):
        for _ in range(count):
            await ask(http)
        shown = (await http.get("/_mock/log", params={"since": seen})).json()
        seen = shown["next"]
        exchanges = [Exchange.from_json(each) for each in shown["exchanges"]]
        assert len(exchanges) == count
        numbers += [each.number for each in exchanges]
    assert numbers == [1, 2, 3, 4, 5]
    assert (await http.get("/_mock/log?since=99")).json()["exchanges"] == []


async def test_a_log_that_dropped_some_goes_on_where_the_reader_was() -> None:
    async with (
        Simulator(model=say, log_limit=3) as sim,
        httpx.AsyncClient(base_url=sim.url, headers=HEADERS) as http,
    ):
        for _ in range(5):
            await ask(http)
        shown = (await http.get("/_mock/log?since=1")).json()
        assert [each["number"] for each in shown["exchanges"]] == [3, 4, 5]
        assert (shown["next"], shown["dropped"]) == (5, 2)
        shown = (await http.get("/_mock/log?since=4")).json()
        assert [each["number"] for each in shown["exchanges"]] == [5]


CACHED = {"system": [{"type": "text", "text": "s" * 4_000, "cache_control": {"type": "ephemeral"}}]}


async def test_a_reset_forgets_log_counts_attempts_cache_and_windows() -> None:
    now = [0.0]
    rule = '[[rule]]\nname = "r"\nfault = "status"\nstatus = 500\nattempts = 1\nuntil_s = 5\n'
    async with (
        Simulator(faults=FaultScript.parse(rule), model=say, clock=lambda: now[0]) as sim,
        httpx.AsyncClient(base_url=sim.url, headers=HEADERS) as http,
    ):

        async def thrice() -> list[tuple[int, int]]:
            await ask(http, **CACHED)
            await ask(http, **CACHED)
            await ask(http, **CACHED)
            return [(each.status, each.cache_read_input_tokens) for each in sim.log]

        first = await thrice()
        assert first == [(500, 0), (200, 0), (200, 1_000)]
        now[0] = 20.0
        assert (await http.post("/_mock/reset")).json() == {"seed": 7}
        assert (len(sim.log), sim.fired, sim.played, sim.in_flight) == (0, {}, {}, 0)
        assert await thrice() == first
        assert [each.number for each in sim.log] == [1, 2, 3]
        assert sim.log[0].at_s == 0.0


async def test_a_reset_may_change_the_seed_of_draws_and_of_the_world(
    sim: Simulator, http: httpx.AsyncClient
) -> None:
    async with Simulator(seed=3) as other:
        await http.post("/_mock/reset", json={"seed": 3})
        assert sim.seed == 3
        query = "latitude=38.7&longitude=-9.1&current=temperature_2m"
        ours = (await http.get(f"{sim.forecast_url}?{query}")).json()
        assert ours == (await http.get(f"{other.forecast_url}?{query}")).json()


async def test_a_request_from_before_a_reset_leaves_no_trace(
    sim: Simulator, http: httpx.AsyncClient
) -> None:
    await http.put("/_mock/faults", content='[[rule]]\nname = "r"\nfault = "hang"\n')
    hanging = asyncio.create_task(ask(http))
    async with asyncio.timeout(20):
        while not sim.fired:  # noqa: ASYNC110 (the server shares no event)
            await asyncio.sleep(0)
    await http.post("/_mock/reset")
    assert (sim.in_flight, sim.fired) == (1, {})
    hanging.cancel()
    async with asyncio.timeout(20):
        while sim.in_flight:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert len(sim.log) == 0


SAMPLE = re.compile(r'mock_claude_\w+(\{(\w+="(\\.|[^"\\])*",?)+\})? [0-9.]+')


async def test_metrics_agree_with_the_log(sim: Simulator, http: httpx.AsyncClient) -> None:
    await http.put("/_mock/faults", json={"rule": [
        {"name": 'a "b"\n\\', "fault": "status", "status": 529, "attempts": 1}]})  # fmt: skip
    for _ in range(3):
        await ask(http)
    await ask(http, model="claude-haiku-5-5")
    await http.get("/nowhere/1")
    await http.get("/nowhere/2")
    answer = await http.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.text == (await http.get("/_mock/metrics")).text
    lines = [line for line in answer.text.splitlines() if not line.startswith("#")]
    assert all(SAMPLE.fullmatch(line) for line in lines)
    values = dict(line.rsplit(" ", 1) for line in lines)

    def count(path: str, status: int, fault: str = "") -> str:
        labels = f'{{path="{path}",status="{status}",fault="{fault}"}}'
        return values[f"mock_claude_requests_total{labels}"]

    assert count("/v1/messages", 200) == "3"
    assert count("/v1/messages", 529, r"a \"b\"\n\\") == "1"
    assert count("other", 404) == "2"
    paid = [each for each in sim.model_requests() if each.model == "claude-opus-5-5"]
    cost = Decimal(values['mock_claude_cost_usd_total{model="claude-opus-5-5"}'])
    assert cost == sum(each.cost_usd for each in paid) > 0
    tokens = values['mock_claude_tokens_total{model="claude-opus-5-5",kind="input"}']
    assert int(tokens) == sum(each.input_tokens for each in paid)
    assert values["mock_claude_requests_in_flight"] == "0"


async def test_labels_are_bounded(sim: Simulator, http: httpx.AsyncClient) -> None:
    await ask(http)
    (exchange,) = sim.log
    values = exchange.to_json()
    metrics = Metrics()
    for number in range(1_000):
        changes = {"path": f"/{number}", "model": f"m{number}", "fault": f"f{number}"}
        metrics.count(Exchange.from_json({**values, **changes}))
    assert metrics.text(0, 0).count("\n") < 250


async def test_control_takes_no_faults_and_stands_in_no_log(
    sim: Simulator, http: httpx.AsyncClient
) -> None:
    await http.put("/_mock/faults", json={"rule": [{"name": "r", "path": "*", "fault": "hang"}]})
    for path in ("/_mock/health", "/_mock/log", "/_mock/faults", "/metrics"):
        answer = await http.get(path, headers={"x-mock-fault": "500"})
        assert answer.status_code == 200
    assert (len(sim.log), sim.in_flight) == (0, 0)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
KEYS = st.sampled_from(
    """name fault path model status headers probability attempts stall_s story task calls right
    category text messages_s jitter seed""".split()  # noqa: SIM905
)
WORDS = st.sampled_from(
    ["r", "*", "/v1/*", "status", "hang", "stream-error", "runaway", "cycle", "quality", "refusal"]
)
ROWS = st.dictionaries(KEYS, WORDS | st.integers(0, 600) | st.just([{"tool": "t"}]) | JSON)
DOCUMENTS = st.fixed_dictionaries(
    {}, optional={"rule": st.lists(ROWS, max_size=3) | JSON, "script": st.lists(ROWS, max_size=3),
                  "latency": ROWS, "seed": JSON}
)  # fmt: skip
CONTENTS = (
    DOCUMENTS.map(json.dumps) | JSON.map(json.dumps) | st.text(max_size=40) | st.binary(max_size=40)
)


@given(
    method=st.sampled_from(["GET", "PUT", "POST"]),
    path=st.sampled_from(["faults", "scripts", "latency", "reset", "log", "metrics", "health", ""]),
    content=CONTENTS,
)
@settings(max_examples=150, deadline=None)
def test_any_call_is_answered_and_never_with_a_500(
    method: str, path: str, content: str | bytes
) -> None:
    data = content.encode(errors="replace") if isinstance(content, str) else content
    stage = Stage(7, FaultScript(), say, time.monotonic, 10)
    with TestClient(control.build(stage), raise_server_exceptions=False) as client:
        answer = client.request(method, f"/_mock/{path}", content=data)
        assert answer.status_code < 500
        if answer.status_code == 200 and method == "PUT":
            again = client.put(f"/_mock/{path}", json=answer.json())
            assert again.json() == answer.json()
