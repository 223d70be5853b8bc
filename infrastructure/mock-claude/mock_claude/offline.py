"""Where an agent finds the simulator: the variables that every step of the book reads.

This prevents an offline run that reaches the internet because one address was forgotten, and one
that reaches nothing because a proxy is asked for what runs on this machine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from mock_claude import paths

NO_PROXY = {"NO_PROXY": "*", "no_proxy": "*"}  # the system's settings, too, have no say then


def without_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """The same variables without those that name a proxy, in capitals or not.

    To exempt this machine's addresses is not enough: a client that knows no SOCKS fails before it
    asks anybody.
    """
    kept = {k: v for k, v in environment.items() if not k.lower().endswith("_proxy")}
    return kept | NO_PROXY


def forget_proxies() -> None:
    """From now on nothing in this process, or that it starts, asks a proxy."""
    kept = without_proxies(os.environ)
    for name in set(os.environ) - kept.keys():
        del os.environ[name]
    os.environ.update(NO_PROXY)


def offline_environment(url: str) -> dict[str, str]:
    """The variables that point an agent at the simulator at ``url`` instead of the internet."""
    return {
        "ANTHROPIC_API_KEY": "sk-ant-offline",
        "ANTHROPIC_BASE_URL": url,
        "AGENT_SEARCH_URL": f"{url}{paths.SEARCH}",
        "AGENT_GEOCODING_URL": f"{url}{paths.GEOCODING}",
        "AGENT_FORECAST_URL": f"{url}{paths.FORECAST}",
    }
