"""A simulated Claude API: an HTTP server in the real API's shapes, with faults on request.

The names load on first use. Every pytest run imports this package through the plugin's entry
point, so an eager import would tax test runs that never start a simulator.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mock_claude.accounts.ledger import Exchange
    from mock_claude.errors import FaultScriptError
    from mock_claude.faults.fault_script import FaultScript
    from mock_claude.server import Simulator

__all__ = ["Exchange", "FaultScript", "FaultScriptError", "Simulator"]

_HOMES = {
    "Exchange": "mock_claude.accounts.ledger",
    "FaultScript": "mock_claude.faults.fault_script",
    "FaultScriptError": "mock_claude.errors",
    "Simulator": "mock_claude.server",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
