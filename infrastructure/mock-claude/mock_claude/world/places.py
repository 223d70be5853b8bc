"""The cities of the simulated world, and the spellings people use for them.

Prevents a lookup that fails on case, accents or punctuation. Rule: names are compared by
:func:`key`, never as typed. The table is ``cities.csv``: every capital, and other large cities.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True)
class City:
    """A row of the table. Coordinates are degrees north and east."""

    name: str
    country: str
    country_code: str
    latitude: float
    longitude: float
    timezone: str
    capital: bool


_PLAIN = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "\u0131": "i", "æ": "ae", "œ": "oe"})
_SILENT = re.compile(r"['\u2019\u2018\u02bb`\u00b4.]")


def key(name: str) -> str:
    """What two spellings of one name share: no case, no accents, no punctuation."""
    plain = unicodedata.normalize("NFKD", name.casefold().translate(_PLAIN))
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    plain = _SILENT.sub("", plain)
    words = re.sub(r"[\W_]+", " ", plain).split()
    if words[:1] == ["st"]:
        words[0] = "saint"
    return " ".join(words)


def _read() -> tuple[City, ...]:
    table = resources.files("mock_claude.world").joinpath("cities.csv").read_text(encoding="utf-8")
    return tuple(
        City(
            row["name"],
            row["country"],
            row["country_code"],
            float(row["latitude"]),
            float(row["longitude"]),
            row["timezone"],
            row["capital"] == "1",
        )
        for row in csv.DictReader(table.splitlines())
    )


CITIES = _read()
CAPITALS = tuple(city for city in CITIES if city.capital)

_CITY_ALIASES = {
    "athina": "Athens", "bombay": "Mumbai", "bangalore": "Bengaluru", "beograd": "Belgrade",
    "calcutta": "Kolkata", "cracow": "Kraków", "den haag": "The Hague", "hague": "The Hague",
    "firenze": "Florence", "frisco": "San Francisco", "geneve": "Geneva", "genf": "Geneva",
    "goteborg": "Gothenburg", "kiev": "Kyiv", "kobenhavn": "Copenhagen", "koln": "Cologne",
    "krung thep": "Bangkok", "l a": "Los Angeles", "la": "Los Angeles", "lisboa": "Lisbon",
    "marrakech": "Marrakesh", "milano": "Milan", "moskva": "Moscow", "munchen": "Munich",
    "napoli": "Naples", "new york city": "New York", "nyc": "New York", "peking": "Beijing",
    "praha": "Prague", "roma": "Rome", "saigon": "Ho Chi Minh City", "sevilla": "Seville",
    "st petersburg": "Saint Petersburg", "torino": "Turin", "venezia": "Venice",
    "warszawa": "Warsaw", "washington dc": "Washington", "washington d c": "Washington",
    "wien": "Vienna", "zuerich": "Zurich", "bruxelles": "Brussels", "nur sultan": "Astana",
    "kotte": "Sri Jayawardenepura Kotte", "delhi": "New Delhi", "frankfurt am main": "Frankfurt",
}  # fmt: skip
_COUNTRY_ALIASES = {
    "america": "United States", "us": "United States", "usa": "United States",
    "united states of america": "United States", "the states": "United States",
    "uk": "United Kingdom", "britain": "United Kingdom", "great britain": "United Kingdom",
    "england": "United Kingdom", "holland": "Netherlands", "czech republic": "Czechia",
    "burma": "Myanmar", "korea": "South Korea", "republic of korea": "South Korea",
    "turkiye": "Turkey", "cote divoire": "Ivory Coast", "uae": "United Arab Emirates",
    "emirates": "United Arab Emirates", "bosnia": "Bosnia and Herzegovina", "swaziland": "Eswatini",
    "cabo verde": "Cape Verde", "drc": "Democratic Republic of the Congo", "east timor":
    "Timor-Leste", "congo": "Republic of the Congo", "macedonia": "North Macedonia",
    "republic of ireland": "Ireland", "russian federation": "Russia", "vatican": "Vatican City",
}  # fmt: skip
_PEOPLES = {
    "american": "United States", "argentine": "Argentina", "argentinian": "Argentina",
    "australian": "Australia", "austrian": "Austria", "belgian": "Belgium", "brazilian": "Brazil",
    "british": "United Kingdom", "bulgarian": "Bulgaria", "canadian": "Canada", "chilean": "Chile",
    "chinese": "China", "colombian": "Colombia", "croatian": "Croatia", "cuban": "Cuba",
    "czech": "Czechia", "danish": "Denmark", "dutch": "Netherlands", "egyptian": "Egypt",
    "english": "United Kingdom", "estonian": "Estonia", "finnish": "Finland", "french": "France",
    "german": "Germany", "greek": "Greece", "hungarian": "Hungary", "icelandic": "Iceland",
    "indian": "India", "indonesian": "Indonesia", "irish": "Ireland", "italian": "Italy",
    "japanese": "Japan", "kenyan": "Kenya", "korean": "South Korea", "latvian": "Latvia",
    "lithuanian": "Lithuania", "mexican": "Mexico", "moroccan": "Morocco", "nigerian": "Nigeria",
    "norwegian": "Norway", "peruvian": "Peru", "polish": "Poland", "portuguese": "Portugal",
    "romanian": "Romania", "russian": "Russia", "serbian": "Serbia", "slovak": "Slovakia",
    "slovenian": "Slovenia", "spanish": "Spain", "swedish": "Sweden", "swiss": "Switzerland",
    "thai": "Thailand", "turkish": "Turkey", "ukrainian": "Ukraine", "vietnamese": "Vietnam",
}  # fmt: skip
_REGION_NAMES = {
    "US": "Alabama,Alaska,Arizona,Arkansas,California,Colorado,Connecticut,Delaware,Florida,Hawaii,"
    "Idaho,Illinois,Indiana,Iowa,Kansas,Kentucky,Louisiana,Maine,Maryland,Massachusetts,"
    "Michigan,Minnesota,Mississippi,Missouri,Montana,Nebraska,Nevada,New Hampshire,New Jersey,"
    "New Mexico,North Carolina,North Dakota,Ohio,Oklahoma,Oregon,Pennsylvania,Rhode Island,"
    "South Carolina,South Dakota,Tennessee,Texas,Utah,Vermont,Virginia,West Virginia,Wisconsin,"
    "Washington,Wyoming,D.C.",
    "CA": "Ontario,Quebec,British Columbia,Alberta,Nova Scotia",
    "GB": "Scotland,Wales,Northern Ireland,Kent,Cornwall,Devon,Yorkshire",
    "DE": "Bavaria",
    "ES": "Catalonia,Andalusia",
    "IT": "Tuscany,Sicily",
    "FR": "Brittany,Normandy",
    "AU": "New South Wales,Queensland,Tasmania",
}
_REGIONS = {key(name): code for code, names in _REGION_NAMES.items() for name in names.split(",")}
_FICTIONAL_NAMES = (
    "atlantis eldorado narnia mordor xanadu nowhere nowhereville hogwarts wakanda gondor asgard "
    "neverland camelot shangrila utopia erewhon lilliput brigadoon gotham metropolis westeros "
    "wonderland nonexistent nosuchplace nosuchcity avalon lemuria hyperborea oz rivendell"
)
NOT_ON_THE_MAP = frozenset(_FICTIONAL_NAMES.split())

_BY_KEY = {key(city.name): city for city in CITIES}
_BY_KEY |= {alias: _BY_KEY[key(name)] for alias, name in _CITY_ALIASES.items()}
_COUNTRIES = {key(city.country): city for city in CAPITALS}
_COUNTRIES |= {alias: _COUNTRIES[key(name)] for alias, name in _COUNTRY_ALIASES.items()}


def city_named(name: str) -> City | None:
    """The city of the table with this name, or None."""
    return _BY_KEY.get(key(name))


def capital_of(country: str) -> City | None:
    """The capital of a country, given by name ("the UK") or by people ("Portuguese")."""
    name = key(country).removeprefix("the ")
    return _COUNTRIES.get(name) or _COUNTRIES.get(key(_PEOPLES.get(name, "")))


def country_of_people(word: str) -> str | None:
    """The country that an adjective names ("Portuguese" gives "Portugal"), or None."""
    return _PEOPLES.get(key(word))


def qualifies(name: str) -> bool:
    """Whether the name only says where a city is, as "Portugal" does in "Lisbon, Portugal"."""
    name = key(name).removeprefix("the ")
    return (name in _COUNTRIES or name in _REGIONS) and name not in _BY_KEY


def is_elsewhere(city: City, qualifier: str) -> bool:
    """Whether a qualifier places another city of this name: "Paris, Texas" is not "Paris"."""
    name = key(qualifier)
    if not name or name == city.country_code.lower():
        return False
    if re.fullmatch("[a-z]{2}", name):
        return city.country_code not in ("US", "CA")  # "Austin, TX"
    return _REGIONS.get(name) != city.country_code


def is_fictional(name: str) -> bool:
    """Whether the name has no place on the map, so that a lookup can be seen to fail."""
    words = key(name).split()
    joined = "".join(words)
    return joined in NOT_ON_THE_MAP or any(word in NOT_ON_THE_MAP for word in words)


def names_with_and() -> tuple[str, ...]:
    """Names of places that hold an "and", which is no joint between two wishes."""
    names = {city.country for city in CITIES if " and " in city.country}
    return (*sorted(names, key=len, reverse=True), "Sao Tome and Principe", "Brighton and Hove")
