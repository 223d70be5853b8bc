"""Whose request it is: an account by its key, and the workspace it belongs to.

This prevents one team's limits, cache and batches from being another's. The rules: a key that no
``[[account]]`` names is an account and a workspace of its own; keys of one workspace share limits,
cache and batches (documented as "isolated per workspace"), never a spend limit. An account is
known by its name, or by a hash of its key: no key stands in a log.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from mock_claude.errors import ApiError

_MOST = 20_000  # keys and bills remembered
_FORGET = 2_000  # at once, when there are more


@dataclass(frozen=True)
class Account:
    """One account: an ``[[account]]`` of the script, or what a key gets without one."""

    key: str
    name: str
    workspace: str
    spend_limit_usd: Decimal | None = None


@dataclass(frozen=True)
class Limit:
    """One ``[[limit]]``: what a workspace may use of the models that ``model`` (a glob) matches.

    ``ramp``: how many times as many requests ten seconds may have as the ten before them.
    """

    model: str
    requests_per_minute: int | None = None
    input_tokens_per_minute: int | None = None
    output_tokens_per_minute: int | None = None
    ramp: float | None = None


def account(
    key: str, name: str | None, workspace: str | None, spend_limit_usd: Decimal | None
) -> Account:
    """An account; what is None is made from a hash of the key."""
    known_by = hashlib.blake2b(key.encode(errors="surrogatepass"), digest_size=6).hexdigest()
    return Account(
        key,
        sys.intern(name or f"acct_{known_by}"),
        sys.intern(workspace or f"wrkspc_{known_by}"),
        spend_limit_usd,
    )


NOBODY = Account("", "", "")
"""Whoever shows no key."""


class Tenants:
    """Accounts by key, and what each has spent since the start or the last reset."""

    def __init__(self) -> None:
        self._rows: Sequence[Account] = ()
        self._by_key: dict[str, Account] = {"": NOBODY}
        self._spent: dict[str, Decimal] = {}

    def of(self, key: str, rows: Sequence[Account]) -> Account:
        """The account of a key, by the script's rows as they are now."""
        if rows is not self._rows:
            self._rows = rows
            self._by_key = {"": NOBODY, **{each.key: each for each in rows}}
        found = self._by_key.get(key)
        if found is None:
            if len(self._by_key) >= _MOST + len(rows):
                self._by_key = {"": NOBODY, **{each.key: each for each in rows}}
            found = self._by_key[key] = account(key, None, None, None)
        return found

    def spend(self, account: Account, cost_usd: Decimal) -> None:
        """Add to an account's bill."""
        spent = self._spent.pop(account.name, Decimal(0))
        self._spent[account.name] = spent + cost_usd  # to the end: the last to be forgotten
        if len(self._spent) > _MOST:
            for name in list(self._spent)[:_FORGET]:
                del self._spent[name]

    def check_spend(self, account: Account) -> None:
        """ApiError 429 without retry-after once the account's spend limit is reached."""
        limit = account.spend_limit_usd
        if limit is not None and self._spent.get(account.name, Decimal(0)) >= limit:
            raise ApiError(
                429,
                "You have reached your specified API usage limits: "
                f"{limit:f} USD are spent. You will regain access when the limit is raised.",
                error_code="enforced_spend_limit_reached",
            )

    @property
    def spent(self) -> Mapping[str, Decimal]:
        """US dollars by account."""
        return dict(self._spent)
