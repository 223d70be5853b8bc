"""A person at ``make agent``: an environment with proxies and a key, and what it is asked."""

from __future__ import annotations

import os

from mock_claude import Simulator

DEAD = "http://127.0.0.1:9"
WITH_PASSWORD = "http://me:secret@127.0.0.1:9"  # pragma: allowlist secret
PROXIES = [
    {"HTTP_PROXY": DEAD, "HTTPS_PROXY": DEAD},
    {"http_proxy": DEAD, "https_proxy": DEAD, "no_proxy": "example.org"},
    {"ALL_PROXY": "socks5://127.0.0.1:9"},
    {"all_proxy": "socks5h://127.0.0.1:9", "NO_PROXY": "localhost"},
]
TASK = "What is 23*19, and what is the weather in Oslo?"


def environment(**variables: str) -> dict[str, str]:
    ours = ("ANTHROPIC_", "AGENT_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    kept = {k: v for k, v in kept.items() if not k.lower().endswith("_proxy")}
    return {**kept, "NO_COLOR": "1", **variables}


def own_key(simulator: Simulator) -> dict[str, str]:
    """What a person sets for ``--live``, here with a simulator in the place of all services."""
    return {
        "ANTHROPIC_API_KEY": "sk-ant-mine",
        "ANTHROPIC_BASE_URL": simulator.url,
        "AGENT_SEARCH_URL": simulator.search_url,
        "AGENT_GEOCODING_URL": simulator.geocoding_url,
        "AGENT_FORECAST_URL": simulator.forecast_url,
    }
