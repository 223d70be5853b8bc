import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_claude.world import World, services

WORLD = World(9)
GENERATOR = {
    "action": "query",
    "generator": "search",
    "gsrsearch": "Marlow Clock",
    "gsrlimit": "3",
    "prop": "extracts",
    "exintro": "1",
    "explaintext": "1",
    "format": "json",
    "formatversion": "2",
}
FORECAST = {
    "latitude": "38.7167",
    "longitude": "-9.1333",
    "current": "temperature_2m,wind_speed_10m,weather_code",
}


def test_a_generator_search_gives_pages_with_extracts_in_order() -> None:
    status, body = services.search(WORLD, GENERATOR)
    articles = WORLD.search("Marlow Clock")
    assert status == 200
    assert body == {
        "batchcomplete": True,
        "query": {
            "pages": [
                {
                    "pageid": article.page_id,
                    "ns": 0,
                    "title": article.title,
                    "index": index,
                    "extract": article.extract,
                }
                for index, article in enumerate(articles, start=1)
            ]
        },
    }


def test_a_search_limit_cuts_the_pages() -> None:
    query = next(f"s{index}" for index in range(50) if len(WORLD.search(f"s{index}")) == 3)
    _, body = services.search(WORLD, GENERATOR | {"gsrsearch": query, "gsrlimit": "2"})
    found = body["query"]
    assert isinstance(found, dict)
    assert [page["index"] for page in found["pages"]] == [1, 2]


def test_a_search_without_hits_has_no_query_key() -> None:
    assert services.search(WORLD, GENERATOR | {"gsrsearch": "?!"}) == (200, {"batchcomplete": True})


def test_pages_of_the_old_format_are_keyed_by_id() -> None:
    old = {name: value for name, value in GENERATOR.items() if name != "formatversion"}
    _, body = services.search(WORLD, old)
    first = WORLD.search("Marlow Clock")[0]
    found = body["query"]
    assert isinstance(found, dict)
    assert found["pages"][str(first.page_id)]["title"] == "Marlow Clock"
    assert body["batchcomplete"] == ""


def test_a_list_search_gives_hits_with_marked_snippets() -> None:
    params = {"action": "query", "list": "search", "srsearch": "Marlow Clock", "format": "json"}
    status, body = services.search(WORLD, params)
    found = body["query"]
    assert status == 200
    assert isinstance(found, dict)
    assert found["searchinfo"] == {"totalhits": len(WORLD.search("Marlow Clock"))}
    hit = found["search"][0]
    assert set(hit) == {"ns", "title", "pageid", "size", "wordcount", "snippet", "timestamp"}
    assert '<span class="searchmatch">Marlow Clock</span>' in hit["snippet"]


def test_a_snippet_escapes_what_the_user_typed() -> None:
    params = {"action": "query", "list": "search", "srsearch": "<script>alert(1)</script>"}
    _, body = services.search(WORLD, params)
    assert "<script>" not in json.dumps(body["query"]["search"][0]["snippet"])  # type: ignore[index]


@pytest.mark.parametrize(
    ("params", "code", "named"),
    [
        ({"action": "query", "generator": "search"}, "missingparam", "gsrsearch"),
        ({"action": "query", "list": "search", "srsearch": " "}, "missingparam", "srsearch"),
        ({"action": "fly"}, "badvalue", "fly"),
        ({}, "missingparam", "action"),
        ({"action": "query", "list": "allpages"}, "badvalue", "allpages"),
        (GENERATOR | {"gsrlimit": "many"}, "badinteger", "many"),
    ],
)
def test_a_bad_search_is_an_error_with_status_200(
    params: dict[str, str], code: str, named: str
) -> None:
    status, body = services.search(WORLD, params)
    assert status == 200
    error = body["error"]
    assert isinstance(error, dict)
    assert error["code"] == code
    assert named in error["info"]
    assert "api.php" in error["docref"]


def test_a_known_city_is_geocoded() -> None:
    status, body = services.geocode(WORLD, {"name": "lisbon", "count": "1"})
    results = body["results"]
    assert status == 200
    assert isinstance(results, list)
    assert len(results) == 1
    assert results[0]["name"] == "Lisbon"
    assert (results[0]["latitude"], results[0]["longitude"]) == (38.7167, -9.1333)
    assert (results[0]["country"], results[0]["country_code"]) == ("Portugal", "PT")
    assert results[0]["timezone"] == "Europe/Lisbon"
    assert set(results[0]) >= {"id", "elevation", "feature_code", "population"}


def test_an_unknown_city_has_no_results_key() -> None:
    status, body = services.geocode(WORLD, {"name": "Atlantis"})
    assert status == 200
    assert set(body) == {"generationtime_ms"}


@pytest.mark.parametrize(
    "params", [{}, {"name": "Lisbon", "count": "0"}, {"name": "a", "count": "x"}]
)
def test_a_bad_geocoding_request_is_400_with_a_reason(params: dict[str, str]) -> None:
    status, body = services.geocode(WORLD, params)
    assert status == 400
    assert body["error"] is True
    assert body["reason"]


def test_a_forecast_holds_the_worlds_weather() -> None:
    status, body = services.forecast(WORLD, FORECAST)
    weather = WORLD.weather(38.7167, -9.1333)
    current, units = body["current"], body["current_units"]
    assert status == 200
    assert isinstance(current, dict)
    assert isinstance(units, dict)
    assert current["temperature_2m"] == weather.temperature_c
    assert current["wind_speed_10m"] == weather.wind_kmh
    assert current["weather_code"] == weather.weather_code
    assert current["interval"] == 900
    assert len(current["time"]) == len("2026-01-15T12:00")
    assert units["temperature_2m"] == "°C"
    assert units["wind_speed_10m"] == "km/h"
    assert WORLD.weather_fact("Lisbon") in json.dumps(body)
    assert set(body) >= {
        "latitude",
        "longitude",
        "generationtime_ms",
        "utc_offset_seconds",
        "timezone",
        "timezone_abbreviation",
        "elevation",
    }


def test_a_forecast_gives_only_what_is_asked() -> None:
    _, body = services.forecast(WORLD, FORECAST | {"current": "weather_code"})
    assert set(body["current"]) == {"time", "interval", "weather_code"}  # type: ignore[call-overload]
    _, body = services.forecast(WORLD, {"latitude": "1", "longitude": "2"})
    assert "current" not in body


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"latitude": "91"}, "Latitude"),
        ({"longitude": "-180.5"}, "Longitude"),
        ({"latitude": "north"}, "latitude"),
        ({"latitude": "nan"}, "latitude"),
        ({"longitude": ""}, "longitude"),
        ({"current": "temperature_2m,moon_phase"}, "moon_phase"),
        ({"hourly": "temperature_2m"}, "hourly"),
    ],
)
def test_a_bad_forecast_request_is_400_with_a_reason(changed: dict[str, str], named: str) -> None:
    status, body = services.forecast(WORLD, FORECAST | changed)
    assert status == 400
    assert body["error"] is True
    assert named in str(body["reason"])


@pytest.mark.parametrize("missing", ["latitude", "longitude"])
def test_a_forecast_needs_both_coordinates(missing: str) -> None:
    params = {name: value for name, value in FORECAST.items() if name != missing}
    status, body = services.forecast(WORLD, params)
    assert status == 400
    assert missing in str(body["reason"])


NAMES = st.sampled_from(
    [*GENERATOR, *FORECAST, "list", "srsearch", "srlimit", "name", "count", "hourly"]
)
VALUES = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        ["query", "search", "max", "-1", "1e400", "extracts", "2", "weather_code", "0"]
    ),
)


@given(st.dictionaries(NAMES, VALUES))
def test_no_parameters_make_a_service_raise_or_answer_twice_differently(
    params: dict[str, str],
) -> None:
    for service in (services.search, services.geocode, services.forecast):
        status, body = service(WORLD, params)
        assert status in (200, 400)
        assert json.dumps(body) == json.dumps(service(WORLD, params)[1])
