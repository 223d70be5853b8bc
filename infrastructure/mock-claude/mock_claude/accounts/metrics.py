"""What the simulator counts, in Prometheus's text format 0.0.4.

This prevents a scrape that grows for ever, or that disagrees with the log. The rule: an exchange
is counted when it enters the log, and labels have bounds: a path of no route, a model that is not
offered, a fault or an account beyond the first few hundred are all ``other``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal

from mock_claude import paths
from mock_claude.accounts.exchanges import Exchange
from mock_claude.api import catalog

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_PATHS = frozenset(
    {
        paths.MESSAGES,
        paths.COUNT_TOKENS,
        paths.MODELS,
        paths.LENIENT + paths.MESSAGES,
        *paths.SERVICES,
    }
)
_MOST_FAULTS = 200
_MOST_ACCOUNTS = 200
_OTHER = "other"


class Metrics:
    """Counters over all exchanges since the start or the last reset."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, int, str]] = Counter()
        self._account_tokens: Counter[tuple[str, str, str]] = Counter()
        self._account_cost: dict[tuple[str, str], Decimal] = {}
        self._accounts: set[str] = set()
        self._faults: set[str] = set()

    def count(self, exchange: Exchange) -> None:
        """Add one finished exchange."""
        path = exchange.path if exchange.path in _PATHS else _OTHER
        self._requests[path, exchange.status, self._fault(exchange.fault)] += 1
        if not exchange.cost_usd:
            return
        model = exchange.model if exchange.model in catalog.PRICES else _OTHER
        assert model is not None
        account = self._account(exchange.account)
        own = (account, model)
        self._account_cost[own] = self._account_cost.get(own, Decimal(0)) + exchange.cost_usd
        for kind, tokens in (
            ("input", exchange.input_tokens),
            ("output", exchange.output_tokens),
            ("cache_creation", exchange.cache_creation_input_tokens),
            ("cache_read", exchange.cache_read_input_tokens),
        ):
            self._account_tokens[account, model, kind] += tokens

    def _fault(self, name: str | None) -> str:
        if name is None:
            return ""
        if name not in self._faults and len(self._faults) >= _MOST_FAULTS:
            return _OTHER
        self._faults.add(name)
        return name

    def _account(self, name: str) -> str:
        if name not in self._accounts and len(self._accounts) >= _MOST_ACCOUNTS:
            return _OTHER
        self._accounts.add(name)
        return name

    def text(self, in_flight: int, dropped: int) -> str:
        """The exposition, one family after the other, in a stable order."""
        return "".join(self._lines(in_flight, dropped))

    def _lines(self, in_flight: int, dropped: int) -> Iterator[str]:
        yield _head("requests_total", "counter", "Finished requests; status 0: no answer began.")
        for (path, status, fault), count in sorted(self._requests.items()):
            labels = {"path": path, "status": str(status), "fault": fault}
            yield _sample("requests_total", count, labels)
        yield _head("tokens_total", "counter", "Billed tokens.")
        all_tokens = Counter[tuple[str, str]]()
        for (_, model, kind), count in self._account_tokens.items():
            all_tokens[model, kind] += count
        for (model, kind), count in sorted(all_tokens.items()):
            yield _sample("tokens_total", count, {"model": model, "kind": kind})
        yield _head("cost_usd_total", "counter", "What was billed, in US dollars.")
        all_cost = dict[str, Decimal]()
        for (_, model), cost in self._account_cost.items():
            all_cost[model] = all_cost.get(model, Decimal(0)) + cost
        for model, cost in sorted(all_cost.items()):
            yield _sample("cost_usd_total", format(cost, "f"), {"model": model})
        yield _head("account_tokens_total", "counter", "Billed tokens, by account.")
        for (account, model, kind), count in sorted(self._account_tokens.items()):
            labels = {"account": account, "model": model, "kind": kind}
            yield _sample("account_tokens_total", count, labels)
        yield _head("account_cost_usd_total", "counter", "What was billed, by account.")
        for (account, model), cost in sorted(self._account_cost.items()):
            labels = {"account": account, "model": model}
            yield _sample("account_cost_usd_total", format(cost, "f"), labels)
        yield _head("requests_in_flight", "gauge", "Requests that have arrived and not ended.")
        yield _sample("requests_in_flight", in_flight)
        yield _head("log_dropped_total", "counter", "Exchanges that the log forgot.")
        yield _sample("log_dropped_total", dropped)


def _head(name: str, kind: str, help_text: str) -> str:
    return f"# HELP mock_claude_{name} {help_text}\n# TYPE mock_claude_{name} {kind}\n"


def _sample(name: str, value: object, labels: Mapping[str, str] | None = None) -> str:
    written = ",".join(f'{key}="{_escaped(text)}"' for key, text in (labels or {}).items())
    return (
        f"mock_claude_{name}{{{written}}} {value}\n" if written else f"mock_claude_{name} {value}\n"
    )


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
