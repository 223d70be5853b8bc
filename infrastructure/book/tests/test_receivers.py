"""What a trial's processes say about themselves: over real HTTP, in the wire's own formats."""

import contextlib
import gzip
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import choose_encoder

from book.stage.processes import Processes
from book.stage.receivers.bounds import Bounds
from book.stage.receivers.printed import lines_in
from book.stage.receivers.receivers import (
    Receivers,
    receivers,
    without_otel_variables,
)
from book.stage.services.alertmanager import AlertmanagerSettings
from book.stage.services.prometheus import PrometheusSettings
from book.stage.services.servers import Servers, missing
from book.stage.simulating import TrialError
from book.story.telemetry import Exemplar
from mock_claude import Simulator
from mock_claude.background import in_background
from mock_claude.world.telemetry import Telemetry

PROTOBUF = {"content-type": "application/x-protobuf"}
JSON = {"content-type": "application/json"}
TRACE, SPAN, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"
# As in OTLP's own examples: ids in hex, numbers of 64 bits as strings.
TOLD: dict[str, Any] = {
    "resourceSpans": [
        {
            "resource": {
                "attributes": [{"key": "service.name", "value": {"stringValue": "api-1"}}]
            },
            "scopeSpans": [
                {
                    "scope": {"name": "agent"},
                    "spans": [
                        {
                            "traceId": TRACE.upper(),
                            "spanId": SPAN,
                            "parentSpanId": PARENT,
                            "name": "ask_claude",
                            "kind": 3,
                            "startTimeUnixNano": "1700000000000000000",
                            "endTimeUnixNano": "1700000002500000000",
                            "attributes": [
                                {"key": "tokens", "value": {"intValue": "42"}},
                                {"key": "cached", "value": {"boolValue": False}},
                                {
                                    "key": "tools",
                                    "value": {
                                        "arrayValue": {"values": [{"stringValue": "search"}]}
                                    },
                                },
                            ],
                            "events": [{"name": "retry", "timeUnixNano": "1700000001000000000"}],
                            "links": [{"traceId": TRACE, "spanId": PARENT}],
                            "status": {"code": 2, "message": "overloaded"},
                            "someFieldOfTomorrow": 1,
                        }
                    ],
                }
            ],
        }
    ]
}


def request_of(spans: int = 1, name: str = "work", **changes: bytes) -> bytes:
    told = service.ExportTraceServiceRequest()
    scope = told.resource_spans.add().scope_spans.add()
    for place in range(spans):
        span = scope.spans.add(name=name, trace_id=bytes.fromhex(TRACE))
        span.span_id = changes.get("span_id", place.to_bytes(7, "big") + b"\1")
    return bytes(told.SerializeToString())


@pytest.fixture
def receiver(processes: Processes) -> Iterator[Receivers]:
    with receivers(processes) as started:
        yield started


def small(processes: Processes) -> Any:
    return receivers(processes, bounds=Bounds(body_bytes=2_000, spans=3, alerts=1, samples=4))


def post(receiver: Receivers, body: bytes, headers: dict[str, str]) -> httpx.Response:
    return httpx.post(f"{receiver.url}/v1/traces", content=body, headers=headers, timeout=10)


def test_a_span_in_json_is_read_as_it_was_sent(receiver: Receivers) -> None:
    answer = post(receiver, json.dumps(TOLD).encode(), JSON)
    assert (answer.status_code, answer.json()) == (200, {})
    assert answer.headers["content-type"] == "application/json"
    (span,) = receiver.collected().spans
    assert (span.trace_id, span.span_id, span.parent_id) == (TRACE, SPAN, PARENT)
    assert (span.name, span.kind, span.scope, span.source) == (
        *("ask_claude", "client", "agent"),
        "api-1",
    )
    assert (span.status, span.message) == ("error", "overloaded")
    assert span.attributes == {"tokens": 42, "cached": False, "tools": ("search",)}
    assert span.links == ((TRACE, PARENT),)
    assert span.seconds == pytest.approx(2.5, abs=1e-4)
    assert span.events[0].at_s - span.began_s == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_protobuf_is_read_plain_and_packed(receiver: Receivers, packed: bool) -> None:
    body = request_of(2)
    headers = PROTOBUF | ({"content-encoding": "gzip"} if packed else {})
    answer = post(receiver, gzip.compress(body) if packed else body, headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-protobuf"
    response = service.ExportTraceServiceResponse()
    response.ParseFromString(answer.content)
    assert not response.HasField("partial_success")
    assert [span.name for span in receiver.collected().spans] == ["work", "work"]


def test_the_web_services_spans_arrive(receiver: Receivers) -> None:
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with in_background(Simulator(telemetry=Telemetry(otlp=receiver.url))) as simulator:
        headers = {"traceparent": f"00-{trace}-{span}-01"}
        httpx.get(simulator.geocoding_url, params={"name": "Porto"}, headers=headers)
    told = receiver.collected()
    server, *stages = told.spans
    assert (server.trace_id, server.parent_id, server.kind) == (trace, span, "server")
    assert [each.name for each in stages] == ["parse", "index", "rank", "render"]
    assert {(each.parent_id, each.kind) for each in stages} == {(server.span_id, "internal")}
    assert server.resource == {"service.name": "geocoding"}
    assert server.attributes["http.response.status_code"] == 200
    assert all(0 <= each.ended_s - each.began_s < 60 for each in told.spans)


def test_times_are_on_the_clock_of_the_run(receiver: Receivers) -> None:
    told = service.ExportTraceServiceRequest()
    span = told.resource_spans.add().scope_spans.add().spans.add(name="now")
    span.trace_id, span.span_id = bytes.fromhex(TRACE), bytes.fromhex(SPAN)
    before = time.monotonic()
    span.start_time_unix_nano = time.time_ns()
    span.end_time_unix_nano = span.start_time_unix_nano + 10**9
    post(receiver, told.SerializeToString(), PROTOBUF)
    (seen,) = receiver.collected().since(before).spans
    assert seen.began_s == pytest.approx(0, abs=0.5)
    assert seen.ended_s - seen.began_s == pytest.approx(1, abs=1e-3)


BROKEN = [
    (b"\xff\xff\xff", PROTOBUF, 400, "no OTLP request"),
    (b"{", JSON, 400, "no OTLP request in JSON"),
    (b"[]", JSON, 400, "no OTLP request in JSON"),
    (b"[" * 100_000, JSON, 400, "no OTLP request"),
    (b'{"resourceSpans": [{"scopeSpans": 7}]}', JSON, 400, "no OTLP request in JSON"),
    (
        json.dumps(TOLD).replace(SPAN, "no hex").encode(),
        JSON,
        400,
        "no OTLP request in JSON: non-hexadecimal",
    ),
    (request_of(span_id=b"short"), PROTOBUF, 400, "ids are not of 16 and 8 bytes"),
    (b"", {"content-type": "text/plain"}, 415, "content-type 'text/plain' is not known"),
    (b"x", PROTOBUF | {"content-encoding": "br"}, 415, "content-encoding 'br' is not known"),
    (b"no gzip", PROTOBUF | {"content-encoding": "gzip"}, 400, "says gzip and is none"),
    (
        gzip.compress(request_of(9))[:-9],
        PROTOBUF | {"content-encoding": "gzip"},
        400,
        "a gzip body is cut off",
    ),
]


@pytest.mark.parametrize(("body", "headers", "status", "why"), BROKEN)
def test_what_is_no_export_is_refused_and_the_next_one_is_taken(
    receiver: Receivers, body: bytes, headers: dict[str, str], status: int, why: str
) -> None:
    answer = post(receiver, body, headers)
    assert answer.status_code == status
    assert why in answer.json()["message"]
    assert post(receiver, request_of(), PROTOBUF).status_code == 200
    telemetry = receiver.collected()
    assert len(telemetry.spans) == 1
    assert list(telemetry.refused.values()) == [1]


def test_spans_over_the_bound_are_rejected_and_counted(processes: Processes) -> None:
    with small(processes) as receiver:
        post(receiver, request_of(2), PROTOBUF)
        answer = post(receiver, request_of(4), PROTOBUF)
        response = service.ExportTraceServiceResponse()
        response.ParseFromString(answer.content)
        assert (answer.status_code, response.partial_success.rejected_spans) == (200, 3)
        telemetry = receiver.collected()
    assert len(telemetry.spans) == 3
    assert telemetry.dropped == {"spans": 3}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "a bomb of gzip"])
def test_a_body_over_the_bound_is_refused(processes: Processes, packed: bool) -> None:
    body = request_of(name="x" * 10_000_000)
    headers = PROTOBUF | ({"content-encoding": "gzip"} if packed else {})
    with receivers(processes, bounds=Bounds(body_bytes=100_000)) as receiver:
        answer = post(receiver, gzip.compress(body) if packed else body, headers)
        assert answer.status_code == 413
        assert receiver.collected().spans == ()


def test_a_long_attribute_is_cut(processes: Processes) -> None:
    with receivers(processes, bounds=Bounds(text_chars=10)) as receiver:
        post(receiver, request_of(name="x" * 5_000), PROTOBUF)
        assert receiver.collected().spans[0].name == "x" * 10


def test_a_taken_port_is_named_with_the_way_out(processes: Processes) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(TrialError, match=rf"127.0.0.1:{port}: the port is taken; free it"),
            receivers(processes, port=port),
        ):
            pass


def test_a_receiver_that_died_is_named(processes: Processes) -> None:
    with receivers(processes) as receiver:
        receiver.child.process.kill()
        receiver.child.process.join()
        with pytest.raises(TrialError, match="the receiver of telemetry ended early"):
            receiver.collected()


DELIVERY = {
    "version": "4",
    "receiver": "pager",
    "status": "firing",
    "alerts": [
        {
            "status": status,
            "labels": {"alertname": name, "severity": "page"},
            "annotations": {"summary": "the error budget burns"},
            "startsAt": "2026-11-29T18:00:00Z",
        }
        for name, status in (("Burns", "firing"), ("Slow", "resolved"))
    ],
}


def deliver(receiver: Receivers, told: object) -> httpx.Response:
    return httpx.post(receiver.webhook, json=told, timeout=10)


def test_alerts_count_when_they_are_delivered(receiver: Receivers) -> None:
    before = time.monotonic()
    assert deliver(receiver, DELIVERY).status_code == 200
    first, second = receiver.collected().since(before).alerts
    assert (first.name, first.status, first.receiver) == ("Burns", "firing", "pager")
    assert (second.name, second.status) == ("Slow", "resolved")
    assert first.labels["severity"] == "page"
    assert first.annotations["summary"] == "the error budget burns"
    assert 0 <= first.at_s < 10


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ([], "no delivery of Alertmanager: the body"),
        ({"receiver": "pager"}, "no delivery of Alertmanager: alerts: Field required"),
        ({"receiver": "p", "alerts": [{"status": "firing"}]}, "alerts.0.labels: Field required"),
    ],
)
def test_what_is_no_delivery_is_refused(receiver: Receivers, told: object, why: str) -> None:
    answer = deliver(receiver, told)
    assert answer.status_code == 400
    assert why in answer.json()["message"]
    assert next(iter(receiver.collected().refused)).startswith("no delivery")


def test_alerts_over_the_bound_are_counted(processes: Processes) -> None:
    with small(processes) as receiver:
        deliver(receiver, DELIVERY)
        telemetry = receiver.collected()
    assert ([each.name for each in telemetry.alerts], telemetry.dropped) == (
        ["Burns"],
        {"alerts": 1},
    )


@pytest.fixture
def exposing() -> Iterator[Callable[[Callable[[str], tuple[bytes, str]]], str]]:
    """Serves what a function of the Accept header returns at /metrics."""
    servers: list[ThreadingHTTPServer] = []

    def serve(page: Callable[[str], tuple[bytes, str]]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body, media = page(self.headers.get("accept", ""))
                self.send_response(200)
                self.send_header("content-type", media)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/metrics"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_scrape_keeps_labels_values_and_exemplars(
    receiver: Receivers, exposing: Callable[..., str]
) -> None:
    registry = CollectorRegistry()
    requests = Counter("requests", "how many", ["path"], registry=registry)
    seconds = Histogram("seconds", "how long", buckets=(1, 5), registry=registry)
    requests.labels("/v1/tasks").inc(3)
    seconds.observe(2, exemplar={"trace_id": TRACE})

    def page(accept: str) -> tuple[bytes, str]:
        encode, media = choose_encoder(accept)
        return encode(registry), media

    receiver.scrape({"api-1": exposing(page)})
    receiver.scrape_now()
    requests.labels("/v1/tasks").inc()
    receiver.scrape_now()
    telemetry = receiver.collected()
    counts = [s for s in telemetry.samples if s.name == "requests_total"]
    assert [counts[0].value, counts[-1].value] == [3, 4]
    assert (counts[0].source, counts[0].labels) == ("api-1", {"path": "/v1/tasks"})
    buckets = [s for s in telemetry.samples if s.name == "seconds_bucket" and s.exemplar]
    assert buckets[0].labels == {"le": "5.0"}
    exemplar = buckets[0].exemplar
    assert exemplar is not None
    assert (exemplar.labels, exemplar.value) == ({"trace_id": TRACE}, 2)
    assert exemplar.at_s == pytest.approx(buckets[0].at_s, abs=5)
    assert {s.value for s in telemetry.samples if s.name == "up"} == {1}


def test_targets_are_scraped_each_second_from_then_on(
    receiver: Receivers, exposing: Callable[..., str]
) -> None:
    three, asked = threading.Event(), []

    def page(accept: str) -> tuple[bytes, str]:
        asked.append(time.monotonic())
        if len(asked) == 3:
            three.set()
        return b"answered_total 1\n", "text/plain; version=0.0.4"

    receiver.scrape({"api-1": exposing(page)})
    assert three.wait(20)
    assert asked[2] - asked[0] > 1.5
    assert len([s for s in receiver.collected().samples if s.name == "answered_total"]) >= 2


NO_METRICS = [
    (b"no metrics at all {", "text/plain", "is no Prometheus text"),
    (b"a 1\n", "application/openmetrics-text; version=1.0.0", "is no OpenMetrics"),
    (b"\xff\xfe 1\n", "text/plain", "utf-8"),
    (b"x" * 3_000, "text/plain", "longer than 2000 bytes"),
]


@pytest.mark.parametrize(("body", "media", "why"), NO_METRICS)
def test_a_page_that_is_no_metrics_is_down_and_says_why(
    processes: Processes,
    exposing: Callable[..., str],
    body: bytes,
    media: str,
    why: str,
) -> None:
    with small(processes) as receiver:
        receiver.scrape({"api-1": exposing(lambda accept: (body, media))})
        receiver.scrape_now()
        telemetry = receiver.collected()
    assert {(s.name, s.value) for s in telemetry.samples} == {("up", 0)}
    assert why in next(iter(telemetry.refused))


def test_a_process_that_is_down_holds_up_no_other(
    receiver: Receivers, exposing: Callable[..., str]
) -> None:
    with socket.socket() as silent:  # it takes connections and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        receiver.scrape(
            {
                "silent": f"http://127.0.0.1:{silent.getsockname()[1]}/metrics",
                "gone": "http://127.0.0.1:1/metrics",
                "wrong": "http://127.0.0.1:port/metrics",
                "well": exposing(lambda accept: (b"answered_total 1\n", "text/plain")),
            }
        )
        receiver.scrape_now()
        samples = receiver.collected().samples
    up = {sample.source: sample.value for sample in samples if sample.name == "up"}
    assert up == {"silent": 0, "gone": 0, "wrong": 0, "well": 1}


def trickle(listening: socket.socket) -> None:
    """Answers one request with a byte each now and then, until the client leaves."""
    with contextlib.suppress(OSError):
        connection, _ = listening.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n")
            while True:
                connection.sendall(b"#")
                time.sleep(0.2)


def test_a_page_that_trickles_is_down_too(receiver: Receivers) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1)
        threading.Thread(target=trickle, args=(listening,), daemon=True).start()
        began = time.monotonic()
        receiver.scrape({"slow": f"http://127.0.0.1:{listening.getsockname()[1]}/metrics"})
        receiver.scrape_now()
        assert time.monotonic() - began < 15
        assert {s.value for s in receiver.collected().samples} == {0}


def test_samples_over_the_bound_are_counted(
    processes: Processes, exposing: Callable[..., str]
) -> None:
    page = b"".join(b"series_%d 1\n" % number for number in range(10))
    with small(processes) as receiver:
        receiver.scrape({"api-1": exposing(lambda accept: (page, "text/plain"))})
        receiver.scrape_now()
        telemetry = receiver.collected()
    assert len(telemetry.samples) == 4
    assert telemetry.dropped["samples"] >= 7


def write(folder: Path, text: bytes) -> Path:
    file = folder / "stdout.txt"
    file.write_bytes(text)
    return file


def test_json_lines_have_fields_and_all_else_stays_text(tmp_path: Path) -> None:
    told = [
        b'{"event": "answered", "tokens": 42}',
        b"Traceback (most recent call last):",
        b'{"event": "torn',
        b"[1, 2]",
        b"17",
        b'{"deep": ' + b"[" * 50_000,
        b'{"number": ' + b"9" * 5_000 + b"}",
        b"caf\xe9",
        b"",
        b"the last one has no end",
    ]
    lines, left_out = lines_in("api-1", "stdout", write(tmp_path, b"\r\n".join(told)))
    assert left_out == 0
    assert lines[0].fields == {"event": "answered", "tokens": 42}
    assert [line.fields for line in lines[1:]] == [None] * 8
    assert [line.text[:11] for line in lines[1:4]] == ["Traceback (", '{"event": "', "[1, 2]"]
    assert lines[-2].text == "caf\ufffd"
    assert lines[-1].text == "the last one has no end"
    assert {(line.source, line.stream) for line in lines} == {("api-1", "stdout")}


@pytest.mark.parametrize(
    ("stamp", "known"),
    [
        ('"timestamp": "2026-11-29T18:00:00.5Z"', True),
        ('"time": "2026-11-29T19:00:00.5+01:00"', True),
        ('"ts": 1795975200.5', True),
        ('"timestamp": "2026-11-29T18:00:00.5"', True),
        ('"timestamp": "yesterday"', False),
        ('"timestamp": true', False),
        ('"event": "1"', False),
    ],
)
def test_a_line_that_says_when_is_on_the_clock_of_the_run(
    tmp_path: Path, stamp: str, known: bool
) -> None:
    (line,), _ = lines_in("api-1", "stdout", write(tmp_path, b"{%s}\n" % stamp.encode()))
    expected = 1795975200.5 + time.monotonic() - time.time()
    assert line.at_s == (pytest.approx(expected, abs=0.5) if known else None)
    assert (line.since(expected).at_s is None) is not known


def test_of_a_flood_the_first_and_the_last_lines_are_kept(tmp_path: Path) -> None:
    text = b"".join(b"line %d\n" % number for number in range(100))
    lines, left_out = lines_in("api", "stdout", write(tmp_path, text), Bounds(lines=4))
    assert [line.text for line in lines] == ["line 0", "line 1", "line 98", "line 99"]
    assert left_out == 96


def test_of_a_long_line_the_beginning_is_kept_and_the_next_one_whole(tmp_path: Path) -> None:
    text = b"x" * 1_000_000 + b"\nnext\n"
    lines, _ = lines_in("api", "stdout", write(tmp_path, text), Bounds(line_bytes=100))
    assert [line.text for line in lines] == ["x" * 100, "next"]


def test_output_and_errors_stay_apart(receiver: Receivers, tmp_path: Path) -> None:
    out, err = tmp_path / "out.txt", tmp_path / "err.txt"
    out.write_text("answer\n", encoding="utf-8")
    err.write_text('{"event": "warned"}\n', encoding="utf-8")
    absent = (tmp_path / "absent", tmp_path / "absent")
    logs = receiver.collected({"api-1": (out, err), "worker-1": absent}).logs
    assert [(line.source, line.stream, line.text) for line in logs] == [
        ("api-1", "stdout", "answer"),
        ("api-1", "stderr", '{"event": "warned"}'),
    ]


def test_a_users_own_collector_gets_nothing(receiver: Receivers) -> None:
    users = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://theirs", "otel_service_name": "x", "PATH": "p"}
    assert without_otel_variables(users) == {"PATH": "p"}
    ours = receiver.environment("api-1")
    assert ours["OTEL_EXPORTER_OTLP_ENDPOINT"] == receiver.url
    assert ours["OTEL_SERVICE_NAME"] == "api-1"


def test_an_exemplar_without_a_time_has_none() -> None:
    assert Exemplar({}, 1.0).since(5).at_s is None


def test_an_alert_goes_from_a_scrape_over_prometheus_and_alertmanager_to_the_webhook(
    processes: Processes, receiver: Receivers, exposing: Callable[..., str], tmp_path: Path
) -> None:
    if missing(["prometheus", "alertmanager"]):
        pytest.skip("no Prometheus or no Alertmanager here")
    target = exposing(lambda accept: (b"queue_length 99\n", "text/plain; version=0.0.4"))
    rules = tmp_path / "rules.yml"
    rule = {"alert": "QueueLong", "expr": "queue_length > 10", "labels": {"severity": "page"}}
    rules.write_text(json.dumps({"groups": [{"name": "g", "rules": [rule]}]}), encoding="utf-8")
    with Servers(processes, tmp_path, {}) as servers:
        alerts = servers.tenant(
            "alertmanager", settings=AlertmanagerSettings(webhook=receiver.webhook)
        )
        address = alerts.environment["ALERTMANAGER_URL"].removeprefix("http://")
        host = target.removeprefix("http://").removesuffix("/metrics")
        servers.tenant(
            "prometheus", settings=PrometheusSettings({"agent": (host,)}, (rules,), address)
        )
        assert delivered_within(60, alerts.environment["ALERTMANAGER_URL"])
    (first, *_) = receiver.collected().alerts
    assert (first.name, first.status, first.labels["job"]) == ("QueueLong", "firing", "agent")


def delivered_within(seconds: float, url: str) -> bool:
    """Whether this Alertmanager counts a delivery that went well."""
    counted = re.compile(
        r'^alertmanager_notifications_total\{.*"webhook"\} ([1-9].*)$', re.MULTILINE
    )
    failed = re.compile(
        r'^alertmanager_notifications_failed_total\{.*"webhook".*\} ([1-9].*)$', re.M
    )
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        page = httpx.get(f"{url}/metrics", timeout=5).text
        assert not failed.search(page)
        if counted.search(page):
            return True
        time.sleep(0.2)
    return False
