"""Which names an agent refuses, and which it leaves to the platform it runs on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BASELINE = ROOT / "reference-agent"
COMPLETE = ROOT / "chapters" / "chapter-02-reliability" / "complete"
READ = "from config import Settings; Settings.from_env(); print('read')"
# Kubernetes makes these for Services called agent, agent-api and agent-retry, in every pod.
PLATFORM = {
    "AGENT_SERVICE_HOST": "10.96.0.7",
    "AGENT_SERVICE_PORT": "80",
    "AGENT_SERVICE_PORT_HTTP": "80",
    "AGENT_PORT": "tcp://10.96.0.7:80",
    "AGENT_PORT_80_TCP": "tcp://10.96.0.7:80",
    "AGENT_PORT_80_TCP_PROTO": "tcp",
    "AGENT_PORT_80_TCP_PORT": "80",
    "AGENT_PORT_80_TCP_ADDR": "10.96.0.7",
    "AGENT_API_SERVICE_HOST": "10.96.0.8",
    "AGENT_API_SERVICE_PORT_DNS_UDP": "53",
    "AGENT_API_PORT": "udp://10.96.0.8:53",
    "AGENT_API_PORT_53_UDP_ADDR": "10.96.0.8",
    "AGENT_RETRY_PORT": "sctp://[fd00::7]:9",
    "AGENT_RETRY_PORT_9_SCTP": "sctp://[fd00::7]:9",
}
WRONG = {
    "AGENT_LISTEN_PORT": "8080",
    "AGENT_PORT": "8080",
    "AGENT_API_PORT": "http://x_SERVICE_HOST=:1",
    "AGENT_SERVICE": "x",
    "AGENT_SERVICE_PORTS": "80",
    "AGENT_SERVICEHOST": "x",
    "AGENT_PORT_TCP": "x",
    "AGENT_PORT_80_HTTP": "x",
    "AGENT_MODLE": "tcp://x",
    "AGENT_NOTE": "a=_SERVICE_HOST=",
}


def reads(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    ours = ("AGENT_", "ANTHROPIC_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    command = [sys.executable, "-c", READ]
    return subprocess.run(
        command, cwd=folder, env=clean | variables, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("folder", [BASELINE, COMPLETE], ids=lambda path: path.name)
def test_what_kubernetes_sets_for_services_called_agent_is_no_typing_mistake(folder: Path) -> None:
    assert reads(folder, **PLATFORM).stdout == "read\n"


def test_every_other_unknown_name_is_refused() -> None:
    told = reads(COMPLETE, **PLATFORM | WRONG)
    assert told.returncode == 1
    named = told.stderr.split("unknown: ")[-1].split(". Allowed")[0].split(", ")
    assert named == sorted(WRONG), "and what is only like it is not the platform's"
