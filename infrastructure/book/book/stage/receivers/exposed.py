"""What a process exposes at /metrics becomes samples, with their exemplars.

This prevents figures that no Prometheus could read: the text is parsed by the parsers of
prometheus-client, by the format that the process says it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain_text

from book.stage.receivers.bounds import Refused
from book.story.telemetry import Exemplar, Sample

OPEN_METRICS = "application/openmetrics-text"
ACCEPT = f"{OPEN_METRICS};version=1.0.0,text/plain;version=0.0.4;q=0.5"  # exemplars are in one


def samples_in(
    text: str, content_type: str, source: str, at_s: float, offset_s: float
) -> list[Sample]:
    """The samples of one scrape at ``at_s``; exemplars are moved by ``offset_s``. Refused if the
    text is not what it says."""
    parse: Any = open_metrics if content_type.startswith(OPEN_METRICS) else plain_text
    try:
        families = list(parse(text))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        kind = "OpenMetrics" if parse is open_metrics else "Prometheus text"
        raise Refused(400, f"/metrics of {source} is no {kind}: {str(error)[:200]}") from None
    labels = _Shared()
    return [
        Sample(
            source,
            at_s,
            sample.name,
            labels.one(sample.labels),
            float(sample.value),
            _exemplar(sample.exemplar, offset_s),
        )
        for family in families
        for sample in _with_values(family.samples)
    ]


def _with_values(samples: Iterable[Any]) -> Iterable[Any]:
    """Native histograms have no value; the harness reads none."""
    return (sample for sample in samples if isinstance(sample.value, int | float))


def _exemplar(told: Any, offset_s: float) -> Exemplar | None:
    if not told:
        return None
    at_s = None if told.timestamp is None else float(told.timestamp) + offset_s
    return Exemplar(dict(told.labels), float(told.value), at_s)


class _Shared:
    """Equal labels are one object: a registry repeats its few for every bucket."""

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}

    def one(self, labels: dict[str, str]) -> Mapping[str, str]:
        return self._known.setdefault(tuple(labels.items()), labels)
