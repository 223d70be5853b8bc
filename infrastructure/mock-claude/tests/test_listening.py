"""The head of an answer: lines added to it, and the write that it shares with the body."""

from __future__ import annotations

import h11
import pytest

from mock_claude.listening import Connection

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n"
LINE = b"anthropic-ratelimit-requests-limit: 4000\r\n"


def asked() -> Connection:
    """A server's connection on which a request has arrived."""
    connection = Connection(h11.SERVER)
    ask(connection)
    return connection


def ask(connection: Connection) -> None:
    connection.receive_data(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n")
    assert isinstance(connection.next_event(), h11.Request)
    assert isinstance(connection.next_event(), h11.EndOfMessage)


def head() -> h11.Response:
    headers = [(b"content-length", b"2")]
    return h11.Response(status_code=200, headers=headers, reason=b"OK")


def answer(connection: Connection) -> list[bytes]:
    return [
        bytes(connection.send(event) or b"")
        for event in (head(), h11.Data(data=b"ok"), h11.EndOfMessage())
    ]


@pytest.mark.parametrize("lines", [b"", LINE])
def test_a_head_that_is_held_leaves_with_the_first_bytes_after_it(lines: bytes) -> None:
    connection = asked()
    connection.prepare(lines, holds_head=True)
    assert answer(connection) == [b"", HEAD + lines + b"\r\nok", b""]


def test_a_head_that_is_not_held_leaves_by_itself() -> None:
    connection = asked()
    connection.prepare(LINE, holds_head=False)
    assert answer(connection) == [HEAD + LINE + b"\r\n", b"ok", b""]


def test_only_the_next_head_is_prepared() -> None:
    connection = asked()
    connection.prepare(LINE, holds_head=True)
    answer(connection)
    connection.start_next_cycle()
    ask(connection)
    assert answer(connection) == [HEAD + b"\r\n", b"ok", b""]


def test_a_hundred_continue_before_the_head_is_neither_held_nor_longer() -> None:
    connection = Connection(h11.SERVER)
    connection.receive_data(
        b"POST / HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 1\r\n\r\n"
    )
    assert isinstance(connection.next_event(), h11.Request)
    connection.prepare(LINE, holds_head=True)
    go_on = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
    assert connection.send(go_on) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert answer(connection)[0] == b""
