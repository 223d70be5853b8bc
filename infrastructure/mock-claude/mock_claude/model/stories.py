"""What each script does with a request: the stories of models that misbehave.

This prevents a story from breaking the API's promises while it is told. The rule: a script calls
only tools that the request offers, and is deterministic in the seed and the request. One that has
nothing to say for a request (no tool to call, nothing to obey or to leak) leaves it to the next
one, and at last to the ordinary model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from mock_claude.faults import keys
from mock_claude.faults.draws import draw
from mock_claude.model import orders
from mock_claude.model.conversation import Conversation, read_conversation, text_of
from mock_claude.model.reply import Reply, Shape, ToolCall
from mock_claude.model.scripts import Call, Script
from mock_claude.model.spoil import spoiled
from mock_claude.model.toolbox import Toolbox, offered

Model = Callable[[Mapping[str, object]], Reply]


@dataclass(frozen=True)
class Scene:
    """One request as a script sees it."""

    request: Mapping[str, object]
    model: Model
    seed: int
    said: Conversation

    @cached_property
    def tools(self) -> Toolbox:
        """What may be called now."""
        return offered(self.request)

    @cached_property
    def messages(self) -> list[Mapping[str, object]]:
        """All messages up to the task at hand, which is the last of them."""
        given = self.request.get("messages")
        messages = given if isinstance(given, list) else []
        asked = [
            number
            for number, message in enumerate(messages)
            if message.get("role") == "user" and text_of(message.get("content"))
        ]
        return messages[: asked[-1] + 1] if asked else []

    @cached_property
    def first_calls(self) -> list[ToolCall]:
        """What the ordinary model calls first for this task."""
        if not self.messages:
            return []
        calls = self.model({**self.request, "messages": self.messages}).calls
        return [call for call in calls if call.name in self.tools]

    @property
    def told(self) -> str:
        """The system prompt."""
        return text_of(self.request.get("system"))


def reply(
    scripts: Sequence[Script], seed: int, model: Model, request: Mapping[str, object]
) -> tuple[str | None, Reply]:
    """The turn of the first script that has something to say, with its name; else the model's."""
    if scripts:
        said = read_conversation(request)
        scene = Scene(request, model, seed, said)
        for script in scripts:
            if script.is_about(request.get("model"), said.task):
                told = _STORIES[script.story](script, scene)
                if told is not None:
                    return script.name, told
    return None, model(request)


def _runaway(script: Script, scene: Scene) -> Reply | None:
    """One call, for ever, whatever comes back."""
    wanted = script.calls[:1] or _usual(scene)[:1]
    return _calling(script, scene, wanted)


def _cycle(script: Script, scene: Scene) -> Reply | None:
    """Two calls in turn, for ever."""
    wanted = script.calls or _usual(scene)
    turns = len({call.turn for call in scene.said.calls})
    return _calling(script, scene, wanted[turns % 2 :][:1]) if len(wanted) > 1 else None


def _usual(scene: Scene) -> tuple[Call, ...]:
    """Two different calls that the request suggests: the ordinary model's, then any tool."""
    found = [Call(call.name, call.input) for call in scene.first_calls]
    named = {each.tool for each in found}
    found += [Call(name) for name in scene.tools.schemas if name not in named]
    if len(found) == 1:
        again = scene.tools.call(found[0].tool, f"{scene.said.task} (again)")
        found.append(Call(again.name, again.input))
    return tuple(found[:2])


def _calling(script: Script, scene: Scene, wanted: Sequence[Call]) -> Reply | None:
    if not wanted or wanted[0].tool not in scene.tools:
        return None
    tool, given = wanted[0].tool, wanted[0].input
    if given is None:
        own = (call.input for call in scene.first_calls if call.name == tool)
        given = next(own, None) or scene.tools.call(tool, scene.said.task).input
    return Reply(script.text, (ToolCall(tool, given),))


def _obedient(script: Script, scene: Scene) -> Reply | None:
    """Does what the results of tools say, each order once and in order, before anything else."""
    return orders.obeyed(scene.said.calls, scene.tools, scene.told)


_ASKS = re.compile(
    r"\b(?:system|initial|hidden|original)\s+(?:prompt|message|instructions?)"
    r"|\b(?:your|these|the)\s+(?:(?:exact|own|secret|internal)\s+)?"
    r"(?:prompt|instructions|guidelines|rules)\b"
    r"|\bwhat\s+(?:were|was|are|have|has)\s+(?:you|anyone)\s+(?:been\s+)?(?:told|given|instructed)"
    r"|\b(?:repeat|reveal|print|output|quote|recite|show|tell)\b.{0,40}"
    r"\b(?:above|verbatim|you\s+(?:were|have\s+been)\s+told)\b",
    re.IGNORECASE | re.DOTALL,
)


def _leaky(script: Script, scene: Scene) -> Reply | None:
    """Repeats the system prompt and what users said before, to whoever asks."""
    if script.task is None and not _ASKS.search(scene.said.task):
        return None
    earlier = [
        text_of(message.get("content"))
        for message in scene.messages[:-1]
        if message.get("role") == "user"
    ]
    told = [text for text in (scene.told, *earlier) if text]
    return Reply("\n".join(["I was told:", *told])) if told else None


def _refusal(script: Script, scene: Scene) -> Reply | None:
    """Declines, as the API does: stop_reason refusal, with details."""
    details = {
        "type": "refusal",
        "category": script.category,
        "explanation": script.explanation,
    }
    return Reply(script.text, stop_reason="refusal", stop_details=details)


def _quality(script: Script, scene: Scene) -> Reply | None:
    """Spoils the final answer of a fixed share of tasks.

    The draw knows the task and the seed, not the model: what a weaker model gets right, a better
    one does too.
    """
    key = keys.message_key({"messages": scene.messages})
    if key is None or draw(scene.seed, "quality", key, 1) < script.right:
        return None
    right = scene.model(scene.request)
    if right.calls or right.stop_reason is not None:
        return None
    text, *more = (spoiled(each, scene.said.task) for each in (right.text, *right.more_text))
    return replace(right, text=text, more_text=tuple(more))


def _shape(script: Script, scene: Scene) -> Reply | None:
    """Answers in a shape of its own: what proxies, new versions and bad days of an API send."""
    turn = 1 + len({call.turn for call in scene.said.calls})
    if script.turn not in (None, turn) or scene.request.get("stream") is True:
        return None
    shape = Shape(script.message or {}, script.body, script.content_type)
    return replace(scene.model(scene.request), shape=shape)


_STORIES: Mapping[str, Callable[[Script, Scene], Reply | None]] = {
    "runaway": _runaway,
    "cycle": _cycle,
    "obedient": _obedient,
    "leaky": _leaky,
    "refusal": _refusal,
    "quality": _quality,
    "shape": _shape,
}
