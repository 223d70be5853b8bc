"""How long an answer takes: a constant, and a model that takes time for its tokens.

This prevents latency figures that no one could have caused. The rule: time to the first token and
time per token belong to a model; jitter is drawn from the seed and the request's own key, so that
it is the same in every run; only the part that grows with load depends on the moment. All of it is
off (0) unless a script's ``[latency]`` table, or control, says otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from mock_claude import paths
from mock_claude.faults.draws import draw


@dataclass(frozen=True)
class ModelLatency:
    """The speed of the models that the glob ``model`` matches; None: as for all."""

    model: str
    first_token_s: float | None = None
    per_token_s: float | None = None


@dataclass(frozen=True)
class Latency:
    """The ``[latency]`` table, in seconds. The first three are added to errors too."""

    messages_s: float = 0.0
    search_s: float = 0.0
    weather_s: float = 0.0
    first_token_s: float = 0.0
    per_token_s: float = 0.0
    per_in_flight_s: float = 0.0
    """Added to the first token for every other request in flight when this one arrived."""
    jitter: float = 0.0
    """0.2: each request's speed varies evenly between 0.8 and 1.2 times its own."""
    models: tuple[ModelLatency, ...] = ()
    """Exceptions, in order: the first whose glob matches."""

    def constant_s(self, path: str) -> float:
        """What every answer at this path takes at least."""
        if path == paths.MESSAGES:
            return self.messages_s
        if path == paths.SEARCH:
            return self.search_s
        return self.weather_s if path in paths.SERVICES else 0.0


@dataclass(frozen=True)
class Speed:
    """How fast one request is answered."""

    first_token_s: float = 0.0
    per_token_s: float = 0.0


INSTANT = Speed()


def speed(latency: Latency, seed: int, model: str, key: str, attempt: int, others: int) -> Speed:
    """The speed of one model request; ``others`` were in flight when it arrived."""
    own = next((each for each in latency.models if fnmatchcase(model, each.model)), None)
    first_s, token_s = latency.first_token_s, latency.per_token_s
    if own is not None:
        first_s = first_s if own.first_token_s is None else own.first_token_s
        token_s = token_s if own.per_token_s is None else own.per_token_s
    first_s += latency.per_in_flight_s * others
    if not (first_s or token_s):
        return INSTANT

    def jittered(seconds: float, name: str) -> float:
        drawn = draw(seed, f"latency {name}", key, attempt)
        return seconds * (1 + latency.jitter * (2 * drawn - 1))

    return Speed(jittered(first_s, "first"), jittered(token_s, "token"))


def to_json(latency: Latency) -> Mapping[str, object]:
    """The table as a script writes it, without what is off."""
    table: dict[str, object] = {
        name: value for name, value in vars(latency).items() if name != "models" and value
    }
    models = [
        {name: value for name, value in vars(each).items() if value is not None}
        for each in latency.models
    ]
    return {**table, "model": models} if models else table
