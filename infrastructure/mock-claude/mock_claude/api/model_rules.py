"""What one model refuses of a request that another takes; the facts are in ``traits``.

This prevents a change of model from failing only in production. Texts as documented (the page
"Troubleshooting thinking") or as the API is known to send them; the one about thinking off at a
high effort and the one about speed are ours.
"""

from __future__ import annotations

from mock_claude.api.blocks import Text
from mock_claude.api.catalog import FAST, Model
from mock_claude.api.parameters import (
    ChoiceAny,
    ChoiceTool,
    ThinkingAdaptive,
    ThinkingConfig,
    ThinkingEnabled,
)
from mock_claude.api.traits import EFFORTS, Traits
from mock_claude.api.validation import CreateMessage, CreateMessage2023, Prompt
from mock_claude.errors import ApiError

_OFF = ("disabled", "between_tools")


def check(request: Prompt, model: Model) -> None:
    """ApiError 400 with the first thing that the model refuses."""
    traits = model.traits
    forced = isinstance(request.tool_choice, ChoiceAny | ChoiceTool)
    if forced and not traits.forced_tools:
        raise ApiError(400, 'tool_choice: type "tool" and "any" are not supported for this model.')
    if request.thinking is not None:
        _check_thinking(request.thinking, traits)
    if forced and isinstance(request.thinking, ThinkingEnabled):
        raise ApiError(400, "Thinking may not be enabled when tool_choice forces tool use.")
    _check_effort(request, traits)
    if request.speed == "fast" and model.id not in FAST:
        raise ApiError(400, f"speed: 'fast' is not supported for {model.id}")
    if request.messages[-1].role == "assistant" and not traits.prefill:
        raise ApiError(400, "Prefilling assistant messages is not supported for this model.")
    _check_prefill(request)
    if isinstance(request, CreateMessage):
        _check_size(request, model)
    if isinstance(request, CreateMessage2023):
        _check_sampling(request, traits)


def _check_prefill(request: Prompt) -> None:
    last = request.messages[-1]
    block = last.content[-1] if last.role == "assistant" and last.content else None
    if isinstance(block, Text) and block.text != block.text.rstrip():
        raise ApiError(400, "messages: final assistant content cannot end with trailing whitespace")


def check_prompt_size(tokens: int, model: Model) -> None:
    """ApiError 400 if a prompt of ``tokens`` tokens exceeds the model's context window."""
    most = model.traits.max_input_tokens
    if tokens > most:
        raise ApiError(400, f"prompt is too long: {tokens} tokens > {most} maximum")


def _check_thinking(thinking: ThinkingConfig, traits: Traits) -> None:
    kind = thinking.type
    if kind in traits.thinking:
        return
    if isinstance(thinking, ThinkingAdaptive):
        raise ApiError(400, "adaptive thinking is not supported on this model")
    if kind == "disabled" and "between_tools" in traits.thinking:
        raise ApiError(
            400,
            'To turn thinking off on this model, send "thinking": {"type": "between_tools"} '
            'instead of {"type": "disabled"}. The model does not think before responding. The '
            "short updates it writes between tool calls come back as thinking blocks.",
        )
    other = "adaptive" if "adaptive" in traits.thinking else "enabled"
    control = "output_config.effort" if other == "adaptive" else "thinking.budget_tokens"
    raise ApiError(
        400,
        f'"thinking.type.{kind}" is not supported for this model. Use "thinking.type.{other}" and '
        f'"{control}" to control thinking behavior.',
    )


def _check_effort(request: Prompt, traits: Traits) -> None:
    effort = request.output_config.effort
    if effort is None:
        return
    if not traits.efforts:
        raise ApiError(400, "This model does not support the effort parameter.")
    if effort not in traits.efforts:
        raise ApiError(
            400,
            f"This model does not support effort level '{effort}'. "
            f"Supported levels: {', '.join(each for each in EFFORTS if each in traits.efforts)}.",
        )
    kind = None if request.thinking is None else request.thinking.type
    if traits.calm_at_most_high and kind in _OFF and effort in ("xhigh", "max"):
        raise ApiError(
            400,
            f'"thinking.type.{kind}" is not supported at effort "{effort}" for this model. Use '
            'effort "high" or below.',
        )


def _check_size(request: CreateMessage, model: Model) -> None:
    most = model.traits.max_tokens
    if request.max_tokens > most:
        raise ApiError(
            400,
            f"max_tokens: {request.max_tokens} > {most}, which is the maximum allowed number of "
            f"output tokens for {model.id}",
        )
    thinking = request.thinking
    if isinstance(thinking, ThinkingEnabled) and thinking.budget_tokens >= request.max_tokens:
        raise ApiError(400, "`max_tokens` must be greater than `thinking.budget_tokens`.")


def _check_sampling(request: CreateMessage2023, traits: Traits) -> None:
    """The newer models keep only the defaults, and top_p from 0.99, for old clients."""
    if traits.sampling:
        if request.temperature is not None and request.top_p is not None:
            raise ApiError(
                400,
                "`temperature` and `top_p` cannot both be specified for this model. "
                "Please use only one.",
            )
        return
    kept = {
        "temperature": request.temperature in (None, 1.0),
        "top_p": request.top_p is None or request.top_p >= 0.99,
        "top_k": request.top_k is None,
    }
    for name, is_kept in kept.items():
        if not is_kept:
            raise ApiError(400, f"`{name}` is deprecated for this model.")
