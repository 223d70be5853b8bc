"""The web services that the agent's tools call, in their public wire formats.

Prevents a tool that works only against the simulator. Rule: parameters, bodies and errors follow
MediaWiki's Action API (https://www.mediawiki.org/wiki/API:Search, API:Errors and data) and
Open-Meteo's geocoding and forecast APIs (https://open-meteo.com/en/docs). Each function gives the
HTTP status and the JSON body, and raises on no parameters. What Open-Meteo offers beyond current
temperature, wind and weather code is refused as unknown, never left out in silence.

Each service is a generator, too, that names the stage it comes to: parse, index, rank, render.
"""

from __future__ import annotations

import html
import re
from collections.abc import Generator, Mapping

from mock_claude.world.articles import Article, number
from mock_claude.world.world import Place, World

Answer = tuple[int, dict[str, object]]
Stages = Generator[str, None, Answer]
STAGES = ("parse", "index", "rank", "render")

_WHOLE = re.compile(r"[+-]?[0-9]{1,6}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{0,12})?")
_HELP = (
    "See https://en.wikipedia.org/w/api.php for API usage. Subscribe to the mediawiki-api-announce "
    "mailing list for notice of API deprecations and breaking changes."
)
_UNITS = {"temperature_2m": "°C", "wind_speed_10m": "km/h", "weather_code": "wmo code"}


def search(world: World, params: Mapping[str, str]) -> Answer:
    """MediaWiki ``action=query`` with ``generator=search`` or ``list=search``."""
    return _at_once(searching(world, params))


def geocode(world: World, params: Mapping[str, str]) -> Answer:
    """Open-Meteo's ``/v1/search``: the place of a name, if there is one."""
    return _at_once(geocoding(world, params))


def forecast(world: World, params: Mapping[str, str]) -> Answer:
    """Open-Meteo's ``/v1/forecast``: the current weather at coordinates, in GMT."""
    return _at_once(forecasting(world, params))


def words(params: Mapping[str, str]) -> str:
    """What a request to any of them asks for, in words."""
    point = [params[name] for name in ("latitude", "longitude") if name in params]
    named = (params[name] for name in ("gsrsearch", "srsearch", "name") if name in params)
    return next(named, ",".join(point))


def _at_once(steps: Stages) -> Answer:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            answer: Answer = end.value
            return answer


def searching(world: World, params: Mapping[str, str]) -> Stages:
    """``search``, stage by stage."""
    yield "parse"
    action = params.get("action", "")
    if not action:
        return _wiki_error("missingparam", 'The "action" parameter must be set.')
    if action != "query":
        return _unrecognized("action", action)
    generator, listed = params.get("generator", ""), params.get("list", "")
    if generator not in ("", "search"):
        return _unrecognized("generator", generator)
    if listed not in ("", "search"):
        return _unrecognized("list", listed)
    modern = params.get("formatversion") in ("2", "latest")
    body: dict[str, object] = {"batchcomplete": True if modern else ""}
    if not generator and not listed:
        return 200, body
    prefix = "gsr" if generator else "sr"
    query = params.get(f"{prefix}search", "")
    if not query.strip():
        return _wiki_error("missingparam", f'The "{prefix}search" parameter must be set.')
    limit = params.get(f"{prefix}limit", "10")
    if limit != "max" and not _WHOLE.fullmatch(limit):
        return _wiki_error(
            "badinteger", f'Invalid value "{limit}" for integer parameter "{prefix}limit".'
        )
    most = 500 if limit == "max" else max(1, min(500, int(limit)))
    yield "index"
    found = world.search(query)
    yield "rank"
    best = found[:most]
    yield "render"
    if not generator:
        body["query"] = _hits(best, len(found))
    elif found:
        pages = _pages(best, params)
        body["query"] = {
            "pages": pages if modern else {str(page["pageid"]): page for page in pages}
        }
    return 200, body


def _pages(found: list[Article], params: Mapping[str, str]) -> list[dict[str, object]]:
    pages: list[dict[str, object]] = []
    for index, article in enumerate(found, start=1):
        page: dict[str, object] = {
            "pageid": article.page_id,
            "ns": 0,
            "title": article.title,
            "index": index,
        }
        if "extracts" in params.get("prop", "").split("|"):
            plain = "explaintext" in params
            page["extract"] = article.extract if plain else f"<p>{html.escape(article.extract)}</p>"
        pages.append(page)
    return pages


def _hits(best: list[Article], total: int) -> dict[str, object]:
    hits = [
        {
            "ns": 0,
            "title": article.title,
            "pageid": article.page_id,
            "size": 10 * len(article.extract),
            "wordcount": 2 * len(article.extract.split()),
            "snippet": _snippet(article),
            "timestamp": "2026-01-15T12:00:00Z",
        }
        for article in best
    ]
    return {"searchinfo": {"totalhits": total}, "search": hits}


def _snippet(article: Article) -> str:
    text, title = html.escape(article.extract), html.escape(article.title)
    return text.replace(title, f'<span class="searchmatch">{title}</span>', 1)


def _wiki_error(code: str, info: str) -> Answer:
    """MediaWiki reports errors with HTTP status 200."""
    return 200, {"error": {"code": code, "info": info, "docref": _HELP}}


def _unrecognized(name: str, value: str) -> Answer:
    return _wiki_error("badvalue", f'Unrecognized value for parameter "{name}": {value}.')


def geocoding(world: World, params: Mapping[str, str]) -> Stages:
    """``geocode``, stage by stage."""
    yield "parse"
    if "name" not in params:
        return _meteo_error("Value of type 'String' required for key 'name'.")
    name, count = params["name"], params.get("count", "10")
    if not _WHOLE.fullmatch(count) or not 1 <= int(count) <= 100:
        return _meteo_error("Parameter count must be between 1 and 100.")
    took = _milliseconds("geocode", name)
    yield "index"
    place = world.locate(name)
    yield "rank"
    found = [] if place is None else [place]
    yield "render"
    if not found:
        return 200, {"generationtime_ms": took}
    results: list[dict[str, object]] = [_located(place) for place in found[: int(count)]]
    return 200, {"results": results, "generationtime_ms": took}


def _located(place: Place) -> dict[str, object]:
    return {
        "id": place.id,
        "name": place.name,
        "latitude": place.latitude,
        "longitude": place.longitude,
        "elevation": _elevation(place.latitude, place.longitude),
        "feature_code": "PPL",
        "country_code": place.country_code,
        "timezone": place.timezone,
        "population": 20_000 + number(place.id, "population") % 4_000_000,
        "country": place.country,
    }


def forecasting(world: World, params: Mapping[str, str]) -> Stages:
    """``forecast``, stage by stage."""
    yield "parse"
    point: list[float] = []
    for name, most in (("latitude", 90), ("longitude", 180)):
        given = params.get(name)
        if given is None:
            return _meteo_error(f"Value of type 'Float' required for key '{name}'.")
        if not _DECIMAL.fullmatch(given.strip()):
            return _meteo_error(f"Data corrupted at path '{name}'. Cannot read Float from {given}.")
        if abs(float(given)) > most:
            return _meteo_error(
                f"{name.capitalize()} must be in range of -{most} to {most}°. Given: {given}."
            )
        point.append(float(given))
    for section in ("hourly", "daily", "minutely_15"):
        if params.get(section):
            return _meteo_error(f"Data corrupted at path '{section}'. Only 'current' is served.")
    wanted = list(dict.fromkeys(name.strip() for name in params.get("current", "").split(",")))
    wanted = [name for name in wanted if name]
    for name in wanted:
        if name not in _UNITS:
            return _meteo_error(
                "Data corrupted at path ''. Cannot initialize ForecastVariable "
                f"from invalid String value {name}."
            )
    latitude, longitude = point
    yield "index"
    weather = world.weather(latitude, longitude)
    yield "rank"
    values = {
        "temperature_2m": weather.temperature_c,
        "wind_speed_10m": weather.wind_kmh,
        "weather_code": weather.weather_code,
    }
    chosen = {name: values[name] for name in wanted}
    yield "render"
    body: dict[str, object] = {
        "latitude": round(latitude, 2),
        "longitude": round(longitude, 2),
        "generationtime_ms": _milliseconds("forecast", *point),
        "utc_offset_seconds": 0,
        "timezone": "GMT",
        "timezone_abbreviation": "GMT",
        "elevation": _elevation(latitude, longitude),
    }
    if chosen:
        quarter = number(world.seed, "time") % 96
        now = f"2026-01-15T{quarter // 4:02d}:{quarter % 4 * 15:02d}"
        units = {"time": "iso8601", "interval": "seconds"}
        body["current_units"] = units | {name: _UNITS[name] for name in chosen}
        current: dict[str, object] = {"time": now, "interval": 900}
        body["current"] = current | chosen
    return 200, body


def _elevation(latitude: float, longitude: float) -> float:
    """Metres above the sea."""
    return float(1 + number(round(latitude, 2) + 0.0, round(longitude, 2) + 0.0, "height") % 900)


def _milliseconds(*parts: object) -> float:
    return round(0.05 + number(*parts) % 4000 / 1000, 4)


def _meteo_error(reason: str) -> Answer:
    return 400, {"error": True, "reason": reason}
