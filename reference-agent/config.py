"""The agent's settings: environment variables, or the ``.env`` file beside this one.

A real variable wins over the file. A misspelt ``AGENT_`` name is refused, so that a setting that
nobody reads never looks as if it worked.
"""

import os
import re
from pathlib import Path
from typing import Annotated

from dotenv import dotenv_values
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

HERE = Path(__file__).resolve().parent
Url = Annotated[str, Field(pattern=r"^https?://(\S+@)?([\w.-]+|\[[:\w]+\])(:\d{1,5})?(/[!-~]*)?$")]
# What Kubernetes sets in each pod for a Service called agent, agent-api or the like: not ours.
OWN = r"(?i)(?!\w+_(SERVICE_(HOST|PORT(_\w+)?)=|PORT(_\d+_|=)(TCP|UDP|SCTP)[_=:]))AGENT_"


class SettingsError(ValueError):
    """A setting is unknown, wrong or missing. The text names it and what is allowed."""


def variable(*place: str) -> str:
    """The variable of a field, or of a field in a nested policy: ``AGENT_RETRY__BASE_S``."""
    return re.sub("^(?!ANTHROPIC_|AGENT_)", "AGENT_", "__".join(place).upper())


class Settings(BaseModel, extra="forbid"):
    """Everything that can differ between two places where this agent runs."""

    model_config = ConfigDict(frozen=True, alias_generator=variable, validate_by_name=True)

    anthropic_api_key: SecretStr = SecretStr("")
    anthropic_base_url: Url = "https://api.anthropic.com"
    model: Annotated[str, Field(min_length=1)] = "claude-sonnet-5-5"
    max_tokens: Annotated[int, Field(ge=1, le=20_000)] = 1024
    search_url: Url = "https://en.wikipedia.org/w/api.php"
    geocoding_url: Url = "https://geocoding-api.open-meteo.com/v1/search"
    forecast_url: Url = "https://api.open-meteo.com/v1/forecast"
    notes_file: Path = HERE / "notes.jsonl"

    @classmethod
    def variables(cls) -> set[str]:
        """The names of all variables that :meth:`from_env` reads."""
        return {variable(name) for name in cls.model_fields}

    @classmethod
    def from_env(cls) -> "Settings":
        """Read the settings; raises :class:`SettingsError`, which never repeats a value."""
        known = cls.variables()
        given = {**dotenv_values(HERE / ".env"), **os.environ}.items()
        if wrong := sorted({n.upper() for n, v in given if re.match(OWN, f"{n}={v}")} - known):
            raise SettingsError(f"unknown: {', '.join(wrong)}. Allowed: {', '.join(sorted(known))}")
        try:
            return _FromEnv()
        except ValidationError as error:
            wrong = [f"{variable(*map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            raise SettingsError("; ".join(wrong)) from None


class _FromEnv(BaseSettings, Settings):
    model_config = SettingsConfigDict(env_prefix="AGENT_", env_file=HERE / ".env", extra="ignore")
