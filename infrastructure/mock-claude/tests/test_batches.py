"""Batches, as the real SDK meets them, and their counts against a brute-force model."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import anthropic
import httpx
import pytest
from anthropic import Anthropic, AsyncAnthropic
from clocks import Clock
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_claude import FaultScript, Simulator, paths
from mock_claude.accounts.moments import Moments
from mock_claude.accounts.tenants import account
from mock_claude.background import in_background
from mock_claude.batches import worker
from mock_claude.batches.batch import Batch
from mock_claude.batches.creation import Line
from mock_claude.batches.worker import Batches
from mock_claude.errors import ApiError
from mock_claude.faults.tenant_tables import BatchTimes

OPUS = "claude-opus-5-5"
DAY_S = 24 * 3600.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start(clock: Clock) -> Iterator[Any]:
    with contextlib.ExitStack() as running:

        def begin(script: str = "", key: str = "sk-ant-one") -> tuple[Simulator, Anthropic]:
            simulator = Simulator(faults=FaultScript.parse(script), clock=clock)
            running.enter_context(in_background(simulator))
            claude = Anthropic(
                base_url=simulator.url,
                api_key=key,
                max_retries=0,
                _strict_response_validation=True,
            )
            return simulator, running.enter_context(claude)

        yield begin


def request(custom_id: str, words: str = "Say: hello there", **changes: Any) -> Any:
    params: dict[str, Any] = {
        "model": OPUS,
        "max_tokens": 100,
        "messages": [{"role": "user", "content": words}],
        **changes,
    }
    return {"custom_id": custom_id, "params": params}


def outcomes(claude: Anthropic, batch_id: str) -> dict[str, Any]:
    """The results by id."""
    return {each.custom_id: each.result for each in claude.messages.batches.results(batch_id)}


def test_a_batch_is_in_progress_until_its_duration_is_over(start: Any, clock: Clock) -> None:
    _, claude = start()
    created = claude.messages.batches.create(requests=[request(f"r-{n}") for n in range(4)])
    assert created.id.startswith("msgbatch_")
    assert created.processing_status == "in_progress"
    assert (created.expires_at - created.created_at).total_seconds() == DAY_S
    assert (created.ended_at, created.results_url, created.archived_at) == (None, None, None)
    for clock.now in (1_000.0, 1_000.5, 1_000.99):
        counts = claude.messages.batches.retrieve(created.id).request_counts
        assert (counts.processing, counts.succeeded) == (4, 0)
    clock.now = 1_001.0
    ended = claude.messages.batches.retrieve(created.id)
    assert ended.processing_status == "ended"
    assert ended.ended_at is not None
    assert (ended.ended_at - ended.created_at).total_seconds() == 1
    assert ended.request_counts.model_dump() == {
        "processing": 0, "succeeded": 4, "errored": 0, "canceled": 0, "expired": 0,
    }  # fmt: skip
    results = outcomes(claude, created.id)
    assert list(results) == ["r-0", "r-1", "r-2", "r-3"]
    assert results["r-2"].message.content[0].text == "hello there"
    assert results["r-2"].message.usage.service_tier == "batch"


async def test_the_worker_ends_a_batch_that_nobody_asks_for() -> None:
    script = FaultScript.parse("[batch]\nduration_s = 0.05")
    async with (
        Simulator(faults=script) as simulator,
        AsyncAnthropic(base_url=simulator.url, api_key="k") as claude,
    ):
        await claude.messages.batches.create(requests=[request("a"), request("b")])
        async with asyncio.timeout(20):
            while len(simulator.model_requests()) < 2:  # noqa: ASYNC110 (it shares no event)
                await asyncio.sleep(0)
    assert [each.custom_id for each in simulator.model_requests()] == ["a", "b"]


def test_a_long_batch_ends_when_the_clock_has_jumped_and_somebody_asks(
    start: Any, clock: Clock
) -> None:
    _, claude = start("[batch]\nduration_s = 3600\n")
    batch = claude.messages.batches.create(requests=[request(f"r{n}") for n in range(500)])
    clock.now += 3600
    until = time.monotonic() + 30
    while claude.messages.batches.retrieve(batch.id).processing_status != "ended":
        assert time.monotonic() < until
    assert claude.messages.batches.retrieve(batch.id).request_counts.succeeded == 500


def test_beta_and_raw_answers_are_the_same(start: Any, clock: Clock) -> None:
    _, claude = start()
    raw = claude.messages.batches.with_raw_response.create(requests=[request("a")])
    assert raw.headers["request-id"].startswith("req_")
    batch = raw.parse()
    clock.now += 1
    beta = claude.beta.messages.batches
    assert beta.retrieve(batch.id).processing_status == "ended"
    assert [each.id for each in beta.list()] == [batch.id]
    assert [each.custom_id for each in beta.results(batch.id)] == ["a"]
    assert beta.delete(batch.id).type == "message_batch_deleted"


def test_a_wrong_request_errs_alone(start: Any, clock: Clock) -> None:
    simulator, claude = start()
    batch = claude.messages.batches.create(
        requests=[
            request("good"),
            request("model", model="claude-nobody"),
            {"custom_id": "empty", "params": {}},
            request("stream", stream=True),
            request("none", max_tokens=0),
            request("fast", speed="fast"),
            request("forced", tools=[], tool_choice={"type": "any"}),
        ]
    )
    clock.now += 1
    ended = claude.messages.batches.retrieve(batch.id)
    assert (ended.request_counts.succeeded, ended.request_counts.errored) == (1, 6)
    told = {
        name: (result.error.error.type, result.error.error.message)
        for name, result in outcomes(claude, batch.id).items()
        if result.type == "errored"
    }
    wrong = "invalid_request_error"
    assert told["model"] == ("not_found_error", "model: claude-nobody")
    assert told["empty"][0] == wrong
    assert told["empty"][1].endswith("Field required")
    assert told["stream"] == (wrong, '"stream=True" is not supported in the Message Batches API')
    assert told["none"] == (wrong, "max_tokens: must be greater than or equal to 1")
    assert "not supported" in told["fast"][1]
    assert [each.status for each in simulator.model_requests()] == [200, 404, *[400] * 5]


def test_each_request_is_in_the_log_at_half_price(start: Any, clock: Clock) -> None:
    simulator, claude = start()
    plain = claude.messages.create(**request("x")["params"])
    batch = claude.messages.batches.create(requests=[request("a"), request("b", "Say: bye")])
    clock.now += 1
    claude.messages.batches.retrieve(batch.id)
    alone, *two = simulator.model_requests()
    assert [(each.batch_id, each.custom_id) for each in two] == [(batch.id, "a"), (batch.id, "b")]
    assert {each.service_tier for each in two} == {"batch"}
    assert two[0].cost_usd == alone.cost_usd / 2 > 0
    assert two[0].account == alone.account != ""
    usage = plain.usage
    assert alone.cost_usd == Decimal(usage.input_tokens * 4 + usage.output_tokens * 20) / 1_000_000


def test_a_batch_uses_and_fills_the_prompt_cache_of_its_workspace(start: Any, clock: Clock) -> None:
    _, claude = start()
    mark = {"type": "ephemeral", "ttl": "1h"}
    system = [{"type": "text", "text": "context " * 500, "cache_control": mark}]
    batch = claude.messages.batches.create(
        requests=[request("a", system=system), request("b", system=system)]
    )
    clock.now += 1
    first, second = (each.message.usage for each in outcomes(claude, batch.id).values())
    assert first.cache_creation.ephemeral_1h_input_tokens == 1_000
    assert second.cache_read_input_tokens == 1_000
    alone = claude.messages.create(**request("x", system=system)["params"])
    assert alone.usage.cache_read_input_tokens == 1_000


def test_a_canceled_batch_keeps_what_was_done_and_cancels_the_rest(
    start: Any, clock: Clock
) -> None:
    simulator, claude = start("[batch]\nduration_s = 10\n")
    batch = claude.messages.batches.create(requests=[request(f"r{n}") for n in range(4)])
    clock.now += 5
    canceling = claude.messages.batches.cancel(batch.id)
    assert canceling.processing_status == "canceling"
    assert canceling.cancel_initiated_at is not None
    assert canceling.request_counts.processing == 4
    clock.now += 0.5
    assert claude.messages.batches.cancel(batch.id).cancel_initiated_at == (
        canceling.cancel_initiated_at
    )
    clock.now += 0.5
    ended = claude.messages.batches.retrieve(batch.id)
    assert (ended.request_counts.succeeded, ended.request_counts.canceled) == (2, 2)
    kinds = [result.type for result in outcomes(claude, batch.id).values()]
    assert kinds == ["succeeded", "succeeded", "canceled", "canceled"]
    assert len(simulator.model_requests()) == 2
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.batches.cancel(batch.id)


def test_what_is_not_done_in_a_day_expires_and_costs_nothing(start: Any, clock: Clock) -> None:
    simulator, claude = start(f"[batch]\nduration_s = {2 * DAY_S}\n")
    batch = claude.messages.batches.create(requests=[request("a"), request("b")])
    clock.now += DAY_S
    ended = claude.messages.batches.retrieve(batch.id)
    assert ended.ended_at == ended.expires_at
    assert [result.type for result in outcomes(claude, batch.id).values()] == [
        "succeeded",
        "expired",
    ]
    assert len(simulator.model_requests()) == 1


def test_results_and_delete_wait_for_the_end(start: Any, clock: Clock) -> None:
    simulator, claude = start()
    batch = claude.messages.batches.create(requests=[request("a")])
    path = f"/v1/messages/batches/{batch.id}"
    with pytest.raises(anthropic.NotFoundError, match="has no available results"):
        claude.get(path + "/results", cast_to=httpx.Response)
    with pytest.raises(anthropic.BadRequestError, match="In progress batches cannot be deleted"):
        claude.messages.batches.delete(batch.id)
    clock.now += 1
    raw = claude.messages.batches.with_raw_response.results(batch.id)
    assert raw.headers["content-type"] == "application/x-jsonl"
    assert raw.http_response.read().endswith(b"}\n")
    assert claude.messages.batches.delete(batch.id).id == batch.id
    for call in (claude.messages.batches.retrieve, claude.messages.batches.delete):
        with pytest.raises(anthropic.NotFoundError, match=f"Message Batch {batch.id} not found"):
            call(batch.id)
    assert simulator.log[-1].status == 404


def test_the_results_url_is_on_the_host_that_the_client_addressed(start: Any, clock: Clock) -> None:
    simulator, claude = start()
    batch = claude.messages.batches.create(requests=[request("a")])
    clock.now += 1
    url = f"{simulator.url}/v1/messages/batches/{batch.id}"
    own = {"x-api-key": "sk-ant-one", "anthropic-version": "2026-10-21", "host": "claude.test:99"}
    shown = httpx.get(url, headers=own).json()
    assert shown["results_url"] == (f"http://claude.test:99/v1/messages/batches/{batch.id}/results")
    assert claude.messages.batches.retrieve(batch.id).results_url == url + "/results"


def test_results_outlive_the_batch_by_29_days(start: Any, clock: Clock) -> None:
    _, claude = start()
    batch = claude.messages.batches.create(requests=[request("a")])
    clock.now += 29 * DAY_S - 1
    assert len(outcomes(claude, batch.id)) == 1
    clock.now += 1
    old = claude.messages.batches.retrieve(batch.id)
    assert old.archived_at is not None
    assert (old.archived_at - old.created_at).total_seconds() == 29 * DAY_S
    assert (old.results_url, old.request_counts.succeeded) == (None, 1)
    with pytest.raises(anthropic.NotFoundError):
        claude.get(f"/v1/messages/batches/{batch.id}/results", cast_to=httpx.Response)


def test_lists_are_paged_the_newest_first(start: Any) -> None:
    _, claude = start()
    made = [claude.messages.batches.create(requests=[request("a")]).id for _ in range(5)][::-1]
    batches = claude.messages.batches
    assert [each.id for each in batches.list(limit=2)] == made  # the SDK asks for page after page
    first = batches.list(limit=2)
    assert ([each.id for each in first.data], first.has_more) == (made[:2], True)
    assert (first.first_id, first.last_id) == (made[0], made[1])
    after = batches.list(limit=3, after_id=made[1])
    assert ([each.id for each in after.data], after.has_more) == (made[2:], False)
    before = batches.list(limit=2, before_id=made[3])
    assert ([each.id for each in before.data], before.has_more) == (made[1:3], True)
    for wrong in ({"limit": 0}, {"limit": 1001}, {"after_id": "msgbatch_nobody"}):
        with pytest.raises(anthropic.BadRequestError):
            batches.list(**wrong)


def test_an_empty_list_has_no_ids(start: Any) -> None:
    _, claude = start()
    page = claude.messages.batches.list()
    assert (page.data, page.has_more, page.first_id, page.last_id) == ([], False, None, None)


def test_another_workspace_does_not_see_a_batch(start: Any, clock: Clock) -> None:
    script = "".join(
        f'[[account]]\nkey = "sk-ant-{key}"\nworkspace = "{space}"\n'
        for key, space in (("one", "w1"), ("two", "w1"), ("three", "w2"))
    )
    _, claude = start(script)
    batch = claude.messages.batches.create(requests=[request("a")])
    clock.now += 1
    assert claude.with_options(api_key="sk-ant-two").messages.batches.retrieve(batch.id)
    for key in ("sk-ant-three", "sk-ant-four"):
        batches = claude.with_options(api_key=key).messages.batches
        assert batches.list().data == []
        for call in (batches.retrieve, batches.cancel, batches.delete, batches.results):
            with pytest.raises(anthropic.NotFoundError, match="not found"):
                call(batch.id)


REQUESTS = "requests: "
LONG = "x" * 65


@pytest.mark.parametrize(
    ("requests", "text"),
    [
        ([], "requests: List should have at least 1 item after validation, not 0"),
        ("x", "requests: Input should be a valid list"),
        ([1], "requests.0: Input should be an object"),
        ([{"params": {}}], "requests.0.custom_id: Field required"),
        ([{"custom_id": "a"}], "requests.0.params: Field required"),
        ([{"custom_id": "a", "params": 1}], "requests.0.params: Input should be an object"),
        ([{"custom_id": 1, "params": {}}], "requests.0.custom_id: Input should be a valid string"),
        (
            [{"custom_id": "", "params": {}}],
            "requests.0.custom_id: String should have at least 1 character",
        ),
        (
            [{"custom_id": LONG, "params": {}}],
            "requests.0.custom_id: String should have at most 64 characters",
        ),
        *(
            (
                [{"custom_id": bad, "params": {}}],
                "requests.0.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'",
            )
            for bad in ("a b", "a\n", "é", "a.b")
        ),
        (
            [{"custom_id": "a", "params": {}, "x": 1}],
            "requests.0.x: Extra inputs are not permitted",
        ),
        (
            [{"custom_id": "dup", "params": {}}] * 2,
            "requests: custom_id's must be unique within a batch. Duplicate custom_id found: dup",
        ),
    ],
)
def test_a_wrong_batch_is_refused_at_once(start: Any, requests: Any, text: str) -> None:
    _, claude = start()
    with pytest.raises(anthropic.BadRequestError) as refused:
        claude.messages.batches.create(requests=requests)
    assert (refused.value.type, refused.value.api_message) == ("invalid_request_error", text)
    assert claude.messages.batches.list().data == []


def test_other_fields_and_no_fields_are_refused(start: Any) -> None:
    _, claude = start()
    for body, text in (
        ({}, "requests: Field required"),
        ({"requests": [], "x": 1}, "x: Extra inputs are not permitted"),
    ):
        with pytest.raises(anthropic.BadRequestError, match=text):
            claude.post(paths.BATCHES, body=body, cast_to=httpx.Response)


def test_faults_hit_single_requests(start: Any, clock: Clock) -> None:
    script = """
[[rule]]
name = "overloaded"
task = "*bye*"
fault = "status"
status = 529

[[rule]]
name = "lost"
task = "*gone*"
fault = "reset"
"""
    simulator, claude = start(script)
    batch = claude.messages.batches.create(
        requests=[request("a"), request("b", "Say: bye"), request("c", "Say: gone")]
    )
    clock.now += 1
    results = outcomes(claude, batch.id)
    assert [each.type for each in results.values()] == ["succeeded", "errored", "errored"]
    assert results["b"].error.error.type == "overloaded_error"
    assert results["c"].error.error.type == "api_error"
    assert simulator.fired == {"overloaded": 1, "lost": 1}
    assert [each.fault for each in simulator.model_requests()] == [None, "overloaded", "lost"]
    assert [each.cost_usd > 0 for each in simulator.model_requests()] == [True, False, False]


def test_a_fault_by_header_hits_the_call_itself(start: Any) -> None:
    _, claude = start()
    with pytest.raises(anthropic.InternalServerError):
        claude.messages.batches.create(
            requests=[request("a")], extra_headers={"x-mock-fault": "529"}
        )
    assert claude.messages.batches.list().data == []


def test_a_spent_limit_refuses_a_batch_and_what_is_left_of_one(start: Any, clock: Clock) -> None:
    _, claude = start('[[account]]\nkey = "sk-ant-one"\nspend_limit_usd = "0.00002"\n')
    batch = claude.messages.batches.create(requests=[request(f"r{n}") for n in range(3)])
    clock.now += 1
    results = outcomes(claude, batch.id)
    assert [each.type for each in results.values()] == ["succeeded", "errored", "errored"]
    with pytest.raises(anthropic.RateLimitError) as refused:
        claude.messages.batches.create(requests=[request("a")])
    assert refused.value.error_code == "enforced_spend_limit_reached"


def test_rate_limits_do_not_count_for_batches(start: Any, clock: Clock) -> None:
    _, claude = start('[[limit]]\nmodel = "*"\nrequests_per_minute = 1\n')
    batch = claude.messages.batches.create(requests=[request(f"r{n}") for n in range(5)])
    clock.now += 1
    assert claude.messages.batches.retrieve(batch.id).request_counts.succeeded == 5
    claude.messages.create(**request("x")["params"])


def test_more_than_100_000_requests_are_refused(start: Any) -> None:
    _, claude = start()
    too_many = [{"custom_id": f"r{n}", "params": {}} for n in range(100_001)]
    with pytest.raises(anthropic.BadRequestError, match="at most 100000 items"):
        claude.messages.batches.create(requests=too_many)


def test_a_reset_forgets_batches(start: Any) -> None:
    simulator, claude = start()
    claude.messages.batches.create(requests=[request("a")])
    httpx.post(simulator.url + "/_mock/reset")
    assert claude.messages.batches.list().data == []


def test_batches_need_a_key_and_a_version(start: Any) -> None:
    simulator, _ = start()
    url = simulator.url + paths.BATCHES
    assert httpx.get(url).status_code == 401
    assert httpx.get(url, headers={"x-api-key": "k"}).status_code == 400
    assert httpx.put(url, headers={"x-api-key": "k"}).status_code == 405


def test_the_duration_is_set_over_http(start: Any, clock: Clock) -> None:
    simulator, claude = start()
    body = {"batch": {"duration_s": 100}}
    shown = httpx.put(simulator.url + "/_mock/batches", json=body).json()
    assert shown["batch"]["duration_s"] == 100
    batch = claude.messages.batches.create(requests=[request("a")])
    clock.now += 99
    assert claude.messages.batches.retrieve(batch.id).processing_status == "in_progress"
    clock.now += 1
    assert claude.messages.batches.retrieve(batch.id).processing_status == "ended"


def fine(_batch: Batch, line: Line) -> tuple[str, dict[str, object]]:
    """The outcome that a request's own params name."""
    outcome = json.loads(line.params)["outcome"]
    return outcome, {"type": outcome}


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_counts_agree_with_judging_every_request_by_itself(data: st.DataObject) -> None:
    total = data.draw(st.sampled_from([1, 2, 4, 16]))
    duration = data.draw(st.sampled_from([0, 64, 256]))
    expires = data.draw(st.sampled_from([16, 64, 128, 1024]))
    erring = data.draw(st.lists(st.booleans(), min_size=total, max_size=total))
    kinds = ["errored" if errs else "succeeded" for errs in erring]
    steps = data.draw(st.lists(st.sampled_from([0, 1, 8, 16, 64, 200]), min_size=1, max_size=8))
    cancel_after = data.draw(st.sampled_from([None, 0, 1, 2]))
    clock = Clock()
    moments = Moments(clock)

    async def run() -> None:
        batches = Batches(clock, fine)
        lines = [
            Line(f"r{n}", json.dumps({"outcome": kind}).encode()) for n, kind in enumerate(kinds)
        ]
        times = BatchTimes(duration, expires)
        batch = batches.create(account("k", None, "w", None), "v", lines, times)
        created, canceled = clock.now, None
        for number, step in enumerate(steps):
            clock.now += step
            shown = batches.get(batch.id, "w").to_json(moments, "u")
            last = min(created + duration, created + expires)
            ends = last if canceled is None else min(canceled + duration / 10, last)
            until = min(created + expires, canceled if canceled is not None else float("inf"))
            expected = {"processing": total, **dict.fromkeys(worker_outcomes, 0)}
            if clock.now >= ends:
                expected["processing"] = 0
                for place, kind in enumerate(kinds):
                    is_done = created + duration * (place + 1) / total <= until
                    rest = "canceled" if canceled is not None else "expired"
                    expected[kind if is_done else rest] += 1
            assert shown["request_counts"] == expected
            assert (shown["processing_status"] == "ended") == (clock.now >= ends)
            assert sum(expected.values()) == total
            if number == cancel_after and batch.ended_at is None:
                batches.cancel(batch)
                canceled = clock.now
        batches.close()

    asyncio.run(run())


worker_outcomes = ("succeeded", "errored", "canceled", "expired")


def waiting(count: int, size: int = 10) -> list[Line]:
    return [Line(f"r{n}", b"x" * size) for n in range(count)]


async def test_results_beyond_the_bound_are_archived_and_old_batches_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "MOST_RESULT_BYTES", 1_000)
    monkeypatch.setattr(worker, "MOST_BATCHES", 8)
    clock = Clock()
    batches = Batches(clock, lambda _batch, _line: ("succeeded", {"type": "succeeded"}))
    owner = account("k", None, "w", None)
    made = []
    for _ in range(12):
        made.append(batches.create(owner, "v", waiting(4), BatchTimes(1)).id)
        clock.now += 1
        batches.of("w")
    kept = batches.of("w")
    assert [each.id for each in kept] == made[::-1][:8]
    assert sum(len(line) for each in kept for line in each.results) <= 1_000
    assert kept[0].results
    assert kept[-1].archived_at is not None
    batches.close()


async def test_a_full_queue_takes_no_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MOST_WAITING_BYTES", 1_000)
    clock = Clock()
    batches = Batches(clock, lambda _batch, _line: ("succeeded", {"type": "succeeded"}))
    owner = account("k", None, "w", None)
    batches.create(owner, "v", waiting(30, 30), BatchTimes(1))
    with pytest.raises(ApiError) as refused:
        batches.create(owner, "v", waiting(20), BatchTimes(1))
    assert (refused.value.status, "retry-after" in refused.value.headers) == (429, True)
    clock.now += 1
    batches.of("w")
    batches.create(owner, "v", waiting(20), BatchTimes(1))
    batches.close()
