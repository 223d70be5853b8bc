"""What ties a request to its trace: in the log, in the services' own log, and in their spans."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from uvicorn.server import ServerState

from mock_claude import FaultScript, Simulator
from mock_claude.background import in_background
from mock_claude.correlation import read, trace_of
from mock_claude.errors import FaultScriptError
from mock_claude.listening import listen
from mock_claude.world import exporting
from mock_claude.world.exporting import Exporter, endpoint
from mock_claude.world.telemetry import Telemetry

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE}-{SPAN}-01"
STAGES = ["parse", "index", "rank", "render"]
SEARCH = "/w/api.php?action=query&generator=search&gsrsearch=Marlow+Clock&prop=extracts"


@pytest.mark.parametrize(
    "parent",
    [
        PARENT,
        PARENT[:-2] + "00",
        PARENT[:-2] + "ff",
        "01" + PARENT[2:],
        "cc" + PARENT[2:] + "-what-comes-later",
    ],
)
def test_a_well_formed_traceparent_is_read(parent: str) -> None:
    trace = trace_of(parent)
    assert trace is not None
    assert (trace.trace_id, trace.span_id) == (TRACE, SPAN)
    assert trace.is_sampled is (parent[53:55] != "00")


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "00",
        "ff" + PARENT[2:],
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        PARENT.upper(),
        f"00-{TRACE[:-1]}-{SPAN}-01",
        f"00-{TRACE}0-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}",
        PARENT + "-more",
        PARENT + "-",
        "01" + PARENT[2:] + ".",
        PARENT + "\n",
        f"00_{TRACE}_{SPAN}_01",
        f"0g-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-0\u0661",
    ],
)
def test_a_malformed_traceparent_is_ignored_with_its_state(parent: str) -> None:
    assert trace_of(parent) is None
    headers = [(b"traceparent", parent.encode("utf-8")), (b"tracestate", b"a=1")]
    found = read(headers)
    assert (found.traceparent, found.tracestate) == (None, None)


def test_a_traceparent_sent_twice_is_ignored() -> None:
    pair = (b"traceparent", PARENT.encode())
    assert read([pair]).traceparent == PARENT
    assert read([pair, pair]).traceparent is None


@pytest.mark.parametrize(
    ("states", "told"),
    [
        (["a=1"], "a=1"),
        (["a=1,b=2", "t@v=x"], "a=1,b=2,t@v=x"),
        (["a=1, b=2"], "a=1, b=2"),
        (["a=1,a=2"], None),
        (["A=1"], None),
        (["a"], None),
        (["a=\u00e9"], None),
        ([""], None),
        ([",".join(f"k{n}=v" for n in range(32))], ",".join(f"k{n}=v" for n in range(32))),
        ([",".join(f"k{n}=v" for n in range(33))], None),
    ],
)
def test_a_malformed_tracestate_is_ignored_alone(states: list[str], told: str | None) -> None:
    pairs = [(b"tracestate", each.encode("latin-1")) for each in states]
    found = read([(b"traceparent", PARENT.encode()), *pairs])
    assert (found.traceparent, found.tracestate) == (PARENT, told)


@given(st.text(max_size=80) | st.text("0123456789abcdef-", min_size=53, max_size=58))
def test_any_text_is_a_traceparent_or_ignored(text: str) -> None:
    trace = trace_of(text)
    if trace is not None:
        assert text[3:35] == trace.trace_id != "0" * 32
        assert text[36:52] == trace.span_id != "0" * 16
        assert text[:2] != "ff"


def test_the_log_names_trace_and_request_id(simulator: Simulator) -> None:
    other = f"00-{TRACE}-{'1' * 16}-01"
    stranger = f"00-{'a' * 32}-{SPAN}-01"
    with httpx.Client(base_url=simulator.url) as client:
        for parent in (PARENT, other, stranger, "nonsense"):
            sent = {"traceparent": parent, "tracestate": "a=1", "x-request-id": "mine-7"}
            client.post("/v1/messages", json={}, headers=sent)
            client.get(SEARCH, headers=sent)
        client.get(SEARCH, headers={"x-request-id": "two words"})
        told = client.get("/_mock/log").json()["exchanges"]
        by_parent = client.get("/_mock/log", params={"traceparent": PARENT}).json()
        by_trace = client.get("/_mock/log", params={"traceparent": TRACE}).json()
        later = client.get("/_mock/log", params={"traceparent": TRACE, "since": "2"}).json()
        wrong = client.get("/_mock/log", params={"traceparent": PARENT.upper()})
    assert [each["traceparent"] for each in told] == (
        [PARENT] * 2 + [other] * 2 + [stranger] * 2 + [None] * 3
    )
    assert [each["tracestate"] for each in told] == ["a=1"] * 6 + [None] * 3
    assert [each["x_request_id"] for each in told] == ["mine-7"] * 8 + [None]
    assert [each["number"] for each in by_parent["exchanges"]] == [1, 2]
    assert [each["number"] for each in by_trace["exchanges"]] == [1, 2, 3, 4]
    assert [each["number"] for each in later["exchanges"]] == [3, 4]
    assert later["next"] == 9
    assert wrong.status_code == 400
    assert "traceparent" in wrong.json()["error"]["message"]


class Collector:
    """A receiver of OTLP in JSON, as a collector is one."""

    def __init__(self) -> None:
        self.exports: list[dict[str, Any]] = []
        self.came = asyncio.Event()
        self.url = ""

    async def take(self, request: Request) -> Response:
        assert request.headers["content-type"] == "application/json"
        self.exports.append(await request.json())
        self.came.set()
        return Response("{}", media_type="application/json")

    @property
    def spans(self) -> list[dict[str, Any]]:
        """All spans, each with its service's name."""
        return [
            {**span, "service": of["resource"]["attributes"][0]["value"]["stringValue"]}
            for export in self.exports
            for of in export["resourceSpans"]
            for scope in of["scopeSpans"]
            for span in scope["spans"]
        ]


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    found = Collector()
    app = Starlette(routes=[Route("/v1/traces", found.take, methods=["POST"])])
    state = ServerState()
    server = await listen(app, state, "127.0.0.1", 0)
    found.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield found
    server.close()
    for connection in list(state.connections):
        connection.transport.abort()


@pytest.fixture
def hole() -> Iterator[str]:
    """A collector that accepts and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(100)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


async def visited(
    telemetry: Telemetry, *paths: str, script: str = "", headers: dict[str, str] | None = None
) -> tuple[list[httpx.Response], Simulator]:
    """The answers to these requests, one after the other; then all telemetry is delivered."""
    faults = FaultScript.parse(script)
    simulator = Simulator(faults=faults, telemetry=telemetry)
    async with simulator, httpx.AsyncClient(base_url=simulator.url, headers=headers) as client:
        answers = [await client.get(path) for path in paths]
    return answers, simulator


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


@pytest.mark.parametrize(
    ("path", "service"),
    [
        (SEARCH, "web-search"),
        ("/v1/search?name=Porto", "geocoding"),
        ("/v1/forecast?latitude=1&longitude=2&current=temperature_2m", "weather"),
    ],
)
async def test_a_service_continues_the_callers_trace(
    collector: Collector, tmp_path: Path, path: str, service: str
) -> None:
    file = tmp_path / "service.log"
    sent = {"traceparent": PARENT, "tracestate": "a=1", "x-request-id": "mine-7"}
    answers, simulator = await visited(Telemetry(file, collector.url), path, headers=sent)
    assert answers[0].status_code == 200
    assert answers[0].headers["x-request-id"] == "mine-7"
    server, *stages = sorted(collector.spans, key=lambda span: -span["kind"])
    assert (server["traceId"], server["parentSpanId"], server["kind"]) == (TRACE, SPAN, 2)
    assert server["traceState"] == "a=1"
    assert {span["service"] for span in (server, *stages)} == {service}
    assert [span["name"] for span in stages] == STAGES
    for span in stages:
        assert (span["traceId"], span["parentSpanId"]) == (TRACE, server["spanId"])
        began, ended = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
        assert int(server["startTimeUnixNano"]) <= began <= ended <= int(server["endTimeUnixNano"])
    assert len({span["spanId"] for span in (server, *stages)}) == 5
    (line,) = lines(file)
    assert (line["request_id"], line["trace_id"]) == ("mine-7", TRACE)
    assert (line["span_id"], line["service"], line["status"]) == (server["spanId"], service, 200)
    assert (line["stage"], line["reason"], line["level"]) == (None, None, "info")
    assert list(line["stages_ms"]) == STAGES
    assert simulator.log[0].traceparent == PARENT


async def test_without_a_caller_a_trace_begins(collector: Collector, tmp_path: Path) -> None:
    file = tmp_path / "service.log"
    answers, simulator = await visited(
        Telemetry(file, collector.url), SEARCH, SEARCH, headers={"traceparent": "nonsense"}
    )
    servers = [span for span in collector.spans if span["kind"] == 2]
    assert [span["parentSpanId"] for span in servers] == ["", ""]
    assert len({span["traceId"] for span in servers}) == 2
    assert [line["trace_id"] for line in lines(file)] == [span["traceId"] for span in servers]
    ids = [each.request_id for each in simulator.log]
    assert [line["request_id"] for line in lines(file)] == ids
    assert [each.headers["x-request-id"] for each in answers] == ids


async def test_a_trace_that_is_not_sampled_is_logged_only(
    collector: Collector, tmp_path: Path
) -> None:
    file = tmp_path / "service.log"
    sent = {"traceparent": PARENT[:-2] + "00"}
    await visited(Telemetry(file, collector.url), SEARCH, headers=sent)
    assert collector.spans == []
    assert [line["trace_id"] for line in lines(file)] == [TRACE]


FAILS = """
[[rule]]
name = "ranking is broken"
stage = "rank"
fault = "status"
status = 422
reason = "no ranking model for this query"
"""


async def test_a_rule_fails_one_stage(collector: Collector, tmp_path: Path) -> None:
    file = tmp_path / "service.log"
    paths = (SEARCH, "/v1/search?name=Porto", "/v1/search")
    answers, simulator = await visited(Telemetry(file, collector.url), *paths, script=FAILS)
    assert [each.status_code for each in answers] == [422, 422, 400]
    reason = "no ranking model for this query"
    assert answers[0].json()["error"]["info"] == reason
    assert answers[1].json() == {"error": True, "reason": reason}
    told = [(line["status"], line["stage"], line["reason"]) for line in lines(file)]
    parse = "Value of type 'String' required for key 'name'."
    assert told == [(422, "rank", reason), (422, "rank", reason), (400, "parse", parse)]
    names = [(span["name"], span.get("status", {}).get("message")) for span in collector.spans]
    assert names[1:4] == [("parse", None), ("index", None), ("rank", reason)]
    assert simulator.fired == {"ranking is broken": 2}
    assert [each.fault for each in simulator.log] == ["ranking is broken"] * 2 + [None]


async def test_a_server_error_of_a_stage_is_one_of_the_whole(collector: Collector) -> None:
    script = FAILS.replace("422", "503")
    answers, _ = await visited(Telemetry(None, collector.url), SEARCH, script=script)
    server = next(span for span in collector.spans if span["kind"] == 2)
    assert answers[0].status_code == 503
    assert server["status"] == {"code": 2, "message": "no ranking model for this query"}


async def test_a_rule_delays_one_stage(collector: Collector, tmp_path: Path) -> None:
    file = tmp_path / "service.log"
    script = """
    [[rule]]
    name = "cold index"
    stage = "index"
    fault = "delay"
    delay_s = 0.2
    """
    answers, _ = await visited(Telemetry(file, collector.url), SEARCH, script=script)
    assert answers[0].status_code == 200
    assert "query" in answers[0].json()
    (line,) = lines(file)
    assert (line["stage"], line["reason"], line["status"]) == ("index", "slow: 0.2 s", 200)
    assert line["stages_ms"]["index"] >= 200
    spans = {span["name"]: span for span in collector.spans}
    index = spans["index"]
    assert int(index["endTimeUnixNano"]) - int(index["startTimeUnixNano"]) >= 200_000_000
    assert "status" not in index


async def test_a_client_that_leaves_a_slow_stage_is_logged(tmp_path: Path) -> None:
    file = tmp_path / "service.log"
    script = '[[rule]]\nname = "a"\nstage = "render"\nfault = "delay"\ndelay_s = 600'
    simulator = Simulator(faults=FaultScript.parse(script), telemetry=Telemetry(file))
    async with simulator, httpx.AsyncClient(base_url=simulator.url) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.get(SEARCH, timeout=0.3)
        async with asyncio.timeout(5):
            while (await client.get("/_mock/log")).json()["in_flight"]:
                pass
    (line,) = lines(file)
    assert (line["status"], line["stage"], line["reason"]) == (499, "render", "the client left")
    assert simulator.log[0].status == 0


@pytest.mark.parametrize(
    ("condition", "path", "agent", "status"),
    [
        ('task = "*clock*"', SEARCH, "x", 422),
        ('task = "*tower*"', SEARCH, "x", 200),
        ('task = "porto"', "/v1/search?name=Porto", "x", 422),
        ('task = "38.7*"', "/v1/forecast?latitude=38.7&longitude=1", "x", 422),
        ('caller = "Billing*"', SEARCH, "billing-agent/2", 422),
        ('caller = "billing*"', SEARCH, "support-agent/2", 200),
        ('path = "/w/*"', SEARCH, "x", 422),
        ('path = "/w/*"', "/v1/search?name=Porto", "x", 200),
        ("probability = 0.0", SEARCH, "x", 200),
    ],
)
async def test_a_stage_is_hit_by_query_caller_path_and_share(
    condition: str, path: str, agent: str, status: int
) -> None:
    answers, _ = await visited(
        Telemetry(), path, script=f"{FAILS}{condition}\n", headers={"user-agent": agent}
    )
    assert answers[0].status_code == status


async def test_a_share_of_requests_is_the_same_for_a_seed() -> None:
    paths = [f"{SEARCH}+{number}" for number in range(60)]
    script = f"{FAILS}probability = 0.3\n"
    runs = [await visited(Telemetry(), *order, script=script) for order in (paths, paths[::-1])]
    first, second = ([each.status_code for each in answers] for answers, _ in runs)
    assert first == second[::-1]
    assert 5 < first.count(422) < 35


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ('stage = "sort"', "'sort' is none of parse, index, rank, render"),
        ('path = "/v1/messages"', "matches no web service"),
    ],
)
def test_a_wrong_stage_is_refused_with_its_place(change: str, reason: str) -> None:
    script = FAILS.replace(
        'stage = "rank"', change if "stage" in change else f'stage = "rank"\n{change}'
    )
    with pytest.raises(FaultScriptError, match=reason):
        FaultScript.parse(script)
    with pytest.raises(FaultScriptError, match="a stage can be delayed or fail"):
        FaultScript.parse('[[rule]]\nname = "a"\nstage = "rank"\nfault = "hang"')


def test_a_stage_rule_survives_json() -> None:
    script = FaultScript.parse(f'{FAILS}caller = "a*"\n')
    assert FaultScript.from_json(script.to_json()) == script


async def test_a_dead_collector_delays_nobody(hole: str) -> None:
    telemetry = Telemetry(None, hole)
    simulator = Simulator(telemetry=telemetry)
    async with simulator, httpx.AsyncClient(base_url=simulator.url) as client:
        began = time.monotonic()
        for _ in range(50):
            assert (await client.get(SEARCH)).status_code == 200
        took_s = time.monotonic() - began
    assert took_s < exporting.TIMEOUT_S * 5  # of 50 exports that each would wait that long
    assert telemetry.lost == 250


async def test_a_collector_that_is_gone_loses_spans_and_counts_them() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        telemetry = Telemetry(None, f"http://127.0.0.1:{taken.getsockname()[1]}")
        answers, _ = await visited(telemetry, SEARCH)
    assert answers[0].status_code == 200
    assert telemetry.lost == 5


async def test_an_end_after_all_was_sent_exports_nothing_more(collector: Collector) -> None:
    exporter = Exporter(collector.url)
    exporter.send("s", [{"name": "only"}])
    await collector.came.wait()
    await asyncio.to_thread(exporter.close)
    assert [span["name"] for span in collector.spans] == ["only"]
    assert len(collector.exports) == 1
    assert exporter.lost == 0


def test_the_queue_of_spans_is_bounded(hole: str) -> None:
    exporter = Exporter(hole, size=10)
    exporter.send("s", [{"name": str(number)} for number in range(1_000)])
    assert exporter.lost >= 1_000 - 10 - exporting.BATCH
    assert exporter.lost > 0


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("http://h:4318", "http://h:4318/v1/traces"),
        ("http://h:4318/", "http://h:4318/v1/traces"),
        ("https://h/otlp/v1/traces", "https://h/otlp/v1/traces"),
    ],
)
def test_the_address_of_traces_follows_from_the_collectors(url: str, whole: str) -> None:
    assert endpoint(url) == whole


@pytest.mark.parametrize("url", ["localhost:4318", "ftp://h", "http://", "http://h:x", ""])
def test_a_wrong_address_of_a_collector_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"address|Port"):
        Telemetry(None, url)


def test_the_services_log_is_appended_to(tmp_path: Path) -> None:
    file = tmp_path / "service.log"
    for _ in range(2):
        with in_background(Simulator(telemetry=Telemetry(file))) as simulator:
            httpx.get(simulator.url + SEARCH)
    assert len(lines(file)) == 2
    with pytest.raises(FileNotFoundError):
        Telemetry(tmp_path / "nowhere" / "service.log")
