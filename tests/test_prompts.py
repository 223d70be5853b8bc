"""What a curious reader types: right, or said what is missing, and nothing saved unasked.

``prompts.toml`` holds the prompts by the kind of answer they must get, each with a text:

- ``computes``: the text is the number; ``looks up``: the text is what is searched;
- ``weather``: the places whose weather is told, plainly; ``weather now only``: the same, with the
  word that the weather now is all that is known; ``no such place``: the place that is not found;
- ``cannot``: no tool is called for the last task, and the answer says what is not done;
- ``in part``: the text is in the answer, which also says what is not done;
- ``saves``: the note; ``says``: the answer.
"""

import re
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from mock_claude.model.planner import reply_to
from mock_claude.world import World

PROMPTS = tomllib.loads(Path(__file__).with_name("prompts.toml").read_text(encoding="utf-8"))
CASES = [(kind, text, wanted) for kind, rows in PROMPTS.items() for text, wanted in rows.items()]
WORLD = World(7)
ARGUMENTS = {
    "search_web": "query",
    "get_weather": "city",
    "calculate": "expression",
    "save_note": "text",
    "read_notes": None,
}
TOOLS = [
    {
        "name": name,
        "input_schema": {
            "type": "object",
            "properties": {key: {"type": "string"}} if key else {},
        },
    }
    for name, key in ARGUMENTS.items()
]
NOT_DONE = re.compile(
    r"^(?:I (?:cannot|could not|did not|only read out|(?:saved|looked|calculated) nothing)|"
    r"Name a city|Hello! I can )",
    re.MULTILINE,
)
NOW_ONLY = "I only know the temperature"


class Session:
    """A session of the smallest agent there is; ``called`` and ``notes`` are the last task's."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.called: list[tuple[str, str]] = []
        self.notes: list[str] = []

    def ask(self, task: str) -> str:
        self.messages.append({"role": "user", "content": task})
        self.called, self.notes = [], []
        for turn in range(8):
            reply = reply_to({"tools": TOOLS, "messages": self.messages})
            if not reply.calls:
                self.messages.append({"role": "assistant", "content": reply.text})
                return reply.text
            used, results = [], []
            for place, call in enumerate(reply.calls):
                one = f"toolu_{len(self.messages)}_{turn}_{place}"
                value = str(next(iter(call.input.values()), ""))
                used.append({"type": "tool_use", "id": one, "name": call.name, "input": call.input})
                text, failed = self.use(call.name, value)
                result = {"type": "tool_result", "tool_use_id": one, "content": text}
                results.append(result | {"is_error": failed})
            self.messages.append({"role": "assistant", "content": used})
            self.messages.append({"role": "user", "content": results})
        raise AssertionError(f"no end after 8 turns: {task}")

    def use(self, name: str, value: str) -> tuple[str, bool]:
        """The tool's text, and whether it is an error."""
        self.called.append((name, value))
        if name == "calculate":
            return f"{eval(value, {'__builtins__': {}}):.12g}", False  # digits and signs only
        if name == "search_web":
            return "\n".join(f"{page.title}: {page.extract}" for page in WORLD.search(value)), False
        if name == "get_weather":
            place = WORLD.locate(value)
            if place is None:
                return f"no place is called {value!r}", True
            return f"{place.name}: {WORLD.weather_fact(value)} °C, wind 9.9 km/h", False
        if name == "save_note":
            self.notes.append(value)
            return "saved", False
        return "- an old note", False


@pytest.mark.parametrize(("kind", "text", "wanted"), CASES)
def test_a_readers_prompt_gets_the_kind_of_answer_it_must(
    kind: str, text: str, wanted: str
) -> None:
    session = Session()
    answer = [session.ask(task.strip()) for task in text.split("||")][-1]
    tools = [name for name, _ in session.called]
    values = [value for _, value in session.called]
    assert session.notes == ([wanted] if kind == "saves" else []), answer
    match kind:
        case "computes":
            assert re.search(rf"= {re.escape(wanted)}", answer), answer
            assert set(tools) == {"calculate"}
            assert not NOT_DONE.search(answer), answer
        case "looks up":
            assert session.called == [("search_web", wanted)]
            assert WORLD.search(wanted)[0].extract in answer
        case "weather" | "weather now only":
            assert values == wanted.split(", ")
            assert all(WORLD.weather_fact(city) in answer for city in values)
            assert (NOW_ONLY in answer) == (kind == "weather now only"), answer
        case "no such place":
            assert session.called == [("get_weather", wanted)]
            assert f"I could not get the weather in {wanted}" in answer
        case "cannot":
            assert tools == [], answer
            assert NOT_DONE.search(answer), answer
        case "in part":
            assert wanted in answer
            assert NOT_DONE.search(answer) or NOW_ONLY in answer, answer
        case "says":
            assert (tools, answer) == ([], wanted)
        case "saves":
            assert tools == ["save_note"]
        case _:
            raise AssertionError(f"no kind is called {kind!r}")


def test_the_prompts_are_a_hundred_and_fifty_of_every_kind() -> None:
    assert len(CASES) >= 150
    assert min(Counter(kind for kind, _, _ in CASES).values()) >= 3
