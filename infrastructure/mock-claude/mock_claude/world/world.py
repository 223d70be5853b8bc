"""The simulated world behind the web services: places, weather and articles, all from one seed.

Prevents a verdict that depends on the day or the machine. Rule: every value follows from the seed
and what is asked, by SHA-256, so a workload can compute the facts that an answer must hold.
"""

from __future__ import annotations

from dataclasses import dataclass

from mock_claude.world import articles, places
from mock_claude.world.articles import Article, number

__all__ = ["WEATHER_CODES", "Article", "Place", "Weather", "World"]

WEATHER_CODES = {
    0: "clear sky",
    1: "mainly clear",
    2: "partly cloudy",
    3: "overcast",
    45: "fog",
    51: "light drizzle",
    53: "drizzle",
    61: "light rain",
    63: "rain",
    65: "heavy rain",
    71: "light snow",
    73: "snow",
    75: "heavy snow",
    80: "rain showers",
    95: "thunderstorm",
}
"""WMO weather interpretation codes that the forecast uses (Open-Meteo's list, section WW)."""

_EDGES = " \t\r\n.,;:!?\"'`\u201c\u201d\u2018\u2019()"
_SNOW = (71, 73, 75)


@dataclass(frozen=True)
class Place:
    """A place on the map. Coordinates are degrees north and east."""

    id: int
    name: str
    country: str
    country_code: str
    latitude: float
    longitude: float
    timezone: str


@dataclass(frozen=True)
class Weather:
    """The weather now: degrees Celsius, kilometres per hour, a WMO code."""

    temperature_c: float
    wind_kmh: float
    weather_code: int


class World:
    """A world per seed. Safe to share: it holds nothing but the seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def locate(self, name: str) -> Place | None:
        """The place of this name, or None if it is not in the table of cities and countries."""
        head, _, tail = name.replace("(", ",", 1).partition(",")
        head = head.strip(_EDGES)
        whole = places.city_named(name)
        if whole:
            return _on_the_map(whole, whole.name)
        land = places.capital_of(tail) if tail else None
        city = places.city_named(head)
        if city:
            elsewhere = land.country != city.country if land else places.is_elsewhere(city, tail)
            return None if elsewhere else _on_the_map(city, city.name)
        country = places.capital_of(name)
        return _on_the_map(country, country.country) if country else None

    def weather(self, latitude: float, longitude: float) -> Weather:
        """The weather at these coordinates, which count to two decimals."""
        where = (self.seed, round(latitude, 2) + 0.0, round(longitude, 2) + 0.0)
        # No value ends in .0, so that 18.0 and 18 are never two spellings of one fact.
        tenth = 1 + number(*where, "tenth") % 9
        warmth = 26 - round(abs(latitude) * 0.42) + number(*where, "warmth") % 15 - 7
        temperature = round(warmth + tenth / 10, 1)
        wind = round(2 + number(*where, "wind") % 38 + (1 + number(*where, "gust") % 9) / 10, 1)
        codes = [code for code in WEATHER_CODES if code not in _SNOW or temperature < 3]
        return Weather(temperature, wind, codes[number(*where, "code") % len(codes)])

    def search(self, query: str) -> list[Article]:
        """One to three articles, the first about the query's subject; none without a letter."""
        return articles.find(self.seed, query)

    def weather_fact(self, city: str) -> str:
        """The temperature in a city as the forecast's JSON spells it, for example ``18.3``.

        Raises LookupError for a city that is not found.
        """
        place = self.locate(city)
        if place is None:
            raise LookupError(f"no place is called {city!r}")
        return str(self.weather(place.latitude, place.longitude).temperature_c)


def _on_the_map(city: places.City, name: str) -> Place:
    place_id = 1_000_000 + number(name, city.country) % 9_000_000
    return Place(
        place_id,
        name,
        city.country,
        city.country_code,
        city.latitude,
        city.longitude,
        city.timezone,
    )
