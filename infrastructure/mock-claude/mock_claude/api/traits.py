"""What each model accepts: thinking, effort, forced tools, prefill, sampling, sizes.

This prevents an agent from passing its tests with a setting that its model refuses. One row per
model; ``model_rules`` refuses by it and ``models_api`` shows it, so that both say the same.

Sources: the public pages "Troubleshooting thinking" (what each model rejects), "Effort" and the
model overviews (sizes, release dates), read in November 2026. Manual thinking ends with the 4.7
models; adaptive thinking and the end of prefill begin with 4.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

THINKING = ("adaptive", "between_tools", "disabled", "enabled")
EFFORTS = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True)
class Traits:
    """One model's abilities and limits. Sizes are in tokens."""

    line: str | None
    released: date | None
    max_input_tokens: int
    max_tokens: int
    thinking: frozenset[str]
    """The values of ``thinking.type`` that it accepts."""
    efforts: frozenset[str]
    """The values of ``output_config.effort``; none if it does not know the parameter."""
    forced_tools: bool
    prefill: bool
    sampling: bool
    """Whether version 2023-06-01 takes sampling parameters other than their defaults."""
    shows_thinking: bool
    """Whether thinking is shown when the request leaves ``display`` out."""
    calm_at_most_high: bool
    """Whether thinking can be turned off only at effort high or below."""


_ALL = "low medium high xhigh max"
_NEVER_OFF = "adaptive"
_SINCE_4_7 = "adaptive disabled"
_4_6 = "adaptive disabled enabled"
_4_5 = "disabled enabled"


def _row(
    line: str,
    thinking: str,
    efforts: str = _ALL,
    released: str | None = None,
    *,
    size: tuple[int, int] = (1_000_000, 128_000),
    forced_tools: bool = True,
    calm_at_most_high: bool = False,
) -> Traits:
    is_old = "enabled" in thinking.split()  # 4.6 and before
    return Traits(
        line=line,
        released=None if released is None else date.fromisoformat(released),
        max_input_tokens=size[0],
        max_tokens=size[1],
        thinking=frozenset(thinking.split()),
        efforts=frozenset(efforts.split()),
        forced_tools=forced_tools,
        prefill=thinking == _4_5,
        sampling=is_old,
        shows_thinking=is_old,
        calm_at_most_high=calm_at_most_high,
    )


_SMALL = (200_000, 64_000)
_FABLE = _row("fable", _NEVER_OFF)
_FABLE_5_1 = _row("fable", _NEVER_OFF, forced_tools=False)
_MYTHOS = _row("mythos", _NEVER_OFF)
_MYTHOS_5_1 = _row("mythos", _NEVER_OFF, forced_tools=False)
_OPUS_4_5 = _row("opus", _4_5, "low medium high", "2025-11-01", size=_SMALL)
_SONNET_4_5 = _row("sonnet", _4_5, "", "2025-09-29", size=_SMALL)
_HAIKU_4_5 = _row("haiku", _4_5, "", "2025-10-01", size=_SMALL)

_ROWS: Mapping[str, Traits] = MappingProxyType(
    {
        "claude-fable-5-2": _FABLE,
        "claude-mythos-5-2": _MYTHOS,
        "claude-haiku-5-5": _row("haiku", _SINCE_4_7, calm_at_most_high=True),
        "claude-sonnet-5-5": _row(
            "sonnet",
            "adaptive between_tools",
            released="2026-09-28",
            forced_tools=False,
            calm_at_most_high=True,
        ),
        "claude-fable-5-1": _FABLE_5_1,
        "claude-mythos-5-1": _MYTHOS_5_1,
        "claude-fable-5": _FABLE,
        "claude-opus-5-5": _row("opus", _NEVER_OFF, released="2026-09-22", forced_tools=False),
        "claude-sonnet-5": _row("sonnet", _SINCE_4_7, released="2026-06-30"),
        "claude-opus-5": _row("opus", _SINCE_4_7, released="2026-07-24", calm_at_most_high=True),
        "claude-opus-4-8": _row("opus", _SINCE_4_7),
        "claude-opus-4-7": _row("opus", _SINCE_4_7),
        "claude-opus-4-6": _row("opus", _4_6, "low medium high max"),
        "claude-sonnet-4-6": _row("sonnet", _4_6, "low medium high max"),
        "claude-opus-4-5": _OPUS_4_5,
        "claude-opus-4-5-20251101": _OPUS_4_5,
        "claude-sonnet-4-5": _SONNET_4_5,
        "claude-sonnet-4-5-20250929": _SONNET_4_5,
        "claude-haiku-4-5": _HAIKU_4_5,
        "claude-haiku-4-5-20251001": _HAIKU_4_5,
    }
)


def traits_of(model_id: str) -> Traits:
    """The row of an offered model; KeyError for any other."""
    return _ROWS[model_id]
