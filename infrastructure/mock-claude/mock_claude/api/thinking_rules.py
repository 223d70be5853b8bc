"""Thinking blocks that come back: unchanged, and there where a tool loop needs them.

This prevents an agent that rewrites or drops thinking from passing here and failing in
production. Two rules, with the API's texts: a block's signature must be one that was made here
for its text, and with manual thinking every turn of the running tool loop begins with its
thinking. Adaptive thinking asks for no block.
"""

from __future__ import annotations

from mock_claude.api import thinking
from mock_claude.api.blocks import RedactedThinking, Thinking, ToolResult
from mock_claude.api.parameters import ThinkingEnabled
from mock_claude.api.request_rules import RoleTurn, turns
from mock_claude.api.validation import Prompt
from mock_claude.errors import ApiError


def check(request: Prompt) -> None:
    """ApiError 400 with the first block that is not ours, or that is missing."""
    for number, message in enumerate(request.messages):
        for index, block in enumerate(message.content):
            if isinstance(block, Thinking) and not thinking.is_ours(
                block.thinking, block.signature
            ):
                raise ApiError(
                    400,
                    f"messages.{number}.content.{index}: Invalid `signature` in `thinking` block",
                )
    if isinstance(request.thinking, ThinkingEnabled):
        for turn in _running(list(turns(request.messages))):
            _check_begins(turn)


def _running(all_turns: list[RoleTurn]) -> list[RoleTurn]:
    """What the model said in the tool loop that goes on, or the turn that it is to go on with."""
    if all_turns and all_turns[-1].role == "assistant":
        return all_turns[-1:]
    found = list[RoleTurn]()
    for turn in reversed(all_turns):
        if turn.role == "assistant":
            found.insert(0, turn)
        elif not any(isinstance(placed.block, ToolResult) for placed in turn.blocks):
            break
    return found


def _check_begins(turn: RoleTurn) -> None:
    first = turn.blocks[0]
    if not isinstance(first.block, Thinking | RedactedThinking):
        raise ApiError(
            400,
            f"messages.{first.message}.content.{first.index}.type: Expected `thinking` or "
            f"`redacted_thinking`, but found `{first.block.type}`. When `thinking` is enabled, a "
            "final `assistant` message must start with a thinking block (preceeding the lastmost "
            "set of `tool_use` and `tool_result` blocks). We recommend you include thinking blocks "
            "from previous turns. To avoid this requirement, disable `thinking`. Please consult "
            "our documentation at "
            "https://docs.claude.com/en/docs/build-with-claude/extended-thinking",
        )
