"""What may change while the server runs: the script, the seed, and all that a reset forgets.

This prevents a second experiment on one server from inheriting the first one's traces. The rule:
whatever remembers is here, so that ``reset`` forgets it whole: log, counts, attempts, prompt
cache, windows, limits, spending. The script stays; it is replaced on its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial

from starlette.types import ASGIApp

from mock_claude.accounts.accounts import Accounts
from mock_claude.accounts.ledger import Entry, Ledger
from mock_claude.api import app, batches_api, catalog, lenient_batches
from mock_claude.aside.process import Aside
from mock_claude.batches import answering
from mock_claude.batches.worker import Batches
from mock_claude.faults import keys
from mock_claude.faults.fault_script import FaultScript
from mock_claude.model import stories
from mock_claude.model.reply import Reply
from mock_claude.world.telemetry import Telemetry
from mock_claude.world.world import World

OnTask = Callable[[str, tuple[str, int] | None], None]


class Stage:
    """The running state of one simulator. ``clock`` gives seconds."""

    api: ASGIApp
    world: World
    batches: Batches | None = None

    def __init__(
        self,
        seed: int,
        script: FaultScript,
        model: app.Model,
        clock: Callable[[], float],
        log_limit: int,
        on_task: OnTask | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        self.script = script
        self.telemetry = telemetry or Telemetry()
        self.on_task = on_task
        self.ledger = Ledger(log_limit, clock)
        self._model = model
        self._clock = clock
        self.aside = Aside()
        self.reset(seed)

    def reset(self, seed: int) -> None:
        """Begin anew with this seed, as a new simulator would, but with the script as it is."""
        self.seed = seed
        self.ledger.reset()
        self.attempts = keys.Attempts()
        self.played: Counter[str] = Counter()
        self.world = World(seed)
        self.accounts = Accounts(self._clock)
        if self.batches is not None:
            self.batches.close()
        self.batches = Batches(self._clock, partial(answering.answer, self))
        routes = batches_api.routes(self, self.batches)
        routes += lenient_batches.routes(self.accounts.moments, self._clock)
        self.api = app.build(self.world, self.reply, self.accounts, routes, self.telemetry)

    def close(self) -> None:
        """Stop what works on its own, for good."""
        self.aside.close()
        if self.batches is not None:
            self.batches.close()

    def began(self, entry: Entry) -> None:
        """An answer has begun: what its request wrote to the prompt cache can be read."""
        self.accounts.began(entry.usage)

    def limit_head(self, entry: Entry) -> bytes:
        """What the head of an answer to a model request says of rate limits."""
        model = None if entry.model is None else catalog.lookup(entry.model)
        return self.accounts.limits.head(entry.account.workspace, model)

    def reply(self, request: Mapping[str, object]) -> Reply:
        """The model's turn, or that of the first script that has something to say."""
        name, reply = stories.reply(self.script.scripts, self.seed, self._model, request)
        if name is not None:
            self.played[name] += 1
        return reply
