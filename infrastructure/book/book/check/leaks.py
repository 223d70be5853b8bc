"""A rule on secrets: no file holds a key, whatever service it opens.

Prevents the key that is in the history for good once it was pushed. CI asks detect-secrets, too;
this is what a person hears before the commit. A line that must look like a key, such as a test of
this rule, says ``pragma: allowlist secret``, as for detect-secrets.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import PurePosixPath

from book.chain.chain import Book
from book.chain.sources import sources
from book.check.finding import Finding

ALLOWED = "pragma: allowlist secret"
ALLOWED_NEXT = "pragma: allowlist nextline secret"
PRIVATE = "a private key"
KEYS = {
    PRIVATE: r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----",
    "an Anthropic key": r"sk-ant-(?:api|admin|oat|sid)?\d*-?[A-Za-z0-9_-]{16,}",
    "an OpenAI key": r"sk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{20,}",
    "an AWS key": r"(?:AKIA|ASIA|AGPA|AIDA|AROA|ABIA|ACCA)[A-Z0-9]{16}",
    "a GitHub token": r"(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{22,})",
    "a GitLab token": r"gl(?:pat|dt|ft|rt|soat)-[A-Za-z0-9_-]{20,}",
    "a Slack token": r"xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-\d-[A-Za-z0-9-]{10,}",
    "a Slack webhook": r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/_]{20,}",
    "a Discord webhook": r"discord(?:app)?\.com/api/webhooks/\d+/[\w-]{20,}",
    "a Google key": r"AIza[A-Za-z0-9_-]{35}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}",
    "a Stripe key": r"(?:sk|rk|whsec)_(?:live|test)?_?[A-Za-z0-9]{20,}",
    "a SendGrid key": r"SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}",
    "a Twilio key": r"SK[0-9a-f]{32}|AC[0-9a-f]{32}",
    "an npm token": r"npm_[A-Za-z0-9]{36}",
    "a PyPI token": r"pypi-AgE[A-Za-z0-9_-]{30,}",
    "a Hugging Face token": r"hf_[A-Za-z0-9]{30,}",
    "a DigitalOcean token": r"do[opr]_v1_[0-9a-f]{64}",
    "an Azure key": r"AccountKey=[A-Za-z0-9+/=]{40,}",
    "a JSON web token": r"eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "a password in a URL": r"[a-z][a-z0-9+.-]*://[^\s/:@\"'`<>{}$]*:(?P<value>[^\s/:@\"'`<>{}$]{3,})@",
}
SHAPES = {
    what: re.compile(rf"(?<![A-Za-z0-9_]){shape}" if what != PRIVATE else shape)
    for what, shape in KEYS.items()
}
BEGINNING = re.compile(
    r"-----BEGIN|sk[-_]|rk_|whsec_|A[KSGIRBC][IPDOC]A|gh[pousr]_|github_pat|gl[a-z]{2,4}-|xox|xapp-|"
    r"hooks\.slack|/webhooks/|AIza|ya29\.|GOCSPX|SG\.|SK[0-9a-f]|AC[0-9a-f]|npm_|pypi-|hf_|do[opr]_v1|"
    r"AccountKey|eyJ|://[^\s/]*@"
)
# name = "value", NAME: value, --name value: a value that looks drawn by chance.
ASSIGNED = re.compile(
    r"(?P<name>(?:key|token|secret|passw(?:or)?d|passphrase|credential|auth|signature)[\w.-]*)"
    r"[\"']?[ \t]*(?::=|=>|[:=]|[ \t])[ \t]*(?:Bearer |Basic )?[\"']?"
    r"(?P<value>[A-Za-z0-9+/=_.~-]{16,})",
    re.IGNORECASE,
)
HEX = re.compile(r"[0-9a-f]+", re.IGNORECASE)
LEAST_BITS, LEAST_BITS_HEX = 3.7, 3.0  # of entropy per character, beside digits and letters
# A file that is a secret by its name.
FILES = re.compile(
    r"(?:^|/)(?:\.env(?:\.(?!example$|sample$|template$).+)?|\.netrc|\.pypirc|\.npmrc|\.pgpass|"
    r"id_(?:rsa|dsa|ecdsa|ed25519)|.+\.(?:pem|key|p12|pfx|jks|keystore|kdbx)|"
    r"credentials(?:\.json)?|service[-_]account.*\.json)$",
    re.IGNORECASE,
)
PLACEHOLDER = re.compile(r"\.\.\.|…|x{4,}|\*{3,}|example|placeholder|your[-_]|dummy|invalid", re.I)
HASHES = {"uv.lock"}  # full of what looks drawn by chance, and is


def secrets(book: Book) -> Iterator[Finding]:
    """No tracked file holds a key of a known shape, or a name of one beside a drawn value."""
    read = sources(book)
    for name in read.names:
        if FILES.search(name):
            yield Finding(
                f"{PurePosixPath(name).name} is a file for secrets",
                name,
                f"git rm --cached {name}, add it to .gitignore, and change what was in it",
            )
        if name in HASHES:
            continue
        text = read.text(name) or ""
        lines = text.splitlines()
        for line, what in read.once((_found, text), partial(_lines, text)):
            shown, above = lines[line - 1], lines[line - 2] if line > 1 else ""
            if ALLOWED not in shown and ALLOWED_NEXT not in above:
                yield Finding(
                    f"this looks like {what}",
                    f"{name}:{line}",
                    "take it out and change it where it was issued; if it opens nothing, "
                    f"say `{ALLOWED}` on the line",
                )


def _lines(text: str) -> list[tuple[int, str]]:
    return sorted(set(_found(text)))


def _found(text: str) -> Iterator[tuple[int, str]]:
    """What looks like a secret, by line. The value is never shown."""
    if BEGINNING.search(text):  # most files have none of these; one look tells
        for what, shape in SHAPES.items():
            for found in shape.finditer(text):
                value = found.groupdict().get("value") or found[0]
                if not PLACEHOLDER.search(value) and (what == PRIVATE or _is_mixed(value)):
                    yield text.count("\n", 0, found.start()) + 1, what
    for found in ASSIGNED.finditer(text):
        value = found["value"].strip("=")
        if not PLACEHOLDER.search(value) and _is_drawn(value):
            line = text.count("\n", 0, found.start()) + 1
            yield line, f"a secret: a {found['name'].lower()} beside a value drawn by chance"


def _is_mixed(value: str) -> bool:
    """Whether a value is more than words or one repeated letter."""
    return len(set(value)) > 5 or len(value) < 12


def _is_drawn(value: str) -> bool:
    """Whether letters and digits are mixed as nobody writes them."""
    if not (re.search(r"\d", value) and re.search(r"[A-Za-z]", value)):
        return False
    if re.fullmatch(
        r"[a-z]+(?:[-_.][a-z]+)*[-_.]?\d*|[a-z0-9_./-]*/[a-z0-9_./-]*|v?\d[\d.]*\w?", value
    ):
        return False  # words, a path, a version
    counted = Counter(value)
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counted.values())
    return bits >= (LEAST_BITS_HEX if HEX.fullmatch(value) else LEAST_BITS)
