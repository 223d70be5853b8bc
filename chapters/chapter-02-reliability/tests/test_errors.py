"""What each failure means, from exceptions that the real SDK and the real httpx made."""

from __future__ import annotations

import ast
import asyncio
import errno
import json
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import anthropic
import httpx
import httpx2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import reliability
from reliability import (
    Failure,
    FailureKind,
    ReliabilityError,
    StopTask,
    classify,
    is_callers_mistake,
    members,
    parse_retry_after,
    status_of,
    stop_task_of,
)

SECRET = "the prompt said hunter2"
NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


def wall_clock() -> float:
    return NOW.timestamp()


def sdk_error(
    answer: Callable[[httpx2.Request], httpx2.Response], *, stream: bool = False
) -> anthropic.APIError:
    """Return what the real SDK raises when the server, or the transport, does `answer`."""
    with (
        httpx2.Client(transport=httpx2.MockTransport(answer)) as http,
        anthropic.Anthropic(api_key="test", max_retries=0, http_client=http) as client,
    ):
        try:
            made = client.messages.create(
                model="claude-test",
                max_tokens=5,
                messages=[{"role": "user", "content": SECRET}],
                stream=stream,
            )
            list(made)
        except anthropic.APIError as error:
            return error
    raise AssertionError("the call went well")


def body_of(error_type: str, code: str | None = None) -> dict[str, object]:
    error: dict[str, object] = {"type": error_type, "message": SECRET}
    if code:
        error["details"] = {"error_code": code}
    return {"type": "error", "error": error, "request_id": "req_1"}


def api_error(
    status: int,
    error_type: str = "api_error",
    code: str | None = None,
    headers: dict[str, str] | None = None,
) -> Exception:
    response = httpx2.Response(status, json=body_of(error_type, code), headers=headers)
    return sdk_error(lambda request: response)


def stream_error(data: str) -> Exception:
    """Return what the SDK raises for an `error` event inside a stream that began with 200."""
    text = f"event: ping\ndata: {{}}\n\nevent: error\ndata: {data}\n\n"
    kind = {"content-type": "text/event-stream"}
    return sdk_error(lambda request: httpx2.Response(200, text=text, headers=kind), stream=True)


def tool_error(status: int, headers: dict[str, str] | None = None) -> Exception:
    """Return what a tool's httpx client raises from `raise_for_status`."""
    request = httpx.Request("GET", "https://weather.example/v1?key=hunter2")
    with pytest.raises(httpx.HTTPStatusError) as caught:
        httpx.Response(status, headers=headers, request=request).raise_for_status()
    return caught.value


def raising(error: Exception) -> Callable[[httpx2.Request], httpx2.Response]:
    def answer(request: httpx2.Request) -> httpx2.Response:
        raise error

    return answer


RETRIED = {
    408: FailureKind.TIMEOUT,
    409: FailureKind.TRANSIENT,
    429: FailureKind.RATE_LIMIT,
    500: FailureKind.TRANSIENT,
    501: FailureKind.TRANSIENT,
    502: FailureKind.TRANSIENT,
    503: FailureKind.TRANSIENT,
    504: FailureKind.TIMEOUT,
    520: FailureKind.TRANSIENT,
    529: FailureKind.OVERLOAD,
}
REFUSED = [400, 401, 402, 403, 404, 405, 410, 412, 413, 418, 422, 431, 499]


@pytest.mark.parametrize("make", [api_error, tool_error])
@pytest.mark.parametrize(("status", "kind"), RETRIED.items())
def test_a_status_that_may_pass_is_retried(
    make: Callable[[int], Exception], status: int, kind: FailureKind
) -> None:
    failure = classify(make(status))
    assert (failure.retryable, failure.kind) == (True, kind)


@pytest.mark.parametrize("make", [api_error, tool_error])
@pytest.mark.parametrize("status", REFUSED)
def test_a_callers_mistake_is_never_retried(make: Callable[[int], Exception], status: int) -> None:
    failure = classify(make(status))
    assert (failure.retryable, failure.kind) == (False, FailureKind.PERMANENT)


@pytest.mark.parametrize("status", [301, 302, 304])
def test_a_redirect_that_was_not_followed_is_permanent(status: int) -> None:
    assert not classify(tool_error(status, {"location": "/elsewhere"})).retryable


@pytest.mark.parametrize("make", [api_error, tool_error])
@pytest.mark.parametrize("status", [*RETRIED, *REFUSED])
@pytest.mark.parametrize("told", ["true", "false"])
def test_x_should_retry_overrules_the_status(
    make: Callable[..., Exception], status: int, told: str
) -> None:
    failure = classify(make(status, headers={"x-should-retry": told}))
    assert failure.retryable is (told == "true")
    assert not (failure.retryable and failure.kind is FailureKind.PERMANENT)


def test_an_unknown_word_in_x_should_retry_changes_nothing() -> None:
    assert classify(tool_error(503, {"x-should-retry": "perhaps"})).retryable
    assert not classify(tool_error(404, {"x-should-retry": "perhaps"})).retryable


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (429, "enforced_spend_limit_reached"),
        (429, "contract_spend_limit_reached"),
        (402, "linked_organization_spend_limit_reached"),
    ],
)
def test_a_spend_limit_is_never_retried_whatever_the_headers_say(status: int, code: str) -> None:
    told = {"x-should-retry": "true", "retry-after": "1"}
    failure = classify(api_error(status, "rate_limit_error", code, told))
    assert (failure.kind, failure.retryable) == (FailureKind.SPEND_LIMIT, False)
    assert failure.reason == f"{status} {code}"


def test_a_ramp_limit_is_a_rate_limit_like_any_other() -> None:
    told = {"retry-after": "7"}
    failure = classify(api_error(429, "rate_limit_error", "ramp_limit_exceeded", told))
    assert (failure.kind, failure.retryable) == (FailureKind.RATE_LIMIT, True)
    assert failure.retry_after_s == 7.0


@pytest.mark.parametrize(
    ("error_type", "kind"),
    [
        ("overloaded_error", FailureKind.OVERLOAD),
        ("rate_limit_error", FailureKind.RATE_LIMIT),
        ("timeout_error", FailureKind.TIMEOUT),
        ("api_error", FailureKind.TRANSIENT),
    ],
)
def test_an_error_inside_a_stream_is_judged_by_its_type(error_type: str, kind: FailureKind) -> None:
    error = stream_error(json.dumps(body_of(error_type)))
    assert isinstance(error, anthropic.APIStatusError)
    assert error.status_code == 200
    failure = classify(error)
    assert (failure.retryable, failure.kind) == (True, kind)
    assert failure.reason == f"200 {error_type}"


@pytest.mark.parametrize(
    "data",
    [
        json.dumps(body_of("invalid_request_error")),
        json.dumps(body_of("a_type_of_next_year")),
        json.dumps({"error": {"type": ["not", "a", "word"]}}),
        json.dumps(body_of("rate_limit_error", "enforced_spend_limit_reached")),
        "not json",
    ],
)
def test_an_unknown_or_permanent_error_inside_a_stream_is_not_retried(data: str) -> None:
    assert not classify(stream_error(data)).retryable


def test_the_type_of_a_5xx_names_an_overload_behind_a_gateway() -> None:
    assert classify(api_error(503, "overloaded_error")).kind is FailureKind.OVERLOAD


def test_the_type_never_makes_a_refused_status_retryable() -> None:
    assert not classify(api_error(400, "overloaded_error")).retryable


@pytest.mark.parametrize(
    "below",
    [
        httpx2.ConnectError("refused"),
        httpx2.ReadError("reset"),
        httpx2.WriteError("reset"),
        httpx2.RemoteProtocolError("server disconnected"),
        httpx2.ProxyError("bad gateway"),
        ConnectionResetError(errno.ECONNRESET, "reset"),
    ],
)
def test_a_lost_connection_to_the_api_is_transient(below: Exception) -> None:
    error = sdk_error(raising(below))
    assert type(error) is anthropic.APIConnectionError
    failure = classify(error)
    assert (failure.retryable, failure.kind) == (True, FailureKind.TRANSIENT)
    assert failure.reason == type(below).__name__


@pytest.mark.parametrize(
    "below",
    [
        httpx2.UnsupportedProtocol("no http:// in the address"),
        httpx2.LocalProtocolError("illegal header"),
        httpx2.InvalidURL("no port"),
        UnicodeEncodeError("ascii", "é", 0, 1, "header"),
        RuntimeError("the client has been closed"),
    ],
)
def test_our_own_mistake_behind_a_connection_error_is_permanent(below: Exception) -> None:
    error = sdk_error(raising(below))
    assert type(error) is anthropic.APIConnectionError
    assert not classify(error).retryable


async def test_a_misspelt_base_url_is_permanent_in_the_real_transport() -> None:
    async with anthropic.AsyncAnthropic(
        api_key="test", base_url="htp://127.0.0.1:9", max_retries=0
    ) as client:
        with pytest.raises(anthropic.APIConnectionError) as caught:
            await client.models.list()
    assert not classify(caught.value).retryable


def test_a_connection_error_without_a_cause_is_transient() -> None:
    error = anthropic.APIConnectionError(request=httpx2.Request("POST", "http://api.example"))
    assert classify(error).retryable


@pytest.mark.parametrize("connect_error", [httpx.ConnectError, httpx2.ConnectError])
def test_a_refused_certificate_is_permanent_and_a_refused_connection_is_not(
    connect_error: type[Exception],
) -> None:
    def connecting(below: OSError) -> Exception:
        try:
            try:
                raise below
            except OSError as error:
                raise connect_error(str(error)) from error
        except connect_error as error:
            return error

    certificate = ssl.SSLCertVerificationError(1, "certificate verify failed: self-signed")
    assert not classify(connecting(certificate)).retryable
    assert not classify(certificate).retryable
    assert classify(connecting(ConnectionRefusedError(errno.ECONNREFUSED, "refused"))).retryable
    assert classify(connecting(ssl.SSLEOFError(8, "unexpected eof"))).retryable


@pytest.mark.parametrize(
    "error",
    [
        anthropic.APITimeoutError(request=httpx2.Request("POST", "http://api.example")),
        httpx.ConnectTimeout("slow"),
        httpx.ReadTimeout("slow"),
        httpx.PoolTimeout("slow"),
        httpx2.ReadTimeout("slow"),
        TimeoutError(),
        OSError(errno.ETIMEDOUT, "timed out"),
    ],
)
def test_every_librarys_timeout_is_a_timeout(error: Exception) -> None:
    failure = classify(error)
    assert (failure.retryable, failure.kind) == (True, FailureKind.TIMEOUT)


def test_the_sdks_own_timeout_is_a_timeout() -> None:
    error = sdk_error(raising(httpx2.ReadTimeout("slow")))
    assert type(error) is anthropic.APITimeoutError
    assert classify(error).kind is FailureKind.TIMEOUT


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("refused"),
        httpx.ReadError("reset"),
        httpx.RemoteProtocolError("server disconnected"),
        httpx.ProxyError("bad gateway"),
        httpx2.ReadError("the stream broke"),
        ConnectionResetError("reset"),
        BrokenPipeError("gone"),
        OSError(errno.ENETUNREACH, "network is unreachable"),
        OSError(errno.EHOSTUNREACH, "no route to host"),
        OSError("All connection attempts failed"),
        socket.gaierror(socket.EAI_AGAIN, "temporary failure in name resolution"),
        anthropic.RetryableError("asked for by middleware"),
    ],
)
def test_a_network_that_failed_is_transient(error: Exception) -> None:
    failure = classify(error)
    assert (failure.retryable, failure.kind) == (True, FailureKind.TRANSIENT)
    assert failure.retry_after_s is None


@pytest.mark.parametrize(
    "error",
    [
        httpx.UnsupportedProtocol("ftp"),
        httpx.LocalProtocolError("illegal header"),
        httpx.InvalidURL("no host"),
        httpx.TooManyRedirects("a circle"),
        httpx2.UnsupportedProtocol("ftp"),
        anthropic.CredentialsError("no key"),
        FileNotFoundError(errno.ENOENT, "notes.txt"),
        FileNotFoundError("notes.txt"),
        PermissionError(errno.EACCES, "notes.txt"),
        IsADirectoryError(errno.EISDIR, "notes"),
        OSError(errno.ENOSPC, "disk full"),
        ValueError("a bug"),
        KeyError("city"),
        asyncio.CancelledError(),
        KeyboardInterrupt(),
        SystemExit(1),
        ExceptionGroup("several", [ConnectionResetError(), ValueError("a bug")]),
    ],
)
def test_what_is_not_known_to_pass_is_permanent(error: BaseException) -> None:
    failure = classify(error)
    assert (failure.retryable, failure.kind) == (False, FailureKind.PERMANENT)


class CircuitOpen(ReliabilityError):
    def __init__(self, retry_after_s: float | None) -> None:
        super().__init__("open")
        self.retry_after_s = retry_after_s


class TooSlow(ReliabilityError, TimeoutError):
    kind = FailureKind.TIMEOUT
    retryable = True


class OutOfTime(StopTask, TimeoutError):
    kind = FailureKind.TIMEOUT
    retryable = True


def test_an_error_of_this_package_says_itself_what_it_is() -> None:
    assert classify(TooSlow()).retryable
    assert classify(TooSlow()).kind is FailureKind.TIMEOUT
    assert not classify(CircuitOpen(12.5)).retryable
    assert classify(CircuitOpen(12.5)).retry_after_s == 12.5
    assert classify(CircuitOpen(float("nan"))).retry_after_s is None
    assert classify(CircuitOpen(-1.0)).retry_after_s is None
    assert classify(ReliabilityError("no")).kind is FailureKind.PERMANENT


def test_an_error_that_stops_the_task_is_never_retryable_even_if_it_says_so() -> None:
    failure = classify(OutOfTime())
    assert (failure.retryable, failure.kind) == (False, FailureKind.TIMEOUT)


@pytest.mark.parametrize(
    "error",
    [
        api_error(429, "rate_limit_error"),
        api_error(500, SECRET),
        api_error(400, "invalid_request_error"),
        stream_error(json.dumps(body_of(SECRET))),
        stream_error(SECRET),
        tool_error(503),
        ConnectionResetError(SECRET),
        ValueError(SECRET),
        httpx.ConnectError(SECRET),
        sdk_error(raising(httpx2.ConnectError(SECRET))),
    ],
)
def test_a_reason_is_short_and_never_quotes_a_message_or_address(error: Exception) -> None:
    reason = classify(error).reason
    assert "hunter2" not in reason
    assert "example" not in reason
    assert 0 < len(reason) <= 40


def test_a_reason_names_the_status_and_the_type() -> None:
    assert classify(api_error(429, "rate_limit_error")).reason == "429 rate_limit_error"
    assert classify(api_error(529, "overloaded_error")).reason == "529 overloaded_error"
    assert classify(tool_error(503)).reason == "503"
    assert classify(httpx.ConnectError("refused")).reason == "ConnectError"


IN_A_MINUTE = NOW + timedelta(seconds=60)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": " 2 "}, 2.0),
        ({"retry-after": format_datetime(IN_A_MINUTE, usegmt=True)}, 60.0),
        ({"retry-after": IN_A_MINUTE.strftime("%A, %d-%b-%y %H:%M:%S GMT")}, 60.0),
        ({"retry-after": IN_A_MINUTE.strftime("%a %b %d %H:%M:%S %Y")}, 60.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "-250", "retry-after": "9"}, 9.0),
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "5, 9"}, None),
        ({"retry-after": format_datetime(NOW - timedelta(seconds=1), usegmt=True)}, None),
        ({"retry-after": "Sun, 06 Nov 1994 08:49:37 +9999"}, None),
        ({"retry-after-ms": "nan"}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], wait_s: float) -> None:
    assert parse_retry_after(httpx.Headers(headers), now=wall_clock) == wait_s
    assert classify(tool_error(503, headers), now=wall_clock).retry_after_s == wait_s
    sdk = classify(api_error(429, "rate_limit_error", headers=headers), now=wall_clock)
    assert sdk.retry_after_s == wait_s


@given(st.integers(0, 10**6))
def test_a_date_means_the_same_wait_as_its_seconds(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert parse_retry_after({"retry-after": date}, now=wall_clock) == seconds
    assert parse_retry_after({"retry-after": str(seconds)}, now=wall_clock) == seconds


WORDS = st.sampled_from(
    ["Sun,", "06", "Nov", "1994", "0", "99:99:99", "08:49:37", "+9999", "-", ":"]
)


@given(st.one_of(st.text(), st.lists(WORDS).map(" ".join)), st.text())
@example("Fri, 31 Dec 9999 23:59:59 -2359", "")
@example("9" * 400, "9" * 400)
def test_no_header_however_odd_raises_or_gives_an_unusable_wait(text: str, ms: str) -> None:
    wait_s = parse_retry_after({"retry-after": text, "retry-after-ms": ms}, now=wall_clock)
    assert wait_s is None or 0 <= wait_s < float("inf")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_a_refusal_of_this_request_is_the_callers_mistake(status: int) -> None:
    response = httpx.Response(status, request=httpx.Request("GET", "https://example.org"))
    refused = httpx.HTTPStatusError("no", request=response.request, response=response)
    assert status_of(refused) == status
    assert is_callers_mistake(refused)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 529])
def test_load_and_trouble_on_the_other_side_are_not_the_callers_mistake(status: int) -> None:
    response = httpx2.Response(status, request=httpx2.Request("GET", "https://example.org"))
    failed = httpx2.HTTPStatusError("no", request=response.request, response=response)
    assert status_of(failed) == status
    assert not is_callers_mistake(failed)


def test_an_error_without_a_status_is_nobodys_mistake_that_we_know_of() -> None:
    assert status_of(ConnectionResetError()) is None
    assert not is_callers_mistake(ConnectionResetError())


def test_no_module_catches_what_is_no_exception() -> None:
    """`except:` and `except BaseException` swallow a cancellation."""
    caught: list[str] = []
    for path in Path(reliability.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                caught.append(ast.unparse(node.type) if node.type else "everything")
    assert any("TimeoutError" in each for each in caught)
    assert [each for each in caught if each == "everything" or "BaseException" in each] == []


# --- Several errors at once ----------------------------------------------------------------------


class Stopped(StopTask):
    pass


class Ours(Exception):
    callers_mistake = True


def test_a_group_means_what_its_members_mean() -> None:
    busy = tool_error(503, {"retry-after": "4"})
    inner = ExceptionGroup("inner", [tool_error(429, {"retry-after": "7"})])
    failure = classify(ExceptionGroup("several", [busy, inner]))
    assert failure == Failure(FailureKind.TRANSIENT, True, 7.0, "ExceptionGroup: 503")
    failure = classify(ExceptionGroup("several", [busy, ValueError(SECRET)]))
    assert failure == Failure(FailureKind.PERMANENT, False, 4.0, "ExceptionGroup: ValueError")


def test_a_stopped_task_in_a_group_is_found_and_never_retried() -> None:
    stopped = Stopped("enough")
    group = ExceptionGroup("several", [ConnectionResetError(), ExceptionGroup("in", [stopped])])
    assert not classify(group).retryable
    assert stop_task_of(group) is stopped
    assert stop_task_of(stopped) is stopped
    assert stop_task_of(ExceptionGroup("several", [ConnectionResetError()])) is None
    assert members(group) == [group.exceptions[0], stopped]
    assert members(stopped) == [stopped]


def test_a_group_is_the_callers_mistake_if_all_of_it_is() -> None:
    assert is_callers_mistake(ExceptionGroup("several", [tool_error(404), Ours()]))
    assert not is_callers_mistake(ExceptionGroup("several", [tool_error(404), tool_error(503)]))


# --- Who is to blame -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'[{"id":1,', "application/json"),
        (b"<html>busy</html>", "application/json"),
        (b"", "application/json"),
        (b"\xff\xfe{", "application/json"),
    ],
)
def test_an_answer_that_cannot_be_read_is_the_other_sides_failure(body: bytes, kind: str) -> None:
    response = httpx2.Response(200, content=body, headers={"content-type": kind})
    with (
        httpx2.Client(transport=httpx2.MockTransport(lambda request: response)) as http,
        anthropic.Anthropic(api_key="test", max_retries=0, http_client=http) as client,
        pytest.raises(ValueError, match=r".") as caught,
    ):
        client.models.retrieve("claude-test")
    failure = classify(caught.value)
    assert (failure.kind, failure.retryable) == (FailureKind.TRANSIENT, True)
    assert not is_callers_mistake(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        anthropic.APIResponseValidationError(
            response=httpx2.Response(200, request=httpx2.Request("POST", "http://api.example")),
            body=None,
        ),
        httpx.DecodingError("not gzip"),
        httpx2.DecodingError("not gzip"),
    ],
    ids=repr,
)
def test_a_body_of_another_shape_or_compression_may_be_better_next_time(error: Exception) -> None:
    assert classify(error).retryable


def test_a_text_that_cannot_be_sent_is_the_callers_mistake() -> None:
    with (
        anthropic.Anthropic(api_key="test", max_retries=0) as client,
        pytest.raises(UnicodeEncodeError) as caught,
    ):
        client.messages.create(
            model="claude-test",
            max_tokens=5,
            messages=[{"role": "user", "content": "half a pair: \ud83d"}],
        )
    assert is_callers_mistake(caught.value)
    assert not classify(caught.value).retryable


def test_an_error_may_say_itself_that_the_caller_is_to_blame() -> None:
    assert is_callers_mistake(Ours())
    assert not is_callers_mistake(ValueError("of a reply"))
