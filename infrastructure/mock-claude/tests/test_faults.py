"""Fault rules: which request they hit, and which mistakes a script is refused for."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_claude import FaultScript, FaultScriptError
from mock_claude.errors import ApiError
from mock_claude.faults.fault_headers import rule_from
from mock_claude.faults.faults import Request, Rule, choose, draw

NOW = Request("/v1/messages", "claude-opus-5", "key", 1, 0.0)


def at(
    elapsed_s: float = 0.0,
    path: str = NOW.path,
    model: str | None = NOW.model,
    attempt: int = 1,
    key: str = NOW.key,
) -> Request:
    return Request(path, model, key, attempt, elapsed_s)


def test_a_window_includes_its_start_and_excludes_its_end() -> None:
    rule = Rule("r", "hang", after_s=2, until_s=5)
    assert [rule.matches(at(s)) for s in (0, 1.99, 2, 4.99, 5)] == [False, False, True, True, False]


def test_path_and_model_are_globs() -> None:
    assert Rule("r", "hang", path="/v1/*").matches(at(path="/v1/search"))
    assert not Rule("r", "hang").matches(at(path="/v1/search"))
    haiku = Rule("r", "hang", path="*", model="claude-haiku-*")
    assert haiku.matches(at(model="claude-haiku-5-5"))
    assert not haiku.matches(at(model="claude-opus-5"))
    assert not Rule("r", "hang", path="*", model="*").matches(at(path="/w/api.php", model=None))


def test_a_task_is_a_glob_that_only_model_requests_can_match() -> None:
    weather = Rule("r", "hang", path="*", task="*WEATHER in ?slo*")
    asked = [replace(NOW, task=task) for task in ("The weather in Oslo?", "The weather?", None)]
    assert [weather.matches(each) for each in asked] == [True, False, False]
    assert Rule("r", "hang").matches(NOW)


def test_attempts_limit_a_rule_to_the_first_ones() -> None:
    rule = Rule("r", "hang", attempts=2)
    assert [rule.matches(at(attempt=n)) for n in (1, 2, 3)] == [True, True, False]


def test_the_first_rule_that_fires_decides_alone() -> None:
    never, slow, hang = Rule("n", "hang", probability=0), Rule("s", "delay"), Rule("h", "hang")
    assert choose([never, slow, hang], 7, NOW) is slow
    assert choose([never], 7, NOW) is None


def test_draws_depend_on_seed_rule_key_and_attempt_only() -> None:
    drawn = draw(7, "r", "key", 1)
    assert drawn == draw(7, "r", "key", 1)
    others = [draw(8, "r", "key", 1), draw(7, "s", "key", 1), draw(7, "r", "k", 1)]
    assert drawn not in [*others, draw(7, "r", "key", 2)]


def test_draws_are_uniform_over_keys() -> None:
    drawn = sorted(draw(7, "r", f"key {n}", 1) for n in range(4_000))
    assert 0 <= drawn[0] <= drawn[-1] < 1
    # Kolmogorov-Smirnov: beyond 1.95 / sqrt(n) with a chance of one in a thousand
    assert max(abs(each - n / 4_000) for n, each in enumerate(drawn)) < 1.95 / 4_000**0.5


@given(st.randoms(use_true_random=False), st.integers(0, 100))
def test_decisions_do_not_depend_on_the_order_of_arrival(order: random.Random, seed: int) -> None:
    rules = [Rule("a", "hang", probability=0.3), Rule("b", "reset", probability=0.5)]
    asked = [at(key=f"k{n}", attempt=a) for n in range(10) for a in (1, 2)]
    expected = {r: choose(rules, seed, r) for r in asked}
    order.shuffle(asked)
    assert {r: choose(rules, seed, r) for r in asked} == expected


FULL = """
[latency]
messages_s = 0.25
search_s = 1

[[rule]]
name = "overloaded"
model = "claude-*"
after_s = 2
until_s = 5.5
probability = 0.3
attempts = 2
fault = "status"
status = 529
retry_after_s = 1
error_type = "overloaded_error"
error_code = "compaction_unavailable"
headers = { "X-Should-Retry" = "false" }

[[rule]]
name = "slow"
path = "/w/*"
fault = "delay"
delay_s = 2.0

[[rule]]
name = "dripping"
fault = "trickle"
chunk_bytes = 3
interval_s = 0
"""


def test_a_script_says_what_it_means() -> None:
    script = FaultScript.parse(FULL)
    assert (script.latency.messages_s, script.latency.search_s) == (0.25, 1.0)
    overloaded, slow, dripping = script.rules
    assert overloaded == Rule(
        name="overloaded",
        fault="status",
        model="claude-*",
        after_s=2.0,
        until_s=5.5,
        probability=0.3,
        attempts=2,
        status=529,
        retry_after_s=1.0,
        error_type="overloaded_error",
        error_code="compaction_unavailable",
        headers={"x-should-retry": "false"},
    )
    assert (slow.path, slow.delay_s) == ("/w/*", 2.0)
    assert (dripping.chunk_bytes, dripping.interval_s) == (3, 0.0)


def test_the_calm_run_keeps_the_latency() -> None:
    script = FaultScript.parse(FULL)
    assert script.without_rules() == FaultScript(latency=script.latency)


def test_an_empty_script_does_nothing() -> None:
    assert FaultScript.parse("") == FaultScript()


RULE = '[[rule]]\nname = "r"\nfault = "status"\nstatus = 529\n'
DELAY = '[[rule]]\nname = "r"\nfault = "delay"\ndelay_s = 1\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = \n", "s.toml:1: Invalid value"),
        ("[latency]\nx = 1 y", "s.toml:2: Expected newline or end of document after a statement"),
        ("rule = [", "s.toml:1: Invalid value"),
        ("[[rules]]", "s.toml:1: rules: unknown key; allowed: latency, rule"),
        ("[latency]\nmodel_s = 1", "s.toml:2: latency.model_s: unknown key; allowed: messages_s,"),
        ("[latency]\nsearch_s = -1", "s.toml:2: latency.search_s: -1 is not between 0 and"),
        ("[latency]\nsearch_s = nan", "s.toml:2: latency.search_s: nan is not between 0 and"),
        ("latency = 3", "s.toml:1: latency: a table is needed, not a number"),
        ("[rule]\nname = 'r'", "s.toml:1: rule: write each rule as a table under [[rule]]"),
        (RULE + "chance = 1", "s.toml:5: rule.chance: unknown key; allowed: name, path, model,"),
        (RULE + "chunk_bytes = 1", "s.toml:5: rule.chunk_bytes: not a key of a status rule"),
        (DELAY + "status = 500", "s.toml:5: rule.status: not a key of a delay rule"),
        (RULE + "probability = 1.5", "s.toml:5: rule.probability: 1.5 is not between 0 and 1"),
        (RULE + "probability = true", "s.toml:5: rule.probability: a number is needed, not a b"),
        (RULE + "attempts = 0", "s.toml:5: rule.attempts: 0 is not between 1 and"),
        (RULE + "attempts = 1.5", "s.toml:5: rule.attempts: a whole number is needed"),
        (RULE + "until_s = 0", "s.toml:5: rule.until_s: 0 is not later than after_s (0)"),
        (RULE + "after_s = 3\nuntil_s = 2", "s.toml:6: rule.until_s: 2 is not later than after_s"),
        (RULE + "path = 'v1'", "s.toml:5: rule.path: 'v1' matches no path"),
        (RULE + "retry_after_s = -1", "s.toml:5: rule.retry_after_s: -1 is not between 0"),
        (RULE + "retry_after_s = 1" + "0" * 400, "s.toml:5: rule.retry_after_s: 1000"),
        (RULE + "model = 5", "s.toml:5: rule.model: a string is needed, not a number"),
        (RULE + "error_code = 'a b'", "s.toml:5: rule.error_code: 'a b' is not made of letters"),
        (RULE + "headers = 5", "s.toml:5: rule.headers: a table is needed"),
        (RULE + "[rule.headers]\n'b c' = '2'", "s.toml:6: rule.headers.b c: not a header name"),
        (RULE + "headers = { a = 'x\ty' }", "s.toml:5: rule.headers.a: a header's value is"),
        (RULE + "headers = { Content-Length = '1' }", "s.toml:5: rule.headers.Content-Length: the"),
        (RULE.replace("529", "200"), "s.toml:4: rule.status: 200 is not between 400 and 599"),
        (RULE.replace("status = 529\n", ""), "s.toml:1: rule.status: is missing"),
        (RULE.replace('"r"', '""'), "s.toml:2: rule.name: '' cannot be a rule's name"),
        (RULE.replace('"r"', '"header"'), "s.toml:2: rule.name: 'header' cannot be a rule's name"),
        (RULE.replace('name = "r"\n', ""), "s.toml:1: rule.name: is missing"),
        (RULE.replace('"status"', '"statos"'), "s.toml:3: rule.fault: 'statos' is none of status,"),
        (RULE.replace('fault = "status"\n', ""), "s.toml:1: rule.fault: is missing"),
        (RULE.replace("fault", "falt"), "s.toml:3: rule.falt: unknown key; allowed: name,"),
        (RULE + "\n" + RULE, "s.toml:7: rule.name: 'r' is taken"),
        ("rule = [1]", "s.toml:1: rule: a table is needed, not a number"),
    ],
)
def test_a_wrong_script_is_refused_with_file_line_key_and_reason(text: str, message: str) -> None:
    with pytest.raises(FaultScriptError) as failure:
        FaultScript.parse(text, source="s.toml")
    assert str(failure.value).startswith(message)
    assert isinstance(failure.value, ValueError)


def test_a_script_is_loaded_from_a_file_whose_errors_name_it(tmp_path: Path) -> None:
    file = tmp_path / "storm.toml"
    file.write_text(RULE, encoding="utf-8-sig")  # as editors on Windows save it
    assert FaultScript.load(file).rules[0].name == "r"
    file.write_text("rules = 1", encoding="utf-8")
    with pytest.raises(FaultScriptError, match=r"storm\.toml:1: rules: unknown key"):
        FaultScript.load(file)


def test_a_script_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    with pytest.raises(FaultScriptError, match=r"none\.toml:1: cannot be read: No such file"):
        FaultScript.load(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"\xff")
    with pytest.raises(FaultScriptError, match=r"latin\.toml:1: cannot be read: not UTF-8"):
        FaultScript.load(tmp_path / "latin.toml")


@given(st.text(alphabet='[]rule latency.\n="{}#', max_size=50))
def test_any_text_is_a_script_or_a_script_error(text: str) -> None:
    try:
        assert isinstance(FaultScript.parse(text), FaultScript)
    except FaultScriptError as failure:
        assert str(failure).startswith("<script>:")  # noqa: PT017


def test_headers_ask_for_the_same_faults() -> None:
    assert rule_from({"accept": "*/*"}) is None
    status = rule_from({"x-mock-fault": "529", "x-mock-retry-after": "2", "x-mock-attempts": "3"})
    assert status is not None
    assert (status.fault, status.status, status.retry_after_s, status.attempts) == (
        "status",
        529,
        2.0,
        3,
    )
    delay = rule_from({"x-mock-fault": "delay", "x-mock-delay": "1.5"})
    assert delay is not None
    assert (delay.fault, delay.delay_s, delay.attempts) == ("delay", 1.5, None)
    for kind in ("hang", "reset", "trickle"):
        rule = rule_from({"x-mock-fault": kind})
        assert rule is not None
        assert rule.fault == kind


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"x-mock-fault": "200"}, "x-mock-fault: '200' is not allowed; allowed: a status from 400"),
        ({"x-mock-fault": "hangs"}, "x-mock-fault: 'hangs' is not allowed; allowed: a status"),
        ({"x-mock-delay": "1"}, "x-mock-fault: '' is not allowed"),
        ({"x-mock-falt": "529"}, "x-mock-falt: unknown header; allowed: x-mock-fault,"),
        (
            {"x-mock-fault": "529", "x-mock-retry-after": "-2"},
            "x-mock-retry-after: '-2' is not allowed; allowed: seconds as a number, 0 or more",
        ),
        ({"x-mock-fault": "hang", "x-mock-retry-after": "2"}, "x-mock-retry-after: allowed only"),
        ({"x-mock-fault": "529", "x-mock-delay": "2"}, "x-mock-delay: allowed only with"),
        ({"x-mock-fault": "delay", "x-mock-delay": "inf"}, "x-mock-delay: 'inf' is not allowed"),
        ({"x-mock-fault": "hang", "x-mock-attempts": "0"}, "x-mock-attempts: '0' is not allowed"),
    ],
)
def test_a_wrong_header_is_refused_with_what_is_allowed(
    headers: dict[str, str], message: str
) -> None:
    with pytest.raises(ApiError) as failure:
        rule_from(headers)
    assert failure.value.status == 400
    assert failure.value.message.startswith(message)
