"""All that is checked in the body of a request, in the API's order.

This prevents a request from being judged in two ways: whether it comes alone, in a batch, or is so
long that another process reads it, these are its checks. Whatever refuses raises ApiError. Texts
that only batches know are recorded of the API (2026-09-02); the one about speed is ours.
"""

from __future__ import annotations

from mock_claude.api import cache_rules, catalog, model_rules, request_rules, validation
from mock_claude.errors import ApiError


def model_of(model_id: str) -> catalog.Model:
    """The model of that id; ApiError 404 if it is not offered."""
    model = catalog.lookup(model_id)
    if model is None:
        raise ApiError(404, f"model: {model_id}")
    return model


def check_create(raw: dict[str, object], version: str) -> catalog.Model:
    """The model that a request for a message asks; ApiError with the first thing wrong in it."""
    asked = validation.check_body(raw, version)
    model = model_of(asked.model)
    request_rules.check(asked)
    request_rules.check_stop_sequences(asked.stop_sequences)
    cache_rules.check(asked)
    model_rules.check(asked, model)
    return model


def check_count(raw: dict[str, object], version: str) -> None:
    """ApiError with the first thing that is wrong in a request to count tokens."""
    asked = validation.check_prompt(raw, version)
    model = model_of(asked.model)
    request_rules.check(asked)
    cache_rules.check(asked)
    model_rules.check(asked, model)


def check_in_batch(raw: dict[str, object], version: str) -> catalog.Model:
    """The model that a request of a batch asks; ApiError with the first thing that is wrong."""
    if raw.get("stream") is True:
        raise ApiError(400, '"stream=True" is not supported in the Message Batches API')
    model = check_create(raw, version)
    if raw.get("max_tokens") == 0:
        raise ApiError(400, "max_tokens: must be greater than or equal to 1")
    if raw.get("speed") == "fast":
        raise ApiError(400, "speed: 'fast' is not supported in the Message Batches API")
    return model
