"""The draw that decides by chance what must be the same in every run.

This prevents a run that cannot be repeated. The rule: a draw depends on the seed, a name, and the
request's own key and attempt, and on nothing that varies from run to run.
"""

from __future__ import annotations

import hashlib


def draw(seed: int, name: str, key: str, attempt: int) -> float:
    """A number in [0, 1), uniform over keys and attempts, the same in every run."""
    identity = repr((seed, name, key, attempt)).encode(errors="surrogatepass")
    drawn = hashlib.blake2b(identity, digest_size=8).digest()
    return (int.from_bytes(drawn, "big") >> 11) / (1 << 53)
