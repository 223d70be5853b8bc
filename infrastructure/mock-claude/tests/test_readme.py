"""The README's own examples work."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mock_claude import FaultScript
from mock_claude.faults.rule_tables import FAULT_KEYS
from mock_claude.faults.script_tables import STORY_KEYS

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
SCRIPTS = re.findall(r"^```toml\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("text", SCRIPTS)
def test_every_script_shown_is_one(text: str) -> None:
    assert FaultScript.parse(text) != FaultScript()


def test_the_rule_of_a_stage_shown_is_one() -> None:
    (shown,) = re.findall(r"^```json\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    (rule,) = FaultScript.from_json(json.loads(shown)).rules
    assert (rule.stage, rule.caller) == ("rank", "python-httpx/*")


def test_all_of_them_together_are_one() -> None:
    whole = FaultScript.parse("\n".join(SCRIPTS))
    assert (len(whole.rules), len(whole.scripts)) == (2, 2)


@pytest.mark.parametrize(("names", "head"), [(FAULT_KEYS, "fault"), (STORY_KEYS, "story")])
def test_the_tables_name_every_kind_and_its_keys(
    names: dict[str, tuple[str, ...]], head: str
) -> None:
    table = README.partition(f"| {head} |")[2].partition("\n\n")[0]
    rows = {row.split("|")[1].strip(" `"): row for row in table.splitlines()[2:]}
    assert set(rows) == set(names)
    for name, keys in names.items():
        assert all(f"`{key}`" in rows[name] for key in keys)
