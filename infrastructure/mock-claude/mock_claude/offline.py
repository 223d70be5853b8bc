"""Where an agent finds the simulator: the variables that every step of the book reads.

This prevents an offline run that reaches the internet because one address was forgotten.
"""

from __future__ import annotations

from mock_claude import paths


def offline_environment(url: str) -> dict[str, str]:
    """The variables that point an agent at the simulator at ``url`` instead of the internet."""
    return {
        "ANTHROPIC_API_KEY": "sk-ant-offline",
        "ANTHROPIC_BASE_URL": url,
        "AGENT_SEARCH_URL": f"{url}{paths.SEARCH}",
        "AGENT_GEOCODING_URL": f"{url}{paths.GEOCODING}",
        "AGENT_FORECAST_URL": f"{url}{paths.FORECAST}",
    }
