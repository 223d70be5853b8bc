"""OTLP over HTTP: what an exporter posts to /v1/traces becomes spans.

This prevents traces that are judged by the code that made them: the bytes are those that a real
collector would get, as protobuf or JSON (in which ids are hex, not base64).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from book.stage.receivers.bounds import Bounds, Refused
from book.story.telemetry import Span, SpanEvent

PROTOBUF, JSON = "application/x-protobuf", "application/json"
TRACE_BYTES, SPAN_BYTES = 16, 8
_IDS = ("traceId", "spanId", "parentSpanId")


def spans_in(body: bytes, content_type: str, bounds: Bounds, offset_s: float) -> list[Span]:
    """The spans of one export, on the monotonic clock by ``offset_s``. Refused if it is none."""
    media = content_type.partition(";")[0].strip().lower()
    request = ExportTraceServiceRequest()
    try:
        if media == PROTOBUF:
            request.ParseFromString(body)
        elif media == JSON:
            json_format.ParseDict(_with_ids(json.loads(body)), request, ignore_unknown_fields=True)
        else:
            raise Refused(415, f"content-type {media[:60]!r} is not known; send {PROTOBUF}")
    except (DecodeError, json_format.ParseError, RecursionError) as error:
        raise Refused(400, f"no OTLP request: {str(error)[:200]}") from None
    except (ValueError, TypeError, AttributeError) as error:
        if isinstance(error, Refused):
            raise
        raise Refused(400, f"no OTLP request in JSON: {str(error)[:200]}") from None
    return [
        _span(span, _attributes(of.resource.attributes, bounds), scope.scope.name, bounds, offset_s)
        for of in request.resource_spans
        for scope in of.scope_spans
        for span in scope.spans
    ]


def answer(content_type: str, rejected: int) -> tuple[bytes, str]:
    """The body and content type of a 200; ``rejected`` spans were over a bound."""
    response = ExportTraceServiceResponse()
    if rejected:
        response.partial_success.rejected_spans = rejected
        response.partial_success.error_message = "the trial holds no more spans"
    if content_type.startswith(JSON):
        return json_format.MessageToJson(response).encode(), JSON
    return response.SerializeToString(), PROTOBUF


def _with_ids(told: Any) -> Any:
    """JSON of OTLP as protobuf's JSON wants it: ids in base64."""
    for of in told.get("resourceSpans", []):
        for scope in of.get("scopeSpans", []):
            for span in scope.get("spans", []):
                for each in (span, *span.get("links", [])):
                    for name in _IDS:
                        if each.get(name):
                            each[name] = base64.b64encode(bytes.fromhex(each[name])).decode()
    return told


def _span(
    span: trace_pb2.Span,
    resource: Mapping[str, object],
    scope: str,
    bounds: Bounds,
    offset_s: float,
) -> Span:
    if len(span.trace_id) != TRACE_BYTES or len(span.span_id) != SPAN_BYTES:
        raise Refused(400, "a span's ids are not of 16 and 8 bytes")

    def at(nanoseconds: int) -> float:
        return nanoseconds / 1e9 + offset_s

    return Span(
        name=span.name[: bounds.text_chars],
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        kind=_word(trace_pb2.Span.SpanKind, span.kind, "SPAN_KIND_"),
        began_s=at(span.start_time_unix_nano),
        ended_s=at(span.end_time_unix_nano),
        status=_word(trace_pb2.Status.StatusCode, span.status.code, "STATUS_CODE_"),
        message=span.status.message[: bounds.text_chars],
        attributes=_attributes(span.attributes, bounds),
        events=tuple(
            SpanEvent(each.name, at(each.time_unix_nano), _attributes(each.attributes, bounds))
            for each in span.events
        ),
        links=tuple((each.trace_id.hex(), each.span_id.hex()) for each in span.links),
        resource=resource,
        scope=scope,
    )


def _word(enum: Any, number: int, prefix: str) -> str:
    known = dict(zip(enum.values(), enum.keys(), strict=True))
    return str(known.get(number, known[0])).removeprefix(prefix).lower()


def _attributes(pairs: Iterable[KeyValue], bounds: Bounds) -> dict[str, object]:
    return {pair.key: _value(pair.value, bounds) for pair in pairs}


def _value(value: AnyValue, bounds: Bounds) -> object:
    match value.WhichOneof("value"):
        case "string_value":
            return value.string_value[: bounds.text_chars]
        case "array_value":
            return tuple(_value(each, bounds) for each in value.array_value.values)
        case "kvlist_value":
            return _attributes(value.kvlist_value.values, bounds)
        case "bytes_value":
            return value.bytes_value[: bounds.text_chars]
        case None:
            return None
        case name:
            plain: object = getattr(value, name)
            return plain
