"""The rule-based model: decides the next turn of a conversation from its words alone.

Prevents a stand-in that works for one script only. Rule: no state. Each request is planned anew
from the last user text; a call that stands in the messages after it is done and not made again, so
the conversation ends as soon as every wish is met, refused or failed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from mock_claude.model import answers, choosing, structured
from mock_claude.model.capitals import capital_in
from mock_claude.model.conversation import Conversation, PastCall, read_conversation
from mock_claude.model.prose import prose
from mock_claude.model.reading.tasks import context, wishes_in
from mock_claude.model.reply import Reply, ToolCall
from mock_claude.model.toolbox import Toolbox, offered
from mock_claude.model.wishes import (
    Calculate,
    CapitalWeather,
    Fact,
    Read,
    Save,
    Search,
    Unable,
    Weather,
    Wish,
)

_PREAMBLES = {
    "calculate": "I work that out.",
    "get_weather": "I look that up.",
    "search_web": "I look that up.",
    "save_note": "I save that.",
    "read_notes": "I read your notes.",
}


@dataclass(frozen=True)
class _Outcome:
    """How far a wish is: waiting for a result, or ``said``.

    ``known`` is what a note can hold of it; ``result`` is the tool's own words, from ``turn``.
    """

    said: str = ""
    known: str = ""
    result: str = ""
    turn: int = 0
    waiting: bool = False


_WAITING = _Outcome(waiting=True)


class _Plan:
    """One reading of one request: which wishes are met, and which calls come next."""

    def __init__(self, said: Conversation, tools: Toolbox, before: tuple[Wish, ...]) -> None:
        wishes = wishes_in(said.task, context(before))
        self.previous = answers.facts_in(said.previous_answer) if context(before) else ""
        self.tools = tools
        self.wishes = wishes
        self.calls: list[ToolCall] = []
        self.past = list(said.calls)
        self.planned = {value for wish in wishes if (value := _argument(wish))}
        self.outcomes: dict[Wish, _Outcome] = {}
        self.task = said.task
        self.is_served = False

    def outcome(self, wish: Wish) -> _Outcome:
        """How far the wish is; calls that it needs next are added to ``calls``."""
        if wish not in self.outcomes:
            if isinstance(wish, Save):
                self.outcomes[wish] = self.saved(wish)
            elif isinstance(wish, Unable):
                self.outcomes[wish] = _Outcome(wish.said)
            elif isinstance(wish, Read):
                self.outcomes[wish] = self.read(wish)
            else:
                self.outcomes[wish] = self.fact(wish)
        return self.outcomes[wish]

    def fact(self, wish: Fact) -> _Outcome:
        match wish:
            case Calculate(expression):
                return self.use("calculate", expression, wish)
            case Search(query):
                return self.use("search_web", query, wish)
            case Weather(""):
                return _Outcome("Name a city, and I can get the weather there.")
            case Weather(city):
                return self.use("get_weather", city, wish)
            case CapitalWeather():
                return self.weather_in_capital(wish)

    def weather_in_capital(self, wish: CapitalWeather) -> _Outcome:
        search = Search(f"capital of {wish.country}")
        found = self.outcome(search)
        if found.waiting:
            return _WAITING
        said = "" if search in self.wishes else found.said
        city = capital_in(found.result)
        if city is None:
            said += " So I could not get the weather there."
            return _Outcome(said.strip())
        weather = self.outcome(Weather(city))
        if weather.waiting:
            return _WAITING
        capital = "" if search in self.wishes else f"the capital of {wish.country} is {city}"
        known = "; ".join(filter(None, (capital, weather.known)))
        return _Outcome(f"{said} {weather.said}".strip(), known)

    def saved(self, wish: Save) -> _Outcome:
        text = wish.text
        if any(isinstance(fact, (Weather, CapitalWeather)) and fact.asks_more for fact in wish.of):
            return _Outcome("I did not save a note, as it would not hold what you ask.")
        if text is None:
            outcomes = [self.outcome(fact) for fact in wish.of]
            if any(outcome.waiting for outcome in outcomes):
                return _WAITING
            known = dict.fromkeys(outcome.known.rstrip(". ") for outcome in outcomes)
            text = "; ".join(filter(None, known)) if wish.of else self.previous
        if wish.several and not wish.of and len(text.splitlines()) in range(1, wish.several):
            return _Outcome("I did not save a note, as I have only the last answer at hand.")
        if not text:
            return _Outcome(
                "I did not save a note, as there is no fact to save: say what it is to hold."
            )
        return self.use("save_note", text, wish)

    def read(self, wish: Read) -> _Outcome:
        saves = [self.outcome(save) for save in wish.after]
        if any(save.waiting for save in saves):
            return _WAITING
        return self.use("read_notes", "", wish, since=max((save.turn for save in saves), default=0))

    def use(self, tool: str, value: str, wish: Wish, *, since: int = 0) -> _Outcome:
        """The outcome of the wish's tool call, if it was made; else the call is to be made."""
        tool = self.tools.serving(tool)
        self.is_served = self.is_served or tool in self.tools
        call = self.made(tool, value, since)
        if call and call.is_error:
            return _Outcome(answers.failed(wish, call.result), turn=call.turn)
        if call:
            known = "" if isinstance(wish, (Save, Unable)) else answers.known(wish, call.result)
            return _Outcome(answers.told(wish, call.result), known, call.result, call.turn)
        if tool not in self.tools:
            return _Outcome(answers.no_tool(wish))
        planned = choosing.completed(self.tools.call(tool, value), self.tools, value, self.task)
        if planned not in self.calls:
            self.calls.append(planned)
        return _WAITING

    def made(self, tool: str, value: str, since: int) -> PastCall | None:
        """The past call that served this value, in a turn after ``since``.

        An agent may have changed what a past call was given, for example shortened a note: a call
        that no wish of the task explains serves the first wish that misses one.
        """
        same = [call for call in self.past if call.name == tool and call.turn > since]
        if tool == self.tools.serving("read_notes"):
            return same[0] if same else None  # it may serve several wishes
        exact = [call for call in same if value in _values(call)]
        same = exact or [call for call in same if not self.planned & _values(call)]
        if not same:
            return None
        self.past.remove(same[0])
        return same[0]


def _argument(wish: Wish) -> str | None:
    """What the wish's call is given, as far as the task's words alone say it."""
    match wish:
        case Calculate(value) | Weather(value) | Search(value) | Save(str(value)):
            return value
        case CapitalWeather(country):
            return f"capital of {country}"
        case _:
            return None


def _values(call: PastCall) -> set[str]:
    given: list[object] = []
    for value in call.input.values():
        given.extend(value if isinstance(value, list) else [value])
    return {value for value in given if isinstance(value, str)}


def _obey(
    request: Mapping[str, object], conversation: Conversation, tools: Toolbox, plan: _Plan
) -> None:
    """Obeys ``tool_choice``: a tool that must be called, or one call a turn.

    The API forces a call on every turn; the stand-in does so on the first, so that loops end.
    """
    choice = request.get("tool_choice")
    if not isinstance(choice, Mapping):
        return
    name = choice.get("name") if choice.get("type") == "tool" else None
    if choice.get("type") == "any" and not plan.calls and not conversation.calls and tools.schemas:
        name = choosing.likeliest(tools, conversation.task)
    if isinstance(name, str) and name in tools:
        chosen = [call for call in plan.calls if call.name == name]
        if chosen or not any(call.name == name for call in conversation.calls):
            plan.calls = chosen or [choosing.forced(name, tools, conversation.task)]
    if _is_one_a_turn(request):
        plan.calls = plan.calls[:1]


def reply_to(request: Mapping[str, object]) -> Reply:
    """The next turn for the JSON body of a ``POST /v1/messages``, which is valid already."""
    conversation = read_conversation(request)
    tools = offered(request)
    before: tuple[Wish, ...] = ()
    for task in conversation.earlier_tasks:
        before = wishes_in(task, context(before))
    plan = _Plan(conversation, tools, before)
    outcomes = [plan.outcome(wish) for wish in plan.wishes]
    _obey(request, conversation, tools, plan)
    if plan.calls:
        return Reply(_PREAMBLES.get(plan.calls[0].name, ""), tuple(plan.calls))
    other = choosing.turn(conversation, tools, only_named=plan.is_served)
    if other is not None and other.calls:
        return _one(other) if _is_one_a_turn(request) else other
    sentences = [outcome.said for outcome in outcomes]
    if other is not None:
        sentences = [*(sentences if plan.is_served else []), other.text]
    asks_more = [
        wish
        for wish in plan.wishes
        if isinstance(wish, (Weather, CapitalWeather)) and wish.asks_more
    ]
    if asks_more and tools.takes("get_weather") < 2:  # else the tool may do what is asked
        sentences.append(answers.NOW)
    if any(isinstance(wish, Read) and wish.asks_more for wish in plan.wishes):
        sentences.append(answers.ALL_NOTES)
    has_tools = bool(tools.schemas)
    said = "\n".join(dict.fromkeys(filter(None, sentences)))
    if not said or not (plan.is_served or has_tools):
        said = prose(conversation.task, has_tools=has_tools) or said
    is_answer = bool(said) and (plan.is_served or bool(conversation.calls) or not plan.wishes)
    said = said or answers.small_talk(conversation.task, tools.schemas)
    schema = structured.wanted(request)
    if schema is not None:
        text = f"{said}\n{conversation.task}" if conversation.calls else conversation.task
        said = json.dumps(
            structured.made(schema, text, said, is_answer=is_answer), ensure_ascii=False
        )
    return Reply(said)


def _is_one_a_turn(request: Mapping[str, object]) -> bool:
    choice = request.get("tool_choice")
    return isinstance(choice, Mapping) and choice.get("disable_parallel_tool_use") is True


def _one(reply: Reply) -> Reply:
    return replace(reply, calls=reply.calls[:1])
