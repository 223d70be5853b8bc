"""What must hold across the messages of one request.

This prevents the failure that agents cause most: a history in which a tool call has no result, or
a result no call. The rule is the API's: every ``tool_use`` is answered once, in the very next
turn, before anything else there. Texts of refusals as documented or as the API is known to send
them. Neighbouring messages of one role are one turn, as in the API.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from mock_claude.api.blocks import (
    Block,
    RedactedThinking,
    SearchResult,
    Text,
    Thinking,
    ToolResult,
    ToolUse,
)
from mock_claude.api.parameters import ChoiceTool
from mock_claude.api.validation import Message, Prompt
from mock_claude.errors import ApiError

_BLANK = "text content blocks must contain non-whitespace text"


@dataclass(frozen=True)
class Placed:
    """A block and where it stands: number of its message, number within it."""

    message: int
    index: int
    block: Block


@dataclass(frozen=True)
class RoleTurn:
    """Neighbouring messages of one role."""

    role: str
    blocks: tuple[Placed, ...]


MOST_STOP_SEQUENCES = 8191  # as Bedrock documents for Claude


def check(request: Prompt) -> None:
    """ApiError 400 with the first thing that is wrong."""
    _check_messages(request.messages)
    if any(map(_holds_a_blank, request.system)):
        raise ApiError(400, f"system: {_BLANK}")
    all_turns = list(turns(request.messages))
    seen: set[str] = set()
    asked: dict[str, Placed] = {}
    for turn, after in zip_longest(all_turns, all_turns[1:]):
        _check_results(turn, asked)
        asked = _calls(turn, seen)
        _check_answered(asked, after)
    _check_tools(request)


def check_stop_sequences(sequences: Sequence[str]) -> None:
    """ApiError 400 for one that is blank."""
    if len(sequences) > MOST_STOP_SEQUENCES:
        raise ApiError(
            400,
            f"stop_sequences: List should have at most {MOST_STOP_SEQUENCES} items after "
            f"validation, not {len(sequences)}",
        )
    for number, sequence in enumerate(sequences):
        if not sequence.strip():
            raise ApiError(
                400, f"stop_sequences.{number}: each stop sequence must contain non-whitespace"
            )


def turns(messages: Sequence[Message]) -> Iterator[RoleTurn]:
    """Neighbouring messages of one role as one turn; messages without blocks are left out."""
    role, blocks = "", list[Placed]()
    for number, message in enumerate(messages):
        if message.role != role and blocks:
            yield RoleTurn(role, tuple(blocks))
            blocks = []
        role = message.role
        blocks += (Placed(number, index, block) for index, block in enumerate(message.content))
    if blocks:
        yield RoleTurn(role, tuple(blocks))


def _check_messages(messages: Sequence[Message]) -> None:
    if not messages:
        raise ApiError(400, "messages: at least one message is required")
    for number, message in enumerate(messages):
        is_last = number == len(messages) - 1
        if not message.content and not (is_last and message.role == "assistant"):
            raise ApiError(
                400,
                f"messages.{number}: all messages must have non-empty content except for the "
                "optional final assistant message",
            )
        if any(isinstance(block, Text) and not block.text for block in message.content):
            raise ApiError(400, "messages: text content blocks must be non-empty")
        if any(map(_holds_a_blank, message.content)):
            raise ApiError(400, f"messages: {_BLANK}")
        for index, block in enumerate(message.content):
            _check_place(f"messages.{number}.content.{index}", message.role, block)


def _holds_a_blank(block: object) -> bool:
    """Whether a text in the block, or in the result that it is, is white space alone."""
    if isinstance(block, Text):
        return block.text.isspace()
    inner = block.content if isinstance(block, ToolResult | SearchResult) else ()
    return any(map(_holds_a_blank, inner))


def _check_place(path: str, role: str, block: Block) -> None:
    """Each kind of block has its roles; the first text is the API's, the others follow it."""
    kind = block.type
    if isinstance(block, ToolResult) and role != "user":
        raise ApiError(400, f"{path}: `tool_result` blocks can only be in `user` messages")
    if isinstance(block, ToolUse | Thinking | RedactedThinking) and role != "assistant":
        raise ApiError(400, f"{path}: `{kind}` blocks can only be in `assistant` messages")
    if role == "system" and not isinstance(block, Text):
        raise ApiError(400, f"{path}: only `text` blocks can be in `system` messages")


def _check_results(turn: RoleTurn, asked: dict[str, Placed]) -> None:
    answered: set[str] = set()
    for placed in turn.blocks:
        if not isinstance(placed.block, ToolResult):
            continue
        path = f"messages.{placed.message}.content.{placed.index}"
        tool_id = placed.block.tool_use_id
        if tool_id in answered:
            raise ApiError(
                400,
                f"{path}: each tool_use must have a single result. "
                f"Found multiple `tool_result` blocks with id: {tool_id}",
            )
        if tool_id not in asked:
            raise ApiError(
                400,
                f"{path}: unexpected `tool_use_id` found in `tool_result` blocks: {tool_id}. Each "
                "`tool_result` block must have a corresponding `tool_use` block in the previous "
                "message.",
            )
        answered.add(tool_id)


def _calls(turn: RoleTurn, seen: set[str]) -> dict[str, Placed]:
    calls: dict[str, Placed] = {}
    for placed in turn.blocks:
        if not isinstance(placed.block, ToolUse):
            continue
        path = f"messages.{placed.message}.content.{placed.index}"
        tool_id = placed.block.id
        if tool_id in seen:
            raise ApiError(400, f"{path}: `tool_use` ids must be unique")
        seen.add(tool_id)
        calls[tool_id] = placed
    return calls


def _check_answered(asked: dict[str, Placed], after: RoleTurn | None) -> None:
    """Results count only at the start of the next turn: text before them hides them."""
    answered: set[str] = set()
    for placed in after.blocks if after is not None and after.role == "user" else ():
        if not isinstance(placed.block, ToolResult):
            break
        answered.add(placed.block.tool_use_id)
    missing = [tool_id for tool_id in asked if tool_id not in answered]
    if missing:
        raise ApiError(
            400,
            f"messages.{asked[missing[0]].message}: `tool_use` ids were found without "
            f"`tool_result` blocks immediately after: {', '.join(missing)}. Each `tool_use` block "
            "must have a corresponding `tool_result` block in the next message.",
        )


def _check_tools(request: Prompt) -> None:
    names = [tool.name for tool in request.tools if tool.name is not None]
    if len(set(names)) < len(names):
        raise ApiError(400, "tools: Tool names must be unique.")
    choice = request.tool_choice
    if choice is not None and choice.type != "none" and not request.tools:
        raise ApiError(400, "tool_choice: may only be specified while providing tools")
    if isinstance(choice, ChoiceTool) and choice.name not in names:
        raise ApiError(400, f"tool_choice: Tool '{choice.name}' not found in provided tools")
