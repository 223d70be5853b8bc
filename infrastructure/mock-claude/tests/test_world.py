import hashlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_claude.world import places
from mock_claude.world.world import WEATHER_CODES, World

SUBJECTS = [
    "Aldwyn Viaduct",
    "Marlow Clock",
    "Ada Lovelace",
    "photosynthesis",
    "Bellweather Museum",
]


def test_two_worlds_of_one_seed_agree_and_other_seeds_differ() -> None:
    a, b, other = World(7), World(7), World(8)
    assert a.search("Marlow Clock") == b.search("Marlow Clock")
    assert a.weather(38.72, -9.13) == b.weather(38.72, -9.13)
    assert a.search("Marlow Clock")[0].facts != other.search("Marlow Clock")[0].facts
    cities = [city.name for city in places.CITIES[:20]]
    assert [a.weather_fact(city) for city in cities] != [
        other.weather_fact(city) for city in cities
    ]


def test_a_world_is_the_same_in_every_process() -> None:
    code = "from mock_claude.world import World; print(World(3).search('Marlow Clock'))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8", "SYSTEMROOT": "C:\\Windows"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert outputs == {f"{World(3).search('Marlow Clock')}\n"}


def test_the_table_holds_every_city_once_on_the_globe() -> None:
    names = [places.key(city.name) for city in places.CITIES]
    assert len(names) == len(set(names)) > 250
    assert len(places.CAPITALS) > 190
    for city in places.CITIES:
        assert abs(city.latitude) <= 90
        assert abs(city.longitude) <= 180
        assert len(city.country_code) == 2


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        ("Lisbon", "Lisbon"),
        ("  lisbon. ", "Lisbon"),
        ("Lisbon, Portugal", "Lisbon"),
        ("Lisbon (Portugal)", "Lisbon"),
        ("'LISBON'", "Lisbon"),
        ("Sao Paulo", "São Paulo"),
        ("SÃO PAULO, Brazil", "São Paulo"),
        ("Saint Etienne", "Saint-Étienne"),
        ("St. Petersburg", "Saint Petersburg"),
        ("Washington, D.C.", "Washington"),
        ("NYC", "New York"),
        ("NDjamena", "N'Djamena"),
        ("Tromso", "Tromsø"),
        ("Portugal", "Portugal"),
    ],
)
def test_a_city_is_found_however_it_is_spelled(spelling: str, name: str) -> None:
    place = World(1).locate(spelling)
    assert place is not None
    assert place.name == name


def test_a_city_keeps_its_real_coordinates() -> None:
    place = World(1).locate("lisbon")
    assert place is not None
    assert (place.country, place.country_code) == ("Portugal", "PT")
    assert place.latitude == pytest.approx(38.72, abs=0.05)
    assert place.longitude == pytest.approx(-9.14, abs=0.05)


@pytest.mark.parametrize(
    ("named", "elsewhere"),
    [
        ("Valencia, Spain", "Valencia, Venezuela"),
        ("London, UK", "London, Ontario"),
        ("Austin, Texas", "Paris, Texas"),
        ("Austin, TX", "Paris, TX"),
        ("Sydney, New South Wales", "Rome, Georgia"),
    ],
)
def test_a_city_of_another_country_or_region_is_not_the_one_of_the_table(
    named: str, elsewhere: str
) -> None:
    assert World(1).locate(named) is not None
    assert World(1).locate(elsewhere) is None


@pytest.mark.parametrize("name", ["Qwertyville", "my house", "the moon", "Mars", "Their Average"])
def test_a_name_that_is_not_in_the_table_is_no_place(name: str) -> None:
    assert World(1).locate(name) is None


@pytest.mark.parametrize(
    "name", ["", "  ", "?!", "Atlantis", "atlantis, Greece", "El Dorado", "Nowhere", "12345", "x;y"]
)
def test_a_fictional_or_empty_name_is_not_found(name: str) -> None:
    assert World(1).locate(name) is None


@given(st.text(max_size=80))
def test_locate_takes_any_text_and_stays_on_the_globe(name: str) -> None:
    place = World(1).locate(name)
    if place is not None:
        assert abs(place.latitude) <= 90
        assert abs(place.longitude) <= 180
        assert place.name


@given(st.floats(-90, 90), st.floats(-180, 180), st.integers())
def test_weather_has_one_decimal_and_a_known_code(
    latitude: float, longitude: float, seed: int
) -> None:
    weather = World(seed).weather(latitude, longitude)
    assert -40 < weather.temperature_c < 50
    assert 0 < weather.wind_kmh < 60
    assert weather.weather_code in WEATHER_CODES
    for value in (weather.temperature_c, weather.wind_kmh):
        assert str(value)[-2] == "."
        assert str(value)[-1] != "0"


def test_coordinates_count_to_two_decimals() -> None:
    world = World(5)
    assert world.weather(38.7167, -9.1333) == world.weather(38.72, -9.13)
    assert world.weather(0.001, -0.001) == world.weather(0.0, 0.0)


def test_a_weather_fact_is_the_temperature_of_the_city() -> None:
    world = World(5)
    place = world.locate("Porto")
    assert place is not None
    assert world.weather_fact("Porto") == str(
        world.weather(place.latitude, place.longitude).temperature_c
    )
    with pytest.raises(LookupError, match="Atlantis"):
        world.weather_fact("Atlantis")


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_facts_of_an_article_stand_in_its_extract(subject: str) -> None:
    first = World(2).search(subject)[0]
    assert first.title == subject
    assert len(first.facts) >= 3
    assert all(fact in first.extract for fact in first.facts)
    assert subject in first.extract


def test_articles_of_different_subjects_differ() -> None:
    firsts = [World(2).search(subject)[0] for subject in SUBJECTS]
    assert len({first.facts for first in firsts}) == len(SUBJECTS)
    assert len({first.page_id for first in firsts}) == len(SUBJECTS)
    counts = {len(World(2).search(f"subject {index}")) for index in range(40)}
    assert counts == {1, 2, 3}


@pytest.mark.parametrize(
    "wording",
    [
        "aldwyn viaduct",
        "THE ALDWYN VIADUCT",
        '"The Aldwyn Viaduct"',
        "What is the Aldwyn Viaduct?",
        "who designed the Aldwyn Viaduct?",
        "when was the Aldwyn Viaduct opened?",
        "when the Aldwyn Viaduct was opened",
        "How long is the Aldwyn Viaduct?",
        "how many arches does the Aldwyn Viaduct have?",
        "in which year was the Aldwyn Viaduct built",
        "the history of the Aldwyn Viaduct",
        "the architect and the length of the Aldwyn Viaduct",
        "the Aldwyn Viaduct's opening year",
    ],
)
def test_a_question_and_its_subject_find_the_same_facts(wording: str) -> None:
    world = World(11)
    assert world.search(wording)[0].facts == world.search("Aldwyn Viaduct")[0].facts


@pytest.mark.parametrize(
    ("query", "capital", "country"),
    [
        ("capital of Portugal", "Lisbon", "Portugal"),
        ("the capital of portugal", "Lisbon", "Portugal"),
        ("What is the capital of the Netherlands?", "Amsterdam", "the Netherlands"),
        ("capital city of the UK", "London", "the UK"),
        ("Peru's capital", "Lima", "Peru"),
        ("the Portuguese capital", "Lisbon", "Portugal"),
        ("capital of Bosnia and Herzegovina", "Sarajevo", "Bosnia and Herzegovina"),
    ],
)
def test_a_search_for_a_capital_finds_the_city(query: str, capital: str, country: str) -> None:
    first = World(4).search(query)[0]
    assert first.title == capital
    assert first.extract.startswith(f"{capital} is the capital of {country}.")
    assert capital in first.facts


def test_a_country_on_no_map_has_a_capital_and_capital_alone_is_no_country() -> None:
    first = World(4).search("capital of Ruritania")[0]
    assert first.extract.startswith(f"{first.title} is the capital of Ruritania.")
    assert World(4).search("venture capital")[0].title == "venture capital"


@pytest.mark.parametrize("query", ["", "   ", "?!", "___", "\u2014"])
def test_a_query_without_letters_or_digits_finds_nothing(query: str) -> None:
    assert World(4).search(query) == []


@given(st.text(max_size=120))
def test_search_takes_any_text_and_keeps_its_facts(query: str) -> None:
    for article in World(6).search(query):
        assert article.title
        assert all(fact in article.extract for fact in article.facts)


def test_a_page_id_follows_from_a_published_hash() -> None:
    expected = hashlib.sha256(b"6\x1fmarlow clock\x1fpage").digest()[:8]
    page_id = World(6).search("Marlow Clock")[0].page_id
    assert page_id == 10_000 + int.from_bytes(expected, "big") % 70_000_000
