"""All that is checked in the body of a request, in the API's order.

This prevents a request from being judged in two ways: whether it comes alone, in a batch, or is so
long that another process reads it, these are its checks. ``given`` is a body as it came, ``named``
the betas that came with it. Whatever refuses raises ApiError. Texts that only batches know are
recorded of the API (2026-09-02); the one about speed is ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mock_claude.api import (
    betas,
    cache_rules,
    catalog,
    media_rules,
    model_rules,
    request_rules,
    schema_rules,
    thinking_rules,
    validation,
)
from mock_claude.errors import ApiError


def model_of(model_id: str) -> catalog.Model:
    """The model of that id; ApiError 404 if it is not offered."""
    model = catalog.lookup(model_id)
    if model is None:
        raise ApiError(404, f"model: {model_id}")
    return model


def check_create(
    given: dict[str, object], version: str, named: Sequence[str] = ()
) -> catalog.Model:
    """The model that a request for a message asks; ApiError with the first thing wrong in it."""
    return check_plain(betas.plain(given, named), given, version)


def check_plain(raw: dict[str, object], given: Mapping[str, object], version: str) -> catalog.Model:
    """As ``check_create``, where ``raw``, the body without what its betas open, is known."""
    asked = validation.check_body(raw, version)
    model = model_of(asked.model)
    _check_across(asked, raw, model, given)
    request_rules.check_stop_sequences(asked.stop_sequences)
    return model


def check_count(given: dict[str, object], version: str, named: Sequence[str] = ()) -> None:
    """ApiError with the first thing that is wrong in a request to count tokens."""
    raw = betas.plain(given, named)
    asked = validation.check_prompt(raw, version)
    _check_across(asked, raw, model_of(asked.model), given)


def check_in_batch(
    given: dict[str, object], version: str, named: Sequence[str] = ()
) -> catalog.Model:
    """The model that a request of a batch asks; ApiError with the first thing that is wrong."""
    if given.get("stream") is True:
        raise ApiError(400, '"stream=True" is not supported in the Message Batches API')
    if given.get("thread") is not None:
        raise ApiError(
            400,
            "thread: is not supported in the Message Batches API",
            error_code="thread_unsupported_request",
        )
    model = check_create(given, version, named)
    if given.get("max_tokens") == 0:
        raise ApiError(400, "max_tokens: must be greater than or equal to 1")
    if given.get("speed") == "fast":
        raise ApiError(400, "speed: 'fast' is not supported in the Message Batches API")
    return model


def _check_across(
    asked: validation.Prompt,
    raw: Mapping[str, object],
    model: catalog.Model,
    given: Mapping[str, object],
) -> None:
    """ApiError 400 for the first rule across fields that is broken.

    ``raw`` is what was given without what its betas open.
    """
    cache_rules.check_texts(asked, isinstance(raw.get("system"), list))
    request_rules.check(asked)
    is_old = "output_format" in given
    schema_rules.check(raw, "output_format.schema" if is_old else schema_rules.FORMAT)
    cache_rules.check(asked)
    model_rules.check(asked, model)
    thinking_rules.check(asked)
    media_rules.check(asked)
