"""What ``anthropic-beta`` opens: parameters that the API refuses without it, and no value unknown.

This prevents a client that needs a beta from passing here without asking for it, and one that
asks from being refused. The rule: the header names betas, parted by commas, in one line or
several; an unknown one is refused, as is a parameter whose beta is not named. What a beta opens
is checked and taken off the request, because the stand-in's answer is the same; an
``output_format`` binds like ``output_config.format``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from starlette.datastructures import Headers

from mock_claude.api.beta_names import OF_ITS_NEIGHBOURS, OF_THE_SDK
from mock_claude.api.blocks import Json, Loose, Strict
from mock_claude.api.validation import first_problem
from mock_claude.errors import ApiError

MOST_NAMED = 50  # values of the header that the log keeps

KNOWN = OF_THE_SDK | OF_ITS_NEIGHBOURS


class _McpServer(Loose):
    name: str
    type: str = Field(pattern="^url$")
    url: str
    authorization_token: str | None = None


class _ContextManagement(Strict):
    edits: list[Json] = Field(default_factory=list)


class _ThreadCreate(Strict):
    type: Literal["create"]


class _ThreadContinue(Strict):
    type: Literal["continue"]
    previous_message_id: str


_Thread = Annotated[_ThreadCreate | _ThreadContinue, Field(discriminator="type")]


class _Format(Strict):
    type: str = Field(pattern="^json_schema$")
    json_schema: Json = Field(alias="schema")


_OBJECT = TypeAdapter(Json)
_PARAMETERS: Mapping[str, tuple[tuple[str, ...], TypeAdapter[Any]]] = {
    "context_management": (("context-management-", "compact-"), TypeAdapter(_ContextManagement)),
    "mcp_servers": (("mcp-client-", "mcp-servers-"), TypeAdapter(list[_McpServer])),
    "output_format": (("structured-outputs-",), TypeAdapter(_Format | None)),
    "compaction": (("compact-2026-09-04",), _OBJECT),
    "thread": (("message-threads-",), TypeAdapter(_Thread | None)),
    "fallbacks": (("server-side-fallback-",), TypeAdapter(list[Json] | str)),
    "fallback_credit_token": (("fallback-credit-",), TypeAdapter(str | None)),
    "billing_policy": (("user-profiles-billing-",), _OBJECT),
}
"""What each parameter must look like, and the beginnings of the betas that open it."""

_TOOLS = {
    "mcp_toolset": ("mcp-client-",),
    "computer": ("computer-use-",),
    "advisor": ("advisor-tool-",),
}
"""Types of tools, without their date, that only a beta opens."""


def asked(headers: Headers) -> tuple[str, ...]:
    """The betas that a request names, each once. ApiError 400 for an unknown one."""
    lines = headers.getlist("anthropic-beta")
    if not lines:
        return ()
    values = dict.fromkeys(each.strip() for line in lines for each in line.split(","))
    named = tuple(filter(None, values))
    unknown = [each for each in named if each not in KNOWN]
    if unknown:
        what = ", ".join(f"`{each[:100]}`" for each in unknown[:10])
        raise ApiError(
            400,
            f"Unexpected value(s) {what} for the `anthropic-beta` header. Please consult our "
            "documentation at docs.claude.com or try again without the header.",
        )
    return named[:MOST_NAMED]


def plain(raw: dict[str, object], betas: Sequence[str]) -> dict[str, object]:
    """The request without what its betas open. ApiError 400 where that is malformed."""

    def opened(beginnings: Sequence[str]) -> bool:
        return any(each.startswith(tuple(beginnings)) for each in betas)

    _check_tools(raw.get("tools"), opened)
    if not betas:
        return raw
    kept = dict(raw)
    for name, (beginnings, shape) in _PARAMETERS.items():
        if name in raw and opened(beginnings):
            first_problem(shape, kept.pop(name), name)
    if "output_format" in raw and "output_format" not in kept:
        _bind(kept, raw["output_format"])
    if opened(("thinking-display-updates-",)):
        _without(kept, "thinking", "display", lambda value: value == "updates")
    if opened(("thinking-binding-controls-",)):
        _without(kept, "thinking", "block_binding", lambda value: True)
    if opened(("task-budgets-",)):
        _without(kept, "output_config", "task_budget", lambda value: isinstance(value, dict))
    if opened(("per-turn-control-", "mid-conversation-output-config-")):
        _without_turns_own(kept)
    return kept


def _without_turns_own(kept: dict[str, object]) -> None:
    """Take the settings of single turns off the messages; the request's own count here."""
    messages = kept.get("messages")
    if isinstance(messages, list):
        kept["messages"] = [
            {key: item for key, item in each.items() if key != "output_config"}
            if isinstance(each, dict) and isinstance(each.get("output_config"), dict)
            else each
            for each in messages
        ]


def _check_tools(tools: object, opened: Callable[[Sequence[str]], bool]) -> None:
    for place, tool in enumerate(tools if isinstance(tools, list) else ()):
        kind = tool.get("type") if isinstance(tool, dict) else None
        if not isinstance(kind, str):
            continue
        bare = kind.rpartition("_")[0] if kind[-8:].isdecimal() else kind
        if bare in _TOOLS and not opened(_TOOLS[bare]):
            raise ApiError(
                400,
                f"tools.{place}: Input tag '{kind}' found using 'type' does not match any of the "
                "expected tags: it needs its `anthropic-beta` header",
            )


def _bind(kept: dict[str, object], form: object) -> None:
    config = kept.get("output_config")
    if form is None or not isinstance(config, dict | None):
        return
    if config and config.get("format") is not None:
        raise ApiError(400, "output_format: cannot be given together with output_config.format")
    kept["output_config"] = {**(config or {}), "format": form}


def _without(kept: dict[str, object], name: str, key: str, is_it: Callable[[object], bool]) -> None:
    """Take a key that a beta opens off a parameter."""
    value = kept.get(name)
    if isinstance(value, dict) and key in value and is_it(value[key]):
        kept[name] = {each: item for each, item in value.items() if each != key}
