import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_claude.model.planner import reply_to
from mock_claude.model.reply import Reply
from mock_claude.world import places
from mock_claude.world.world import WEATHER_CODES, World

WORLD = World(3)
Json = dict[str, Any]
USUAL = {
    "search_web": "query",
    "get_weather": "city",
    "calculate": "expression",
    "save_note": "text",
    "read_notes": "",
}


def tool(name: str, argument: str) -> Json:
    properties = {argument: {"type": "string"}} if argument else {}
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return {"name": name, "description": name, "input_schema": schema}


TOOLS = [tool(name, argument) for name, argument in USUAL.items()]


class Agent:
    """The smallest agent there is: it runs every call and sends the results back."""

    def __init__(self, tools: list[Json] = TOOLS, **request: object) -> None:
        self.tools = tools
        self.request = request
        self.notes: list[str] = []
        self.messages: list[Json] = []
        self.turns: list[list[tuple[str, Json]]] = []

    def ask(self, task: str) -> str:
        self.messages.append({"role": "user", "content": task})
        self.turns = []
        for _ in range(8):
            reply = reply_to({"tools": self.tools, "messages": self.messages, **self.request})
            if not reply.calls:
                self.messages.append({"role": "assistant", "content": reply.text})
                return reply.text
            self.turns.append([(call.name, dict(call.input)) for call in reply.calls])
            self.answer_calls(reply)
        raise AssertionError(f"no end after 8 turns: {task}")

    def answer_calls(self, reply: Reply) -> None:
        used: list[Json] = []
        results: list[Json] = []
        if reply.text:
            used.append({"type": "text", "text": reply.text})
        for call in reply.calls:
            use_id = f"toolu_{len(self.messages)}_{len(used)}"
            given: Json = dict(call.input)
            used.append({"type": "tool_use", "id": use_id, "name": call.name, "input": given})
            result: Json = {"type": "tool_result", "tool_use_id": use_id}
            try:
                result["content"] = self.use(call.name, next(iter(given.values()), ""))
            except ToolError as error:
                result |= {"content": str(error), "is_error": True}
            results.append(result)
        self.messages.append({"role": "assistant", "content": used})
        self.messages.append({"role": "user", "content": results})

    def use(self, name: str, value: str) -> str:
        if name == "calculate":
            if value == "1/0":
                raise ToolError("division by zero")
            return str(eval(value, {"__builtins__": {}}))
        if name == "get_weather":
            place = WORLD.locate(value)
            if place is None:
                raise ToolError(f"no city is called {value}")
            weather = WORLD.weather(place.latitude, place.longitude)
            sky = WEATHER_CODES[weather.weather_code]
            where = f"{place.name}, {place.country}"
            return f"{where}: {weather.temperature_c} °C, wind {weather.wind_kmh} km/h, {sky}"
        if name == "search_web":
            return "\n".join(f"{found.title}: {found.extract}" for found in WORLD.search(value))
        if name == "save_note":
            self.notes.append(value)
            return f"Saved as note {len(self.notes)}."
        return "\n".join(f"{index}. {note}" for index, note in enumerate(self.notes, start=1))


class ToolError(Exception):
    pass


def test_a_task_of_four_wishes_takes_four_turns() -> None:
    agent = Agent()
    answer = agent.ask(
        "What is 23*19, and what is the weather in Lisbon? Save both as a note, then read my notes."
    )
    assert agent.turns[0] == [
        ("calculate", {"expression": "23*19"}),
        ("get_weather", {"city": "Lisbon"}),
    ]
    assert [name for name, _ in agent.turns[1]] == ["save_note"]
    assert agent.turns[2:] == [[("read_notes", {})]]
    assert "23*19 = 437." in answer
    assert WORLD.weather_fact("Lisbon") in answer
    assert "437" in agent.notes[0]
    assert WORLD.weather_fact("Lisbon") in agent.notes[0]
    assert agent.notes[0] in answer


@pytest.mark.parametrize(
    ("task", "facts"),
    [
        ("look up the Aldwyn Viaduct", WORLD.search("Aldwyn Viaduct")[0].facts),
        ("who designed the Fenwick Tower?", WORLD.search("Fenwick Tower")[0].facts),
        ("How warm is it in São Paulo?", (WORLD.weather_fact("São Paulo"),)),
        ("What is 2 to the power of 10?", ("2 ** 10 = 1024.",)),
        ("The capital of Peru, please tell me about it", ("Lima",)),
    ],
)
def test_an_answer_holds_the_facts(task: str, facts: tuple[str, ...]) -> None:
    answer = Agent().ask(task)
    assert all(fact in answer for fact in facts)


def test_the_answer_has_its_sentences_in_the_order_of_the_wishes() -> None:
    answer = Agent().ask("Weather in Porto? Save 'x' as a note. Look up the Marlow Clock. 6*7?")
    marks = ["Porto", '"x"', "Marlow Clock", "6*7 = 42."]
    assert [answer.index(mark) for mark in marks] == sorted(answer.index(mark) for mark in marks)


def test_independent_calls_are_made_in_one_turn() -> None:
    agent = Agent()
    agent.ask("Compute 6*7, save 'milk' as a note, work out 2*2 and check Oslo's weather")
    first = [name for name, _ in agent.turns[0]]
    assert sorted(first) == ["calculate", "calculate", "get_weather", "save_note"]
    agent = Agent()
    agent.ask("Read my notes, then compute 6*7")
    assert [name for name, _ in agent.turns[0]] == ["read_notes", "calculate"]


def test_the_weather_in_a_capital_is_searched_first() -> None:
    agent = Agent()
    answer = agent.ask("What is the weather in the capital of Portugal? Note it.")
    assert agent.turns[0] == [("search_web", {"query": "capital of Portugal"})]
    assert agent.turns[1] == [("get_weather", {"city": "Lisbon"})]
    assert agent.turns[2][0][0] == "save_note"
    assert "Lisbon is the capital of Portugal." in answer
    assert WORLD.weather_fact("Lisbon") in agent.notes[0]


@pytest.mark.parametrize("country", [city.country for city in places.CAPITALS[::7]])
def test_every_capital_is_found_in_its_article(country: str) -> None:
    capital = places.capital_of(country)
    assert capital is not None
    agent = Agent()
    agent.ask(f"weather in the capital of {country}")
    assert agent.turns[1] == [("get_weather", {"city": capital.name})]


@pytest.mark.parametrize(
    ("result", "city"),
    [
        ("Lisbon is the capital and largest city of Portugal.", "Lisbon"),
        ("1. Porto-Novo: Porto-Novo is the capital of Benin.", "Porto-Novo"),
        ("The capital of Portugal is Lisbon.", "Lisbon"),
        ("<results>\nSt. John's is the capital of Antigua.\n</results>", "St. John's"),
        ("Lisbon: a city on the Tagus", "Lisbon"),
    ],
)
def test_the_city_is_read_from_any_wording_of_the_result(result: str, city: str) -> None:
    request = request_with_results("Weather in the capital of Portugal?", ["search_web"], [result])
    (call,) = reply_to(request).calls
    assert call.input == {"city": city}


def request_with_results(
    task: str, names: list[str], results: Sequence[object], *, is_error: bool = False
) -> Json:
    """A conversation in which the first turn's calls have come back with these results."""
    messages: list[Json] = [{"role": "user", "content": task}]
    calls = reply_to({"tools": TOOLS, "messages": messages}).calls
    assert [call.name for call in calls] == names
    used = [
        {"type": "tool_use", "id": f"t{index}", "name": call.name, "input": dict(call.input)}
        for index, call in enumerate(calls)
    ]
    sent = [
        {"type": "tool_result", "tool_use_id": f"t{index}", "content": result}
        | ({"is_error": True} if is_error else {})
        for index, result in enumerate(results)
    ]
    messages += [{"role": "assistant", "content": used}, {"role": "user", "content": sent}]
    return {"tools": TOOLS, "messages": messages}


def test_an_error_is_reported_and_not_tried_again() -> None:
    agent = Agent()
    answer = agent.ask("Weather in Atlantis, 1/0, and 6*7. Save everything. Read my notes.")
    assert "I could not get the weather in Atlantis: no city is called Atlantis." in answer
    assert "I could not calculate 1/0: division by zero." in answer
    assert agent.notes == ["6*7 = 42"]
    called = [name for turn in agent.turns for name, _ in turn]
    assert sorted(called) == ["calculate", "calculate", "get_weather", "read_notes", "save_note"]


def test_a_note_of_nothing_is_not_saved() -> None:
    agent = Agent()
    answer = agent.ask("Save the weather in Atlantis as a note.")
    assert agent.notes == []
    assert "I did not save a note" in answer


def test_a_capital_that_cannot_be_looked_up_ends_in_an_honest_answer() -> None:
    task = "Weather in the capital of Peru?"
    failed = request_with_results(task, ["search_web"], ["timeout"], is_error=True)
    said = reply_to(failed)
    assert said.calls == ()
    assert said.text == (
        'I could not look up "capital of Peru": timeout. So I could not get the weather there.'
    )
    vague = reply_to(request_with_results(task, ["search_web"], ["nothing was found"]))
    assert vague.calls == ()
    assert "could not get the weather there" in vague.text


def test_a_failed_save_is_reported_and_the_notes_are_still_read() -> None:
    class Full(Agent):
        def use(self, name: str, value: str) -> str:
            if name == "save_note":
                raise ToolError("disk full")
            return super().use(name, value)

    answer = Full().ask("Save 'x' as a note and read my notes")
    assert "I could not save the note: disk full." in answer
    assert "You have no notes yet." in answer


@pytest.mark.parametrize("content", ["437", [{"type": "text", "text": "437"}]])
def test_a_result_may_be_a_string_or_blocks(content: object) -> None:
    request = request_with_results("23*19?", ["calculate"], [content])
    assert reply_to(request).text == "23*19 = 437."


def test_a_result_without_content_is_an_empty_text() -> None:
    request = request_with_results("Read my notes", ["read_notes"], [""])
    del request["messages"][-1]["content"][0]["content"]
    assert reply_to(request).text == "You have no notes yet."


def test_only_the_first_article_is_told_and_free_text_in_full() -> None:
    lines = "Marlow Clock: The Marlow Clock was built in 1728.\nOther Clock: It was built in 1900."
    request = request_with_results("look up the Marlow Clock", ["search_web"], [lines])
    assert reply_to(request).text == "Marlow Clock: The Marlow Clock was built in 1728."
    free = "Found this page.\n\nThe clock was built in 1728\nand still runs."
    request = request_with_results("look up the Marlow Clock", ["search_web"], [free])
    assert reply_to(request).text == free


@pytest.mark.parametrize(
    "choice", [{"tools": []}, {"tools": None}, {"tool_choice": {"type": "none"}}]
)
def test_without_tools_the_answer_says_what_is_missing(choice: dict[str, object]) -> None:
    task = "6*7? Weather in Oslo? Look up tea. Save 'x'. Read my notes."
    reply = reply_to({"tools": TOOLS, "messages": [{"role": "user", "content": task}], **choice})
    assert reply.calls == ()
    assert reply.text.splitlines() == [
        "I have no tool to calculate 6*7.",
        "I have no tool to get the weather in Oslo.",
        'I have no tool to look up "tea".',
        "I have no tool to save the note.",
        "I have no tool to read your notes.",
    ]


def test_a_missing_tool_leaves_the_other_wishes_alone() -> None:
    agent = Agent(tools=[offered for offered in TOOLS if offered["name"] != "get_weather"])
    answer = agent.ask("6*7 and the weather in Oslo; save both")
    assert agent.turns[0] == [("calculate", {"expression": "6*7"})]
    assert agent.notes == ["6*7 = 42"]
    assert "I have no tool to get the weather in Oslo." in answer


def test_arguments_take_the_names_of_the_offered_schema() -> None:
    renamed = {"get_weather": "location", "calculate": "formula", "save_note": "note_text"}
    tools = [tool(name, renamed.get(name, argument)) for name, argument in USUAL.items()]
    agent = Agent(tools=tools)
    agent.ask("6*7 and the weather in Oslo; save both")
    assert agent.turns[0] == [
        ("calculate", {"formula": "6*7"}),
        ("get_weather", {"location": "Oslo"}),
    ]
    assert list(agent.turns[1][0][1]) == ["note_text"]


def test_other_required_properties_get_a_value_of_their_type() -> None:
    properties = {
        "place": {"type": "string"},
        "unit": {"enum": ["celsius", "fahrenheit"]},
        "days": {"type": "integer"},
        "note": {"type": "string"},
    }
    schema = {"type": "object", "properties": properties, "required": ["unit", "days", "place"]}
    tools = [{"name": "get_weather", "input_schema": schema}]
    messages = [{"role": "user", "content": "weather in Oslo"}]
    (call,) = reply_to({"tools": tools, "messages": messages}).calls
    assert call.input == {"place": "Oslo", "unit": "celsius", "days": 1}


def test_the_same_call_is_made_once() -> None:
    agent = Agent()
    agent.ask(
        "What is 6*7? And 6*7? Weather in Oslo and weather in oslo. Look up tea, look up tea."
    )
    assert len(agent.turns) == 1
    assert len(agent.turns[0]) == 3


def test_a_session_is_not_confused_by_its_earlier_tasks() -> None:
    agent = Agent()
    first = agent.ask("What is 23*19?")
    assert agent.ask("What is 23*19?") == first
    assert agent.turns == [[("calculate", {"expression": "23*19"})]]
    agent.ask("Save that as a note")
    assert agent.notes == [first]
    agent.ask("Save 'x' as a note, then read my notes")
    assert [name for turn in agent.turns for name, _ in turn] == ["save_note", "read_notes"]
    agent.ask("Save 'x' as a note, then read my notes")
    assert agent.notes == [first, "x", "x"]


def test_text_after_tool_results_is_the_task() -> None:
    request = request_with_results("23*19?", ["calculate"], ["437"])
    request["messages"][-1]["content"].append({"type": "text", "text": "Never mind, 6*7?"})
    (call,) = reply_to(request).calls
    assert call.input == {"expression": "6*7"}


def test_a_note_that_the_agent_shortened_is_not_saved_again() -> None:
    agent = Agent()
    agent.ask("Look up the Marlow Clock and save it as a note")
    used = agent.messages[3]["content"][-1]
    assert used["name"] == "save_note"
    used["input"] = {"text": "Marlow Clock: ..."}
    assert reply_to({"tools": TOOLS, "messages": agent.messages[:-1]}).calls == ()


def test_of_two_notes_that_the_agent_shortened_each_is_saved_once() -> None:
    agent = Agent()
    task = "Compute 6*7 and save it as a note. Compute 5*5 and save that as a note."
    agent.ask(task)
    used = agent.messages[3]["content"]
    saves = [block for block in used if block.get("name") == "save_note"]
    assert len(saves) == 2
    saves[0]["input"] = {"text": "42, shortened"}
    request = {"tools": TOOLS, "messages": agent.messages[:-1]}
    assert reply_to(request).calls == ()
    used.remove(saves[1])
    (missing,) = reply_to(request).calls
    assert missing.input == {"text": "5*5 = 25"}


def test_notes_are_read_again_after_a_save_and_once_a_turn() -> None:
    agent = Agent()
    answer = agent.ask("Read my notes, save 'first' as a note, then read my notes again.")
    assert [[name for name, _ in turn] for turn in agent.turns] == [
        ["read_notes", "save_note"],
        ["read_notes"],
    ]
    assert "You have no notes yet." in answer
    assert "1. first" in answer
    agent = Agent()
    agent.ask("Save 'a' as a note, read my notes, save 'b' as a note, read my notes.")
    assert [[name for name, _ in turn] for turn in agent.turns] == [
        ["save_note", "save_note"],
        ["read_notes"],
    ]


def test_a_forced_tool_is_called_and_calls_can_be_one_a_turn() -> None:
    messages = [{"role": "user", "content": "6*7 and the weather in Oslo"}]
    request = {"tools": TOOLS, "messages": messages}
    forced = reply_to(request | {"tool_choice": {"type": "tool", "name": "get_weather"}})
    assert [call.name for call in forced.calls] == ["get_weather"]
    other = reply_to(request | {"tool_choice": {"type": "tool", "name": "save_note"}})
    assert [call.name for call in other.calls] == ["save_note"]
    chat = {"tools": TOOLS, "messages": [{"role": "user", "content": "hello"}]}
    assert reply_to(chat | {"tool_choice": {"type": "any"}}).calls
    agent = Agent(tool_choice={"type": "auto", "disable_parallel_tool_use": True})
    agent.ask("6*7 and the weather in Oslo")
    assert [len(turn) for turn in agent.turns] == [1, 1]


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        ("Say hello", "Hello!"),
        ("Reply with the word pong", "pong"),
        ("Reply with exactly: ready", "ready"),
        ("Please answer with 'yes' and nothing else.", "yes"),
        ("Thanks a lot", "You are welcome."),
    ],
)
def test_plain_chat_needs_no_tools(task: str, answer: str) -> None:
    assert reply_to({"messages": [{"role": "user", "content": task}]}).text == answer


@pytest.mark.parametrize("task", ["Hi!", "Write me a poem", "?", "weather", "What can you do?"])
def test_a_text_without_a_wish_is_answered_in_words(task: str) -> None:
    for tools in (TOOLS, []):
        reply = reply_to({"tools": tools, "messages": [{"role": "user", "content": task}]})
        assert reply.calls == ()
        assert reply.text


CONTENTS = st.one_of(
    st.text(max_size=200),
    st.none(),
    st.lists(
        st.one_of(
            st.fixed_dictionaries({"type": st.just("text"), "text": st.text(max_size=50)}),
            st.just({"type": "image", "source": {}}),
        ),
        max_size=3,
    ),
)
TASKS = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.sampled_from(
            [
                "6*7?",
                "weather in Oslo",
                "save it",
                "read my notes",
                "save 'x'",
                "look up tea",
                "the weather in the capital of Peru",
                "read my notes again",
                "Weather in Atlantis",
            ]
        ),
        max_size=6,
    ).map(". ".join),
)


@settings(max_examples=150, deadline=None)
@given(TASKS, st.lists(st.tuples(CONTENTS, st.booleans()), min_size=1, max_size=4), st.booleans())
def test_any_task_with_any_results_ends_within_eight_turns(
    task: str, results: list[tuple[object, bool]], has_tools: bool
) -> None:
    messages: list[Json] = [{"role": "user", "content": task}]
    request: Json = {"messages": messages, **({"tools": TOOLS} if has_tools else {})}
    for turn in range(8):
        reply = reply_to(request)
        assert reply == reply_to(json.loads(json.dumps(request)))
        if not reply.calls:
            assert reply.text
            return
        used: list[Json] = []
        sent: list[Json] = []
        for index, call in enumerate(reply.calls):
            content, is_error = results[(turn + index) % len(results)]
            use = {"id": f"{turn}.{index}", "name": call.name, "input": dict(call.input)}
            used.append({"type": "tool_use", **use})
            result: Json = {"type": "tool_result", "tool_use_id": use["id"], "is_error": is_error}
            sent.append(result | ({} if content is None else {"content": content}))
        messages += [{"role": "assistant", "content": used}, {"role": "user", "content": sent}]
    raise AssertionError(f"no end: {task!r}")


@given(st.text())
def test_a_planned_expression_has_only_a_calculators_characters(task: str) -> None:
    reply = reply_to({"tools": TOOLS, "messages": [{"role": "user", "content": task}]})
    for call in reply.calls:
        if call.name == "calculate":
            assert re.fullmatch(r"[0-9.()+\-*/% ]+", str(call.input["expression"]))
