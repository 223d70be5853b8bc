"""Accounts and rate limits, as the real SDK and a plain client meet them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import anthropic
import httpx
import pytest
from anthropic import Anthropic
from clocks import Clock

from mock_claude import FaultScript, FaultScriptError, Simulator
from mock_claude.background import in_background
from mock_claude.pytest_plugin import StartSimulator

OPUS, HAIKU, OLDER = "claude-opus-5-5", "claude-haiku-4-5", "claude-opus-4-8"
PREFIX = "anthropic-ratelimit-"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def start(clock: Clock) -> Iterator[Any]:
    from contextlib import ExitStack

    with ExitStack() as running:

        def begin(script: str = "") -> Simulator:
            simulator = Simulator(faults=FaultScript.parse(script), clock=clock)
            return running.enter_context(in_background(simulator))

        yield begin


OPENED: list[Anthropic] = []


@pytest.fixture(autouse=True)
def close_clients() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def client(simulator: Simulator, key: str = "sk-ant-one") -> Anthropic:
    claude = Anthropic(
        base_url=simulator.url, api_key=key, max_retries=0, _strict_response_validation=True
    )
    OPENED.append(claude)
    return claude


def ask(claude: Anthropic, words: str = "Say: hello", **changes: Any) -> Any:
    request: dict[str, Any] = {
        "model": OPUS,
        "max_tokens": 100,
        "messages": [{"role": "user", "content": words}],
        **changes,
    }
    return claude.messages.with_raw_response.create(**request)


def told(headers: Any, unit: str) -> tuple[int, int]:
    """Limit and remainder."""
    return int(headers[f"{PREFIX}{unit}-limit"]), int(headers[f"{PREFIX}{unit}-remaining"])


LIMIT = """
[[limit]]
model = "claude-opus-*"
requests_per_minute = {requests}
input_tokens_per_minute = {input}
output_tokens_per_minute = {output}
"""


def limit(requests: int = 50, input: int = 80_000, output: int = 16_000) -> str:
    return LIMIT.format(requests=requests, input=input, output=output)


def test_without_limits_the_headers_are_there_and_nothing_is_refused(start: Any) -> None:
    claude = client(start())
    headers = [ask(claude).headers for _ in range(3)][-1]
    assert told(headers, "requests") == (4_000, 3_997)
    for unit in ("requests", "tokens", "input-tokens", "output-tokens"):
        reset = headers[f"{PREFIX}{unit}-reset"]
        assert datetime.fromisoformat(reset).tzinfo == UTC
        assert reset.endswith("Z")


def test_tokens_are_input_and_output_together_and_in_thousands(start: Any) -> None:
    headers = ask(client(start(limit()))).headers
    assert told(headers, "requests") == (50, 49)
    assert told(headers, "tokens") == (96_000, 96_000)  # 79,994 and 15,900, each rounded
    assert told(headers, "input-tokens") == (80_000, 80_000)
    assert told(headers, "output-tokens") == (16_000, 16_000)
    some = ask(client(start(limit())), max_tokens=5_000).headers
    assert told(some, "output-tokens") == (16_000, 11_000)
    assert told(some, "tokens") == (96_000, 91_000)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"stream": True}, 200),
        ({"model": "claude-nobody"}, 404),
        ({"messages": []}, 400),
        ({"extra_headers": {"x-mock-fault": "529"}}, 529),
        ({"extra_headers": {"x-mock-fault": "429"}}, 429),
        ({"extra_headers": {"authorization": "Bearer sk-ant-invalid"}}, 401),
    ],
)
def test_every_answer_says_what_is_left(start: Any, change: dict[str, Any], status: int) -> None:
    body = {
        "model": OPUS,
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
        **{key: value for key, value in change.items() if key != "extra_headers"},
    }
    own = {"x-api-key": "k", "anthropic-version": "2026-10-21", **change.get("extra_headers", {})}
    answer = httpx.post(start(limit()).url + "/v1/messages", json=body, headers=own)
    assert answer.status_code == status
    assert sum(name.startswith(PREFIX) for name in answer.headers) == 12


@pytest.mark.parametrize("change", [{}, {"messages": []}, {"model": "claude-nobody"}])
def test_counting_tokens_says_what_is_left_and_uses_up_none(
    start: Any, change: dict[str, Any]
) -> None:
    body = {"model": OPUS, "messages": [{"role": "user", "content": "hi"}], **change}
    with httpx.Client(base_url=start(limit(requests=1)).url) as plain:
        own = {"x-api-key": "k", "anthropic-version": "2026-10-21"}
        for _ in range(3):
            answer = plain.post("/v1/messages/count_tokens", json=body, headers=own)
            names = [name for name in answer.headers if name.startswith(PREFIX)]
            assert len(names) == 12
            limited, left = told(answer.headers, "requests")
            assert limited == left


def test_the_request_beyond_the_limit_is_told_when_to_come_again(start: Any, clock: Clock) -> None:
    claude = client(start(limit(requests=2)))
    ask(claude)
    ask(claude)
    with pytest.raises(anthropic.RateLimitError) as refused:
        ask(claude)
    error = refused.value
    assert (error.type, error.error_code) == ("rate_limit_error", None)
    assert "2 requests per minute" in str(error.api_message)
    assert error.response.headers["retry-after"] == "30"
    clock.now += 29.9
    with pytest.raises(anthropic.RateLimitError):
        ask(claude)
    clock.now += 0.1
    ask(claude)


def test_resets_say_when_the_bucket_is_full(start: Any, clock: Clock) -> None:
    claude = client(start(limit(requests=6)))
    clock.now += 60
    first = ask(claude).headers
    second = ask(claude).headers
    moments = [datetime.fromisoformat(each[f"{PREFIX}requests-reset"]) for each in (first, second)]
    assert moments[1] - moments[0] == timedelta(seconds=10)
    assert abs((moments[0] - datetime.now(UTC)).total_seconds() - 70) < 15


def test_output_is_reserved_at_the_start_and_put_right_at_the_end(start: Any) -> None:
    claude = client(start(limit(output=1_000)))
    for _ in range(5):  # each reserves nearly all and uses two tokens
        ask(claude, max_tokens=990)
    with pytest.raises(anthropic.RateLimitError, match="1,000 output tokens per minute"):
        ask(claude, max_tokens=999)


def test_a_request_in_flight_holds_what_it_may_use(start: Any) -> None:
    claude = client(start(limit(output=1_000)))
    stall = {"x-mock-fault": "stream-stall"}
    with claude.messages.with_streaming_response.create(
        model=OPUS, max_tokens=600, stream=True, extra_headers=stall,
        messages=[{"role": "user", "content": "Say: hello"}],
    ) as open_stream:  # fmt: skip
        lines = open_stream.iter_lines()  # kept: the stream is closed with its iterator
        next(lines)
        with pytest.raises(anthropic.RateLimitError, match="output tokens"):
            ask(claude, max_tokens=500)


def test_more_max_tokens_than_the_bucket_holds_is_a_429(start: Any, clock: Clock) -> None:
    claude = client(start(limit(output=500)))
    for _ in range(2):
        with pytest.raises(anthropic.RateLimitError, match="500 output tokens") as refused:
            ask(claude, max_tokens=501)
        assert int(refused.value.response.headers["retry-after"]) >= 1
        clock.now += 600
    ask(claude, max_tokens=500)


def test_what_is_read_from_the_cache_is_free(start: Any) -> None:
    claude = client(start(limit(input=1_500)))
    text = "context " * 500  # 1,000 tokens
    system = [{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]
    for _ in range(10):
        ask(claude, system=system)
    with pytest.raises(anthropic.RateLimitError, match="1,500 input tokens per minute"):
        ask(claude, system=text)


def test_a_refused_request_takes_nothing_and_keeps_nothing_in_the_cache(
    start: Any, clock: Clock
) -> None:
    claude = client(start(limit(requests=3)))
    system = [{"type": "text", "text": "context " * 500, "cache_control": {"type": "ephemeral"}}]
    ask(claude, system=system)
    for _ in range(2):
        ask(claude)
    clock.now += 10
    with pytest.raises(anthropic.RateLimitError) as refused:
        ask(claude, system=system)
    assert told(refused.value.response.headers, "output-tokens")[1] == 16_000
    clock.now += 295  # five minutes after the first, not after the refused one
    assert ask(claude, system=system).parse().usage.cache_read_input_tokens == 0


def test_families_have_buckets_of_their_own_and_models_of_one_share(start: Any) -> None:
    claude = client(start('[[limit]]\nmodel = "*"\nrequests_per_minute = 1'))
    ask(claude)
    ask(claude, model=HAIKU)
    with pytest.raises(anthropic.RateLimitError):
        ask(claude, model=OLDER)


ACCOUNTS = """
[[account]]
key = "sk-ant-one"
workspace = "wrkspc_team"
[[account]]
key = "sk-ant-two"
workspace = "wrkspc_team"
[[account]]
key = "sk-ant-three"
"""


def test_keys_of_one_workspace_share_its_limits_and_its_cache(start: Any) -> None:
    simulator = start(ACCOUNTS + limit(requests=3))
    one, two, three, other = (
        client(simulator, f"sk-ant-{name}") for name in ("one", "two", "three", "four")
    )
    system = [{"type": "text", "text": "context " * 500, "cache_control": {"type": "ephemeral"}}]
    first = ask(one, system=system)
    assert first.headers["anthropic-workspace-id"] == "wrkspc_team"
    assert ask(two, system=system).parse().usage.cache_read_input_tokens > 0
    assert ask(three, system=system).parse().usage.cache_read_input_tokens == 0
    ask(one)
    for refused in (one, two):
        with pytest.raises(anthropic.RateLimitError):
            ask(refused)
    ask(three)
    ask(other)


def test_the_log_names_the_account_and_never_the_key(start: Any) -> None:
    script = '[[account]]\nkey = "sk-ant-secret"\nname = "billing"\nworkspace = "wrkspc_b"\n'
    simulator = start(script)
    ask(client(simulator, "sk-ant-secret"))
    ask(client(simulator, "sk-ant-other-secret"))
    log = httpx.get(simulator.url + "/_mock/log").json()["exchanges"]
    assert (log[0]["account"], log[0]["workspace"]) == ("billing", "wrkspc_b")
    assert len({each["account"] for each in log} | {""}) == 3
    assert "secret" not in json.dumps(log)
    assert "secret" not in httpx.get(simulator.url + "/metrics").text


@pytest.mark.parametrize("amount", ["0.0001", '"0.0001"'])
def test_a_spent_limit_is_a_429_without_a_wait(start: Any, amount: str) -> None:
    script = f'[[account]]\nkey = "sk-ant-one"\nspend_limit_usd = {amount}\n'
    simulator = start(script)
    claude = client(simulator)
    for _ in range(20):
        with contextlib.suppress(anthropic.RateLimitError):
            ask(claude)
    with pytest.raises(anthropic.RateLimitError) as refused:
        ask(claude)
    error = refused.value
    assert error.error_code == "enforced_spend_limit_reached"
    assert "retry-after" not in error.response.headers
    billed = [each.cost_usd for each in simulator.log if each.status == 200]
    assert sum(billed) >= Decimal("0.0001") > sum(billed[:-1])
    ask(client(simulator, "sk-ant-two"))


@pytest.mark.parametrize(
    ("code", "waits"),
    [
        (None, True),
        ("ramp_limit_exceeded", True),
        ("enforced_spend_limit_reached", False),
        ("contract_spend_limit_reached", False),
    ],
)
def test_a_429_asked_for_by_header_has_its_code_and_a_wait_unless_money_is_spent(
    start: Any, code: str | None, waits: bool
) -> None:
    headers = {"x-mock-fault": "429"} | ({} if code is None else {"x-mock-error-code": code})
    with pytest.raises(anthropic.RateLimitError) as refused:
        ask(client(start()), extra_headers=headers)
    assert refused.value.error_code == code
    assert ("retry-after" in refused.value.response.headers) is waits


def test_a_429_of_a_rule_has_a_wait_too(start_simulator: StartSimulator) -> None:
    simulator = start_simulator(faults='[[rule]]\nname = "r"\nfault = "status"\nstatus = 429')
    with pytest.raises(anthropic.RateLimitError) as refused:
        ask(client(simulator))
    assert refused.value.response.headers["retry-after"] == "1"


def test_an_error_code_needs_a_status_and_letters(start: Any) -> None:
    claude = client(start())
    for headers in (
        {"x-mock-fault": "hang", "x-mock-error-code": "x"},
        {"x-mock-fault": "429", "x-mock-error-code": "a b"},
    ):
        with pytest.raises(anthropic.BadRequestError, match="x-mock-error-code"):
            ask(claude, extra_headers=headers)


def test_a_sharp_ramp_is_refused_where_a_row_asks_for_it(start: Any, clock: Clock) -> None:
    claude = client(start('[[limit]]\nmodel = "*"\nramp = 2\n'))
    clock.now = 2_000.0
    for _ in range(10):
        ask(claude)
    with pytest.raises(anthropic.RateLimitError) as refused:
        ask(claude)
    assert refused.value.error_code == "ramp_limit_exceeded"
    assert refused.value.response.headers["retry-after"] == "10"
    clock.now += 10
    for _ in range(20):
        ask(claude)
    with pytest.raises(anthropic.RateLimitError):
        ask(claude)


def put(simulator: Simulator, body: object) -> httpx.Response:
    return httpx.put(simulator.url + "/_mock/limits", json=body)


def test_limits_are_set_and_shown_over_http(start: Any) -> None:
    simulator = start()
    tables: dict[str, Any] = {
        "limit": [{"model": "claude-*", "requests_per_minute": 1}],
        "account": [{"key": "k", "workspace": "w", "spend_limit_usd": "2.50"}],
    }
    shown = put(simulator, tables).json()
    assert shown == tables
    assert put(simulator, shown).json() == shown
    claude = client(simulator)
    ask(claude)
    with pytest.raises(anthropic.RateLimitError):
        ask(claude)
    assert put(simulator, {}).json() == {"limit": [], "account": []}
    ask(claude)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"limit": [{}]}, "body: limit.0.model: is missing"),
        ({"limit": [{"model": ""}]}, "body: limit.0.model: '' matches no model"),
        (
            {"limit": [{"model": "*", "requests_per_minute": 0}]},
            "body: limit.0.requests_per_minute: 0 is not between 1 and 1000000000",
        ),
        (
            {"limit": [{"model": "*", "input_tokens_per_minute": "9"}]},
            "body: limit.0.input_tokens_per_minute: a whole number is needed, not a string",
        ),
        ({"limit": [{"model": "*", "rpm": 1}]}, "body: limit.0.rpm: unknown key; allowed: model"),
        ({"limit": {}}, "body: limit: write each limit as a table under [[limit]]"),
        ({"account": [{"workspace": "w"}]}, "body: account.0.key: is missing"),
        ({"account": [{"key": "a b"}]}, "body: account.0.key: a key is printable ASCII"),
        (
            {"account": [{"key": "a"}, {"key": "a"}]},
            "body: account.1.key: another account has this key",
        ),
        (
            {"account": [{"key": "sk-ant-abc", "workspace": "w-sk-ant-abc"}]},
            "body: account.0.workspace: it holds the key",
        ),
        (
            {"account": [{"key": "a", "spend_limit_usd": "much"}]},
            "body: account.0.spend_limit_usd: 'much' is not a decimal number",
        ),
        (
            {"account": [{"key": "a", "spend_limit_usd": -1}]},
            "body: account.0.spend_limit_usd: the amount is not between 0 and",
        ),
        ({"account": [{"key": "a", "spend_limit_usd": True}]}, "not a boolean"),
        ({"batch": {"duration_s": -1}}, "body: batch.duration_s: -1 is not between 0 and"),
    ],
)
def test_a_wrong_call_names_the_key_and_the_reason_and_changes_nothing(
    start: Any, body: object, reason: str
) -> None:
    simulator = start(ACCOUNTS + limit())
    before = httpx.get(simulator.url + "/_mock/limits").json()
    answer = put(simulator, body)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].startswith(reason.partition("not a boolean")[0])
    assert reason.removeprefix("body: ") in answer.json()["error"]["message"]
    assert httpx.get(simulator.url + "/_mock/limits").json() == before


@pytest.mark.parametrize(
    "row",
    [
        {"key": "a", "workspace": "team-a", "name": "a"},
        {"key": "team-a", "workspace": "team-a"},
        {"key": "alice", "name": "alice, first"},
    ],
)
def test_a_key_that_is_a_mere_word_may_stand_in_a_name(start: Any, row: dict[str, str]) -> None:
    simulator = start()
    assert put(simulator, {"account": [row]}).status_code == 200
    answer = ask(client(simulator, row["key"]))
    if "workspace" in row:
        assert answer.headers["anthropic-workspace-id"] == row["workspace"]
    if "name" in row:
        assert simulator.log[-1].account == row["name"]


@pytest.mark.parametrize("key", ["sk-ant-abc", "0123456789abcdef0123"])
@pytest.mark.parametrize("place", ["name", "workspace"])
def test_a_key_that_may_be_a_real_one_may_not(start: Any, key: str, place: str) -> None:
    answer = put(start(), {"account": [{"key": key, place: f"of {key}"}]})
    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    assert message.startswith(f"body: account.0.{place}: it holds the key")
    assert key not in message


def test_a_wrong_table_in_a_file_names_its_line() -> None:
    text = '[[limit]]\nmodel = "*"\n\n[[account]]\nkey = "k"\nspend_limit_usd = "1,5"\n'
    with pytest.raises(FaultScriptError, match=r"s\.toml:6: account\.spend_limit_usd: '1,5' is"):
        FaultScript.parse(text, "s.toml")


def test_a_reset_forgets_what_was_used_and_spent(start: Any) -> None:
    script = '[[account]]\nkey = "sk-ant-one"\nspend_limit_usd = "0.00001"\n' + limit(requests=1)
    simulator = start(script)
    claude = client(simulator)
    ask(claude)
    with pytest.raises(anthropic.RateLimitError):
        ask(claude)
    httpx.post(simulator.url + "/_mock/reset")
    ask(claude)


def test_an_account_s_use_is_the_same_in_usage_log_and_metrics(start: Any) -> None:
    simulator = start(ACCOUNTS)
    sums: dict[str, dict[str, int]] = {}
    kinds = {
        "input": "input_tokens",
        "output": "output_tokens",
        "cache_creation": "cache_creation_input_tokens",
        "cache_read": "cache_read_input_tokens",
    }
    for name in ("one", "two", "four"):
        claude = client(simulator, f"sk-ant-{name}")
        own = sums.setdefault(name, dict.fromkeys(kinds, 0))
        for ttl in ("1h", "5m", "1h"):
            mark = {"type": "ephemeral", "ttl": ttl}
            text = f"{name} {ttl} " + "context " * 500
            system = [{"type": "text", "text": text, "cache_control": mark}]
            for changes in ({}, {"model": HAIKU}, {"speed": "fast"}):
                usage = ask(claude, f"Say: {name}", system=system, **changes).parse().usage
                for kind, field in kinds.items():
                    own[kind] += getattr(usage, field)
    logged: dict[str, Any] = {}
    for each in simulator.log:
        held = logged.setdefault(each.account, [Decimal(0), dict.fromkeys(kinds, 0)])
        held[0] += each.cost_usd
        for kind, field in kinds.items():
            held[1][kind] += getattr(each, field)
    assert [held[1] for held in logged.values()] == list(sums.values())
    measured: dict[str, Any] = {
        account: [Decimal(0), dict.fromkeys(kinds, 0)] for account in logged
    }
    for line in httpx.get(simulator.url + "/metrics").text.splitlines():
        if line.startswith("mock_claude_account_"):
            name, _, value = line.rpartition(" ")
            labels = dict(each.split("=") for each in name.partition("{")[2].rstrip("}").split(","))
            held = measured[labels["account"].strip('"')]
            if "cost" in name:
                held[0] += Decimal(value)
            else:
                held[1][labels["kind"].strip('"')] += int(value)
    assert measured == logged
