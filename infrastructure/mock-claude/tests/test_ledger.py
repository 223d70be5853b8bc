"""What the simulator remembers of requests."""

from __future__ import annotations

import json
import threading
from decimal import Decimal

from mock_claude import Exchange
from mock_claude.accounts.accounts import Usage
from mock_claude.accounts.ledger import Ledger


def _ledger_with(count: int, limit: int = 100) -> Ledger:
    ledger = Ledger(limit)
    for number in range(count):
        ledger.close(ledger.open("GET", f"/{number}"))
    return ledger


def test_an_exchange_survives_json_exactly() -> None:
    ledger = Ledger()
    entry = ledger.open("POST", "/v1/messages")
    entry.model, entry.key, entry.sdk_retry, entry.status = "claude-opus-5", "ab", 1, 200
    entry.usage, entry.cost_usd = Usage(3, 4), Decimal("0.0000001")
    ledger.fire(entry, "slow")
    ledger.close(entry)
    exchange = ledger.log[0]
    assert exchange.cost_usd == Decimal("0.0000001")
    assert Exchange.from_json(json.loads(json.dumps(exchange.to_json()))) == exchange


def test_the_log_keeps_the_newest_and_counts_the_dropped() -> None:
    log = _ledger_with(5, limit=3).log
    assert [each.path for each in log] == ["/2", "/3", "/4"]
    assert (len(log), log.dropped, log[-1].path) == (3, 2, "/4")
    assert [each.path for each in log[:2]] == ["/2", "/3"]


def test_an_open_request_is_in_flight_until_it_is_closed_once() -> None:
    ledger = Ledger()
    entry = ledger.open("GET", "/")
    assert (ledger.in_flight, len(ledger.log)) == (1, 0)
    ledger.close(entry)
    ledger.close(entry)
    assert (ledger.in_flight, len(ledger.log)) == (0, 1)


def test_time_starts_with_the_first_request() -> None:
    now = [100.0]
    ledger = Ledger(clock=lambda: now[0])
    first = ledger.open("GET", "/")
    now[0] = 102.5
    second = ledger.open("GET", "/")
    now[0] = 103.0
    ledger.close(first)
    ledger.close(second)
    assert [(each.at_s, each.duration_s) for each in ledger.log] == [(0.0, 3.0), (2.5, 0.5)]


def test_the_log_can_be_read_while_another_thread_writes() -> None:
    ledger = Ledger(limit=50)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            ledger.close(ledger.open("GET", "/"))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while len(ledger.log) < 50:
            pass
        for _ in range(300):
            numbers = [each.number for each in ledger.log]
            assert numbers == list(range(numbers[0], numbers[0] + 50))
    finally:
        stop.set()
        writer.join()


def test_a_long_path_or_model_does_not_fill_the_log() -> None:
    ledger = Ledger()
    entry = ledger.open("GET", "/" + "x" * 10_000)
    entry.model = "m" * 10_000
    ledger.close(entry)
    assert len(ledger.log[0].path) == len(ledger.log[0].model or "") == 300
