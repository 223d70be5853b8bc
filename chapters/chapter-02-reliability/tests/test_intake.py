"""What a request may cost before it is whole, and who answers what the app does not."""

from __future__ import annotations

import asyncio
import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from reliability.deadlines import DeadlineExceeded, TimeoutSettings, remaining_s
from reliability.draining import Drain, DrainSettings, ServiceLeaving
from reliability.errors import classify
from reliability.intake import (
    LINGER_S,
    BodyTooLarge,
    BodyTooLate,
    Intake,
    ListenSettings,
    Message,
    Receive,
    Send,
)
from reliability.timeouts import request_deadline

from jumping_time import in_jumping_time, now

MOST = 10


class Client:
    """Sends its pieces, each after some seconds, and then nothing; keeps what it is sent."""

    def __init__(
        self, *pieces: tuple[float, bytes], leaves: bool = False, whole: bool = True
    ) -> None:
        self.pieces, self.leaves, self.whole = list(pieces), leaves, whole
        self.got: list[Message] = []
        self.asked = 0

    async def receive(self) -> Message:
        self.asked += 1
        if not self.pieces:
            if self.leaves:
                return {"type": "http.disconnect"}
            await asyncio.Event().wait()
        after_s, body = self.pieces.pop(0)
        await asyncio.sleep(after_s)
        more = bool(self.pieces) or self.leaves or not self.whole
        return {"type": "http.request", "body": body, "more_body": more}

    async def send(self, message: Message) -> None:
        self.got.append(message)

    @property
    def body(self) -> bytes:
        return b"".join(part.get("body", b"") for part in self.got)


async def echo(scope: Message, receive: Receive, send: Send) -> None:
    message = await receive()
    assert not message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"got " + message["body"]})


def answer(scope: Message, error: Exception) -> Callable[..., Any]:
    async def response(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": [(b"a", b"b")]})
        body = f"{type(error).__name__}: {error}".encode()
        await send({"type": "http.response.body", "body": body})

    return response


async def ask(
    client: Client,
    app: Callable[..., Any] = echo,
    headers: list[tuple[bytes, bytes]] | None = None,
    drain: Drain | None = None,
    kind: str = "http",
) -> Client:
    intake = Intake(app, drain=drain or Drain(), max_bytes=MOST, request_s=5.0, answer=answer)
    await intake({"type": kind, "headers": headers or []}, client.receive, client.send)
    return client


@in_jumping_time
async def test_a_body_comes_to_the_app_whole() -> None:
    assert (await ask(Client((0, b"12345"), (1, b""), (1, b"67890")))).body == b"got 1234567890"
    assert (await ask(Client((0, b"")))).body == b"got "


@pytest.mark.parametrize(
    ("pieces", "headers", "asked"),
    [
        ([(0, b"12345"), (0, b"678901"), (0, b"2")], [], 3),
        ([(0, b"12345678901")], [], 2),
        ([(0, b"1")], [(b"content-length", b"11")], 1),
        ([(0, b"1")], [(b"Content-Length", b"99999999999999999999")], 1),
    ],
)
@in_jumping_time
async def test_a_body_above_the_limit_is_refused_without_keeping_it(
    pieces: list[tuple[float, bytes]], headers: list[tuple[bytes, bytes]], asked: int
) -> None:
    began = now()
    client = await ask(Client(*pieces), headers=headers)
    assert client.body == b"BodyTooLarge: the body is larger than 10 bytes"
    assert (b"connection", b"close") in client.got[0]["headers"]
    assert client.asked == asked, "what still comes is read, so that the answer can be"
    assert now() - began <= LINGER_S


@in_jumping_time
async def test_the_answer_to_a_body_that_never_ends_does_not_wait_for_its_end() -> None:
    began = now()
    client = await ask(Client((0, b"1" * 11), *[(0.5, b"1")] * 99))
    assert client.body.startswith(b"BodyTooLarge")
    assert client.got[1]["more_body"], "it is sent before the rest is read"
    assert now() - began == LINGER_S
    assert client.got[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


@pytest.mark.parametrize("pieces", [[], [(1.0, b"1")] * 9], ids=["none", "a byte a second"])
@in_jumping_time
async def test_a_body_that_does_not_come_in_time_is_not_waited_for(
    pieces: list[tuple[float, bytes]],
) -> None:
    began = now()
    client = await ask(Client(*pieces))
    assert client.body == b"BodyTooLate: the body did not come within 5 s"
    assert now() - began == 5.0
    assert remaining_s() is None


@in_jumping_time
async def test_a_client_that_leaves_gets_no_answer() -> None:
    assert (await ask(Client((1, b"1"), leaves=True))).got == []


@in_jumping_time
async def test_the_time_of_a_request_counts_from_its_first_byte() -> None:
    left: list[float | None] = []

    @request_deadline(TimeoutSettings(connect_s=1, model_call_s=3, tool_call_s=3, request_s=5))
    async def work() -> None:
        left.append(remaining_s())
        await asyncio.sleep(99)

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await work()

    began = now()
    client = await ask(Client((1, b"1"), (2, b"2")), app)
    assert client.body == b"DeadlineExceeded: the request has used up its 5 s"
    assert (left, now() - began) == ([2.0], 5.0)
    assert remaining_s() is None


@in_jumping_time
async def test_what_the_app_does_not_answer_is_answered_in_the_services_form() -> None:
    async def fails(scope: Message, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError("text")

    assert (await ask(Client((0, b"")), fails)).body == b"ZeroDivisionError: text"


@in_jumping_time
async def test_a_response_that_has_begun_is_never_followed_by_another() -> None:
    async def fails(scope: Message, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    client = Client((0, b""))
    with pytest.raises(ZeroDivisionError):
        await ask(client, fails)
    assert len(client.got) == 1


@in_jumping_time
async def test_what_is_no_http_passes() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    for kind in ("lifespan", "websocket"):
        with pytest.raises(ZeroDivisionError):
            await ask(Client(), app, kind=kind)


@in_jumping_time
async def test_the_app_hears_when_its_client_leaves() -> None:
    heard: list[Message] = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        heard.extend([await receive(), await receive()])

    client = Client((0, b"1"))
    asking = asyncio.create_task(ask(client, app))
    await asyncio.sleep(1)
    assert client.asked == 2, "it waits for the client's next word"
    client.leaves = True
    asking.cancel()
    await asyncio.wait([asking])
    assert heard == []


# --- While the service leaves --------------------------------------------------------------------

QUICK = DrainSettings(pause_s=1, drain_s=20, close_s=1, grace_s=30)


async def leave(drain: Drain, *clients: Client, app: Callable[..., Any] = echo) -> list[float]:
    """Drain while the clients are served; the seconds that each one took, and the drain itself."""

    async def timed(work: Any) -> float:
        await work
        return now()

    async def served(client: Client) -> None:
        with drain.request():
            await ask(client, app, drain=drain)

    began = now()
    tasks = [asyncio.create_task(timed(served(client))) for client in clients]
    await asyncio.sleep(0)
    tasks.append(asyncio.create_task(timed(drain.finish(lambda: None))))
    return [ended - began for ended in await asyncio.gather(*tasks)]


@in_jumping_time
async def test_clients_that_announce_a_body_and_send_none_do_not_hold_the_drain() -> None:
    clients = [Client(whole=False) for _ in range(300)]
    assert set(await leave(Drain(QUICK, clock=now), *clients)) == {1.0}
    assert {client.body for client in clients} == {
        b"ServiceLeaving: the service is being replaced and could not finish this request: "
        b"send it again"
    }


@in_jumping_time
async def test_a_body_that_comes_during_the_pause_is_served() -> None:
    client = Client((0.5, b"1"), (0.25, b"2"))
    assert await leave(Drain(QUICK, clock=now), client) == [0.75, 1.0]
    assert client.body == b"got 12"


@in_jumping_time
async def test_a_request_that_begins_after_the_last_is_refused_and_waits_for_nobody() -> None:
    drain = Drain(QUICK, clock=now)
    await drain.finish(lambda: None)
    assert (await ask(Client(), drain=drain)).body.startswith(b"ServiceLeaving")


@in_jumping_time
async def test_a_request_that_the_drain_cuts_off_gets_an_answer() -> None:
    async def works(scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        await asyncio.sleep(99)

    client = Client((0, b"1"))
    assert await leave(Drain(QUICK, clock=now), client, app=works) == [21.0, 21.0]
    assert client.body.startswith(b"ServiceLeaving")


@in_jumping_time
async def test_a_cancellation_that_is_not_the_drains_stays_one() -> None:
    async def works(scope: Message, receive: Receive, send: Send) -> None:
        await asyncio.sleep(99)

    client = Client((0, b"1"))
    task = asyncio.create_task(ask(client, works))
    await asyncio.sleep(1)
    task.cancel()
    await asyncio.wait([task])
    assert (task.cancelled(), client.got) == (True, [])


def test_a_request_cut_off_may_be_sent_again_at_once() -> None:
    error = ServiceLeaving()
    assert (error.retry_after_s, classify(error).retryable) == (1.0, False)
    assert isinstance(pickle.loads(pickle.dumps(error)), ServiceLeaving)


def test_the_errors_survive_pickling_and_copying() -> None:
    for error in (BodyTooLarge(7), BodyTooLate(0.5)):
        for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert (str(other), other.args) == (str(error), error.args)
    assert not classify(BodyTooLarge(7)).retryable
    assert classify(BodyTooLate(0.5)).retryable
    assert not isinstance(BodyTooLate(0.5), DeadlineExceeded)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"port": 0}, "port must be a whole number from 1 to 65535, not 0"),
        ({"port": 65536}, "port must be"),
        ({"port": True}, "port must be"),
        ({"max_body_bytes": 0}, "max_body_bytes must be a whole number >= 1"),
        ({"max_body_bytes": 1.5}, "max_body_bytes must be"),
    ],
)
def test_where_nobody_can_listen_is_refused(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        ListenSettings(**changes)
    assert ListenSettings(port=65535, max_body_bytes=1).host == "127.0.0.1"
