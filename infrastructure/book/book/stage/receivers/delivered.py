"""What Alertmanager posts to a webhook becomes alerts.

This prevents an alert that counts as sent because a rule fired: it counts when it arrives.
"""

from __future__ import annotations

import json

from pydantic import BaseModel, ValidationError

from book.stage.receivers.bounds import Bounds, Refused
from book.story.telemetry import Alert


class _Alert(BaseModel):
    status: str
    labels: dict[str, str]
    annotations: dict[str, str] = {}


class _Delivery(BaseModel):
    """Version 4 of the webhook's message; what else it holds is left out."""

    receiver: str
    alerts: list[_Alert]


def alerts_in(body: bytes, bounds: Bounds, at_s: float) -> list[Alert]:
    """The alerts of one delivery, which came at ``at_s``. Refused if it is none."""
    try:
        delivery = _Delivery.model_validate(json.loads(body))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise Refused(400, f"no delivery of Alertmanager: {where}: {first['msg']}") from None
    except (ValueError, RecursionError):
        raise Refused(400, "no delivery of Alertmanager: it is no JSON") from None

    def cut(texts: dict[str, str]) -> dict[str, str]:
        return {name: text[: bounds.text_chars] for name, text in texts.items()}

    return [
        Alert(
            name=each.labels.get("alertname", ""),
            status=each.status,
            at_s=at_s,
            receiver=delivery.receiver,
            labels=cut(each.labels),
            annotations=cut(each.annotations),
        )
        for each in delivery.alerts
    ]
