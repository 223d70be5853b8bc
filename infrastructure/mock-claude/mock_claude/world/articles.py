"""The simulated encyclopedia: what a web search finds, fresh for every seed and subject.

Prevents an answer from memory: the figures exist only in the article, so a text that holds them
was read from the search's result. Rule: everything follows from the seed and the subject.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from mock_claude.model.reading.subjects import subject_of
from mock_claude.world import places


@dataclass(frozen=True)
class Article:
    """One page. ``facts`` are words of the extract that a faithful answer must hold."""

    page_id: int
    title: str
    extract: str
    facts: tuple[str, ...]


_LONGEST = 300
"""Characters of a query that count, as in MediaWiki's CirrusSearch."""

_FIRST_NAMES = (
    "Ada Anselm Beatrix Casimir Clara Cosima Desmond Edith Elias Emeric Fenella Florian Greta "
    "Hector Henrike Ida Isidor Jonas Josephine Klara Leopold Livia Magnus Marguerite Matthias "
    "Nadia Nikolai Odette Orla Otto Petra Quentin Rafael Rosalind Ruben Sabine Silvan Tamsin "
    "Theodor Ursula Viktor Wilhelmina Xenia Yorick Zelda"
)
_LAST_NAMES = (
    "Abernethy Ashgrove Bellweather Brandreth Caldecott Carrowmore Dalrymple Deverill Eastlake "
    "Falconer Featherby Galbraith Garrick Hathersage Hollister Inchbald Jessop Kettering Kilbride "
    "Lanyon Lockhart Marchbanks Merrow Nettlefold Northcote Okonedo Orchard Pemberton Penhaligon "
    "Quillfeather Ravensworth Rookwood Sandoval Sorensen Tattersall Thornbury Underhill Vasquez "
    "Venning Wainwright Whitlock Wycherley Yelverton Zeller"
)
_SYLLABLE_LIST = (
    "bar cal dor el fen gar hal is jor kel lan mar nor or pel quin ros sel tor ul ven wes"
)
_FIRST, _LAST = _FIRST_NAMES.split(), _LAST_NAMES.split()
_SYLLABLES = _SYLLABLE_LIST.split()
_STRUCTURE = re.compile(
    r"\b(viaduct|bridge|tunnel|dam|canal|aqueduct|tower|lighthouse|pier|wall|gate|castle|palace|"
    r"cathedral|church|temple|stadium|station|railway|tramway|road|harbour|funicular|observatory)\b"
)
_MACHINE = re.compile(r"\b(clock|engine|machine|organ|telescope|locomotive|bell|carousel|ship)\b")
_BODY = re.compile(
    r"\b(museum|society|company|institute|university|college|library|bank|club|orchestra|gallery|"
    r"academy|foundation|school|archive|theatre|hospital|garden|gardens|brewery|press)\b"
)
_TALL = re.compile(r"\b(tower|lighthouse|castle|cathedral|church|temple|observatory|palace)\b")
_CAPITAL = re.compile(r"capital(?:\s+city)?\s+of\s+(?P<of>.+)", re.IGNORECASE)
_CAPITAL_AFTER = re.compile(
    r"(?P<of>.+?)(?:['\u2019]s?)?\s+capital(?:\s+city)?(?:\s+name)?", re.IGNORECASE
)


def number(*parts: object) -> int:
    """A number that follows from the parts alone, on any machine and in any process."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:8], "big")


def _person(*parts: object) -> str:
    first = _FIRST[number("first", *parts) % len(_FIRST)]
    return f"{first} {_LAST[number('last', *parts) % len(_LAST)]}"


def _about(seed: int, title: str, *, kind: bool = True) -> Article:
    """An article about any subject: a year, a figure and a person that exist nowhere else.

    ``kind`` lets a word such as "bridge" in the title choose what the article tells.
    """
    name = places.key(title)
    year = str(1702 + number(seed, name, "year") % 290)
    figure = str(120 + number(seed, name, "figure") % 9700)
    person = _person(seed, name)
    if kind and _STRUCTURE.search(name):
        measure = "high" if _TALL.search(name) else "long"
        text = (
            f"The {title} was opened in {year}. It was designed by {person} "
            f"and is {figure} metres {measure}."
        )
    elif kind and _MACHINE.search(name):
        text = (
            f"The {title} was built in {year} by {person}. It weighs {figure} kilograms "
            "and still runs."
        )
    elif kind and _BODY.search(name):
        text = (
            f"The {title} was founded in {year} by {person}. Its catalogue lists {figure} objects."
        )
    else:
        archive = _LAST[number(seed, name, "archive") % len(_LAST)]
        text = (
            f"The {archive} Register has kept a file on {title} since {year}. "
            f"It was begun by {person} and runs to {figure} pages."
        )
    return Article(_page_id(seed, title), title, text, (year, figure, person))


def _page_id(seed: int, title: str) -> int:
    return 10_000 + number(seed, places.key(title), "page") % 70_000_000


def _country(subject: str) -> str | None:
    """The country whose capital the subject asks for, as the user spells it."""
    match = _CAPITAL.fullmatch(subject) or _CAPITAL_AFTER.fullmatch(subject)
    if match is None or places.is_fictional(match["of"]):
        return None
    asked = match["of"]
    country = places.country_of_people(asked) or asked
    known = places.capital_of(country)
    if match.re is _CAPITAL_AFTER and known is None:
        return None  # "venture capital" has no seat of government
    if known and country == country.lower():
        the = "the " if country.startswith("the ") else ""
        return the + known.country
    return country if any(char.isalpha() for char in country) else None


def _capital(seed: int, country: str) -> Article:
    known = places.capital_of(country)
    if known:
        city = known.name
    else:  # a country that is on no map still has a capital, so that any name works
        name = places.key(country)
        picked = [_SYLLABLES[number(name, i) % len(_SYLLABLES)] for i in range(2)]
        city = ("".join(picked) + "a").capitalize()
    year = str(1702 + number(seed, city, "year") % 290)
    person = _person(seed, city)
    text = (
        f"{city} is the capital of {country}. Its city archive was founded in {year} by {person}."
    )
    return Article(_page_id(seed, city), city, text, (city, year, person))


def find(seed: int, query: str) -> list[Article]:
    """One to three articles, the first about the query's subject; none for an empty query."""
    if not places.key(query):
        return []
    subject = subject_of(query[:_LONGEST])
    country = _country(subject)
    first = _capital(seed, country) if country else _about(seed, subject)
    others = (f"History of {first.title}", f"{first.title} in literature")
    wanted = others[: number(seed, places.key(subject)) % 3]
    return [first, *(_about(seed, title, kind=False) for title in wanted)]
