"""Where a key stands in a TOML text."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_claude.toml_places import line_of

SCRIPT = '''\
# a comment with [brackets] and = signs
title = "x" # [not a table]
[latency]
messages_s = 0.25

[[rule]]
name = "first"   # [[rule]] in a comment
note = """
[[rule]]
name = "not here"
"""
status = 529

  [[rule]]
name = 'second # no comment'
"status" = 503
headers = { "x-a" = "1", b.c = "2" }
list = [
  1, # one
  { deep = true },
]
[rule.more]
why = 1
[[rule.more.steps]]
go = 1
[[rule.more.steps]]
go = 2
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (["title"], 2),
        (["latency"], 3),
        (["latency", "messages_s"], 4),
        (["rule"], 6),
        (["rule", 0], 6),
        (["rule", 0, "name"], 7),
        (["rule", 0, "note"], 8),
        (["rule", 0, "status"], 12),
        (["rule", 1], 14),
        (["rule", 1, "name"], 15),
        (["rule", 1, "status"], 16),
        (["rule", 1, "headers", "x-a"], 17),
        (["rule", 1, "headers", "b"], 17),
        (["rule", 1, "headers", "b", "c"], 17),
        (["rule", 1, "list", 0], 19),
        (["rule", 1, "list", 1, "deep"], 20),
        (["rule", 1, "more", "why"], 23),
        (["rule", 1, "more", "steps", 0, "go"], 25),
        (["rule", 1, "more", "steps", 1, "go"], 27),
    ],
)
def test_a_path_leads_to_the_line_of_its_key(path: list[str | int], line: int) -> None:
    assert line_of(SCRIPT, path) == line


def test_a_missing_key_has_the_line_of_the_table_around_it() -> None:
    assert line_of(SCRIPT, ["rule", 1, "nowhere", "deep"]) == 14
    assert line_of(SCRIPT, ["nowhere"]) == 1


def test_an_implied_table_has_its_own_line_once_it_is_written() -> None:
    assert line_of("[a.b]\n[a]\n", ["a"]) == 2


KEYS = st.one_of(st.from_regex(r"[A-Za-z0-9_-]{1,5}", fullmatch=True), st.text(max_size=5))
VALUES = st.sampled_from(
    ["1", "'#'", '"]\\"["', "[1,\n 2]", "{a = [1]}", "'''\n[x]\n'''", '"""\n"" \\""""']
)


@given(st.lists(st.tuples(KEYS, VALUES, st.sampled_from(["", " # c", "\n\n# [x]"])), max_size=8))
def test_every_key_that_tomllib_finds_is_found_where_it_was_written(
    entries: list[tuple[str, str, str]],
) -> None:
    text, lines = "[[t]]\n", {}
    for key, value, after in entries:
        if key in lines:
            continue
        lines[key] = text.count("\n") + 1
        text += f"{_quoted(key)} = {value}{after}\n"
    assert list(tomllib.loads(text)["t"][0]) == list(lines)
    for key, line in lines.items():
        assert line_of(text, ["t", 0, key]) == line


def _quoted(key: str) -> str:
    body = "".join(c if c.isalnum() else f"\\U{ord(c):08x}" for c in key)
    return f'"{body}"'


@given(st.text(alphabet="[]{}=\"'#.,\n ab1\\", max_size=60))
def test_what_is_not_toml_still_gets_some_line(text: str) -> None:
    assert 1 <= line_of(text, ["a", 0, "b"]) <= text.count("\n") + 1
