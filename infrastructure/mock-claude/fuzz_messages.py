"""Throws requests at the simulator that nobody wrote: schemas, patterns, histories, headers.

This prevents a request that stops the server, or that it answers with a 500 of its own, from
being found by a reader first. Hypothesis makes the requests; each must be answered with less than
500, in JSON or as a stream, within ``MOST_S`` seconds of CPU time. Exit code: 0 all were, 1 not.

    python infrastructure/mock-claude/fuzz_messages.py --minutes 10
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from mock_claude import Simulator, paths
from mock_claude.background import in_background

MOST_S = 2.0
MODELS = ("claude-haiku-5-5", "claude-haiku-4-5", "claude-opus-5", "claude-opus-5-5")
BETAS = "structured-outputs-2025-11-13,mcp-client-2025-11-20,context-management-2025-06-27"
UNITS = (
    *(
        "a",
        "a!",
        "what is ",
        "'s ",
        "the ",
        "(",
        "1+",
        "Paris and ",
        "save it, but ",
        "\n",
        "\u00e9",
    ),
    *("weather in ", '"', "if ", "- ", "probe ", "{", "\\", "write 9 words ", "\u00e9", ", "),
)
PIECES = (
    *"ab01 (){}[]^$|*+?.-,\\",
    *(r"\d", r"\w", r"\s", r"\b", r"\p{L}", r"\1", "(?:", "(?=", "(?!", "(?<n>", "(a+)+", "(.*)*"),
    *("{2,}", "{1000}", "[^a]", r"[\w-]", "(?i)", r"\u0041", "a|aa", "(a|a)*"),
)
TYPES = ("string", "integer", "number", "boolean", "array", "object", "null")

texts = st.one_of(
    st.text(min_size=1, max_size=20),
    st.builds(lambda unit, count: unit * count, st.sampled_from(UNITS), st.integers(1, 3_000)),
    st.lists(st.sampled_from(UNITS), min_size=1, max_size=30).map("".join),
)
patterns = st.lists(st.sampled_from(PIECES), max_size=10).map("".join)
numbers = st.one_of(
    st.integers(-5, 3_000),
    st.sampled_from((0, -1, 1e-300, 1e300, 10**30, 0.1, 1e15, 10**9)),
)
counts = st.integers(0, 5) | st.sampled_from((50, 1_000, 3_000, 10**9, 10**30))
steps = st.sampled_from((1, 2, 7, 0.1, 0.5, 1e-300, 1e300, 10**30))
junk = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=4,
)
pointers = st.sampled_from(("#", "#/$defs/d", "#/properties/x", "#/nowhere", "https://x", ""))


def keywords(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A schema with some keywords, mostly of the right kind."""
    known: dict[str, st.SearchStrategy[Any]] = {
        "type": st.sampled_from(TYPES)
        | st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True),
        "pattern": patterns,
        "format": st.sampled_from(("date", "uuid", "regex", "odd")),
        "enum": st.lists(junk, max_size=4) | st.integers(1, 2_000).map(lambda n: list(range(n))),
        "const": junk,
        "properties": st.dictionaries(st.sampled_from(("x", "y", "a" * 99)), inner, max_size=3),
        "required": st.lists(st.sampled_from(("x", "y", "z")), max_size=3, unique=True),
        "patternProperties": st.dictionaries(patterns, inner, max_size=2),
        "additionalProperties": inner | st.booleans(),
        "items": inner,
        "prefixItems": st.lists(inner, min_size=1, max_size=3),
        "uniqueItems": st.booleans(),
        "$ref": pointers,
        "$defs": st.fixed_dictionaries({"d": inner}),
        "not": inner,
        "default": junk,
    }
    for name in ("allOf", "anyOf", "oneOf"):
        known[name] = st.lists(inner, min_size=1, max_size=3)
    for name in ("Length", "Items", "Properties"):
        known |= {f"min{name}": counts, f"max{name}": counts}
    for name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        known[name] = numbers
    known["multipleOf"] = steps
    right = st.fixed_dictionaries({}, optional=known)
    return right | st.builds(
        lambda a, b, c: {**a, b: c}, right, st.sampled_from(sorted(known)), junk
    )


schemas = st.recursive(
    st.booleans() | keywords(st.just({"type": "string"})), keywords, max_leaves=6
)
AT_TOP = ("type", "allOf", "anyOf", "oneOf", "properties")
objects = st.builds(
    lambda schema, x: {
        "required": ["x"],
        **{key: value for key, value in schema.items() if key not in AT_TOP},
        "type": "object",
        "properties": {"x": x},
    },
    schemas.filter(lambda schema: isinstance(schema, dict)) | st.just({}),
    schemas,
)
names = st.sampled_from(("probe", "get_weather", "search_web", "(a+)+$", r"\p{L}", "write", ""))
tools = st.one_of(
    st.fixed_dictionaries(
        {"name": names, "input_schema": objects},
        optional={"strict": st.booleans(), "description": texts, "cache_control": junk},
    ),
    st.fixed_dictionaries(
        {"type": st.sampled_from(("web_search_20250305", "bash_20250124", "mcp_toolset"))},
        optional={"name": names},
    ),
    junk,
)
sources = st.fixed_dictionaries(
    {"type": st.just("base64"), "media_type": st.sampled_from(("image/png", "image/jpeg"))},
    optional={"data": st.sampled_from(("", "?", "iVBORw0KGgo=", "/9j/4AAQ")) | texts},
)
blocks = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, texts),
    st.builds(lambda source: {"type": "image", "source": source}, sources),
    st.builds(
        lambda name, value: {"type": "tool_use", "id": "toolu_1", "name": name, "input": value},
        names,
        junk,
    ),
    st.builds(
        lambda told: {"type": "tool_result", "tool_use_id": "toolu_1", "content": told},
        texts | junk,
    ),
    st.builds(
        lambda text, signed: {"type": "thinking", "thinking": text, "signature": signed},
        texts,
        st.text(max_size=9),
    ),
    junk,
)
messages = st.lists(
    st.builds(
        lambda role, content: {"role": role, "content": content},
        st.sampled_from(("user", "assistant", "user", "system")),
        texts | st.lists(blocks, max_size=3),
    ),
    max_size=4,
)
forms = st.builds(lambda schema: {"type": "json_schema", "schema": schema}, objects | schemas)
optional: dict[str, st.SearchStrategy[Any]] = {
    "system": texts | st.lists(blocks, max_size=2),
    "tools": st.lists(tools, max_size=3),
    "tool_choice": st.sampled_from(
        (
            {"type": "tool", "name": "probe"},
            {"type": "any"},
            {"type": "auto", "disable_parallel_tool_use": True},
            {"type": "none"},
        )
    )
    | junk,
    "output_config": st.builds(lambda form: {"format": form}, forms) | junk,
    "output_format": forms,
    "mcp_servers": junk,
    "context_management": junk,
    "thinking": st.sampled_from(
        (
            {"type": "adaptive"},
            {"type": "adaptive", "display": "updates"},
            {"type": "enabled", "budget_tokens": 1024},
            {"type": "disabled"},
        )
    ),
    "stop_sequences": st.lists(texts | patterns, max_size=3),
    "stream": st.booleans(),
    "metadata": junk,
    "cache_control": st.just({"type": "ephemeral"}) | junk,
    "speed": st.sampled_from(("fast", "standard", "odd")),
}
asked = st.builds(lambda first, text: [*first, {"role": "user", "content": text}], messages, texts)
bodies = st.fixed_dictionaries(
    {
        "model": st.sampled_from(MODELS),
        "max_tokens": st.integers(0, 3_000),
        "messages": asked | asked | asked | messages | junk,
    },
    optional=optional,
)
likely = st.builds(
    lambda text, tool, more: {
        "model": MODELS[0],
        "max_tokens": 2_000,
        "messages": [{"role": "user", "content": text}],
        "tools": [tool],
        **more,
    },
    texts,
    st.builds(lambda schema: {"name": "probe", "input_schema": schema}, objects),
    st.sampled_from(({}, {"tool_choice": {"type": "any"}}, {"stream": True})),
)
headers = st.fixed_dictionaries(
    {},
    optional={
        "anthropic-beta": st.sampled_from((*(BETAS,) * 6, BETAS + ",x", "a" * 300)),
        "traceparent": st.text("0123456789abcdef-", min_size=50, max_size=60),
        "x-request-id": st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=30),
    },
)
wheres = st.sampled_from(
    (*(paths.MESSAGES,) * 4, paths.COUNT_TOKENS, paths.LENIENT + paths.MESSAGES)
)


@dataclass
class Fuzz:
    """What was sent so far, and what was answered."""

    url: str
    client: httpx.Client
    statuses: Counter[int] = field(default_factory=Counter)
    slowest_s: float = 0.0

    def send(self, path: str, body: object, more: dict[str, str]) -> None:
        """One request; AssertionError, which shows it, if the answer is not as it must be."""
        usual = {"x-api-key": "k", "anthropic-version": "2026-10-21", **more}
        data = json.dumps(body, allow_nan=False).encode("utf-8", "surrogatepass")
        began = time.process_time()
        answer = self.client.post(self.url + path, content=data, headers=usual)
        took_s = time.process_time() - began
        self.statuses[answer.status_code] += 1
        self.slowest_s = max(self.slowest_s, took_s)
        assert answer.status_code < 500, f"{path}: {answer.text[:300]}"
        assert took_s < MOST_S, f"{path}: {took_s:.1f} s"
        if not answer.headers["content-type"].startswith("text/event-stream"):
            answer.json()


def run(fuzz: Fuzz, examples: int, number: int) -> None:
    """Send so many requests; ``number`` decides which."""

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(wheres, bodies | likely | likely, headers)
    def each(path: str, body: object, more: dict[str, str]) -> None:
        fuzz.send(path, body, more)

    once: Callable[[], None] = each
    once()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (%(default)s)")
    parser.add_argument("--seed", type=int, help="of the first round (any)")
    options = parser.parse_args(arguments)
    number = secrets.randbelow(2**31) if options.seed is None else options.seed
    until = time.monotonic() + options.minutes * 60
    with in_background(Simulator()) as simulator, httpx.Client(timeout=300) as client:
        fuzz = Fuzz(simulator.url, client)
        while time.monotonic() < until:
            try:
                run(fuzz, 200, number)
            except AssertionError as failure:
                sys.stdout.write(f"seed {number}: {failure}\n")
                return 1
            number += 1
    counts = ", ".join(
        f"{count} of status {status}" for status, count in sorted(fuzz.statuses.items())
    )
    total = sum(fuzz.statuses.values())
    sys.stdout.write(f"{total} requests: {counts}; the slowest took {fuzz.slowest_s:.2f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
