"""What can go wrong with a server, each with the way out.

TrialError
└── ServiceError        it does not start, or is not to be used
    ├── UnknownService  no server has this name
    ├── ServiceMissing  no program for it on this machine: what needs it is skipped by name
    └── ServiceDied     it ended while a trial used it
"""

from __future__ import annotations

from book.stage.simulating import TrialError


class ServiceError(TrialError):
    """A server does not start, or is not to be used; what it says names the way out."""


class UnknownService(ServiceError):
    """A name in ``services`` that no server has."""


class ServiceMissing(ServiceError):
    """No program for ``kind`` on this machine; ``install`` says how to get one."""

    def __init__(self, kind: str, why: str, install: str) -> None:
        super().__init__(f"{kind}: {why}; {install}")
        self.kind, self.why, self.install = kind, why, install


class ServiceDied(ServiceError):
    """A server ended while a trial used it."""
