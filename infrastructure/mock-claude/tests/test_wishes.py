"""How tasks are read. ``W``, ``C``, ``S``, ``N`` and ``K`` are short for the kinds of wishes."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_claude.model.reading.tasks import wishes_in
from mock_claude.model.wishes import (
    Calculate,
    CapitalWeather,
    Fact,
    Read,
    Save,
    Search,
    Weather,
    Wish,
)

C, K, S, W = Calculate, CapitalWeather, Search, Weather

READ = Read()


def N(text: str) -> Save:  # noqa: N802 - reads like the wish it makes
    return Save(text)


CALCULATIONS: list[tuple[str, list[Wish]]] = [
    ("23*19", [C("23*19")]),
    ("What is 23*19?", [C("23*19")]),
    ("(4 + 5) * 3 / 2", [C("(4 + 5) * 3 / 2")]),
    ("12 \u00d7 7", [C("12 * 7")]),
    ("10 ÷ 4 = ?", [C("10 / 4")]),
    ("2^10", [C("2**10")]),
    ("2**10", [C("2**10")]),
    ("what's 7 % 3?", [C("7 % 3")]),
    ("-3 + 8", [C("-3 + 8")]),
    ("please -3 + 8", [C("-3 + 8")]),
    ("Compute 1,200 + 34", [C("1200 + 34")]),
    ("How much is $12.50 times 4?", [C("12.50 * 4")]),
    ("12 x 7", [C("12 * 7")]),
    ("what is 23 times 19", [C("23 * 19")]),
    ("17 plus 5, please", [C("17 + 5")]),
    ("100 divided by 8", [C("100 / 8")]),
    ("What is 15% of 80?", [C("15 * 80 / 100")]),
    ("15 percent of 80", [C("15 * 80 / 100")]),
    ("What's 20% off 50?", [C("50 * (100 - 20) / 100")]),
    ("the sum of 3, 4 and 5", [C("3 + 4 + 5")]),
    ("find the product of 6 and 7", [C("6 * 7")]),
    ("What is the difference between 10 and 4?", [C("10 - 4")]),
    ("add 3 and 4", [C("3 + 4")]),
    ("multiply 6 by 7", [C("6 * 7")]),
    ("divide 10 by 4", [C("10 / 4")]),
    ("subtract 3 from 10", [C("10 - 3")]),
    ("what is 8 squared", [C("8 ** 2")]),
    ("2 to the power of 8", [C("2 ** 8")]),
    ("two to the eighth power", [C("2 ** 8")]),
    ("the square root of 144", [C("144 ** 0.5")]),
    ("twenty-three times nineteen", [C("23 * 19")]),
    ("what is one hundred and five divided by five?", [C("105 / 5")]),
    ("Multiply the sum of 2 and 3 by 4", [C("(2 + 3) * 4")]),
    ("the average of 3, 4 and 5", [C("(3 + 4 + 5) / 3")]),
    ("What are 3+4 and 5*6?", [C("3+4"), C("5*6")]),
    ("What is 10 minus 4, 3 plus 8 and 2 times 9?", [C("10 - 4"), C("3 + 8"), C("2 * 9")]),
    ("Compute (4 + 5) * 3 / 2 and 2^10.", [C("(4 + 5) * 3 / 2"), C("2**10")]),
    ("Compute 12 \u00d7 7, then multiply the result by 2", [C("12 * 7"), C("(12 * 7) * 2")]),
    ("Could you tell me what 23*19 is?", [C("23*19")]),
    ("What do you get if you multiply 23 by 19?", [C("23 * 19")]),
    ("My daughter asked me what 144 divided by 12 is.", [C("144 / 12")]),
    ("Calculate 3+4. Calculate 3+4 again.", [C("3+4")]),
]
WEATHER: list[tuple[str, list[Wish]]] = [
    ("What is the weather in Lisbon?", [W("Lisbon")]),
    ("weather in lisbon", [W("Lisbon")]),
    ("weather: Lisbon", [W("Lisbon")]),
    ("WHAT IS THE WEATHER IN LISBON?", [W("Lisbon")]),
    ("Lisbon's weather", [W("Lisbon")]),
    ("tell me the Lisbon weather", [W("Lisbon")]),
    ("In Lisbon, how is the weather?", [W("Lisbon")]),
    ("I'm in Lisbon. What's the weather like?", [W("Lisbon")]),
    ("How is the weather in Lisbon right now, please?", [W("Lisbon")]),
    ("What is the weather in Lisbon at the moment", [W("Lisbon")]),
    ("the forecast for São Paulo today", [W("São Paulo")]),
    ("the temperature of Rio de Janeiro", [W("Rio de Janeiro")]),
    ("temperature in Saint-Étienne?", [W("Saint-Étienne")]),
    ("What's the weather in Washington, D.C.?", [W("Washington, D.C.")]),
    ("weather in Lisbon, Portugal and Paris, France", [W("Lisbon, Portugal"), W("Paris, France")]),
    ("weather in Lisbon, Porto and New York", [W("Lisbon"), W("Porto"), W("New York")]),
    ("weather in paris, weather in rome", [W("Paris"), W("Rome")]),
    ("How warm is it in Cairo and how cold is it in Oslo?", [W("Cairo"), W("Oslo")]),
    ("how hot is Dubai", [W("Dubai")]),
    ("Any idea how hot Seville gets?", [W("Seville")]),
    ("how many degrees is it in Rome", [W("Rome")]),
    ("Is it raining in Bergen?", [W("Bergen")]),
    ("do I need an umbrella in London today", [W("London")]),
    ("What should I wear in Bergen?", [W("Bergen")]),
    ("what is it like outside in Madrid", [W("Madrid")]),
    ("How windy is it over Berlin", [W("Berlin")]),
    ("Is Lisbon warmer than Porto?", [W("Lisbon"), W("Porto")]),
    ("Which is colder, Oslo or Helsinki?", [W("Oslo"), W("Helsinki")]),
    ("weather in 'Newcastle upon Tyne'", [W("Newcastle upon Tyne")]),
    ("weather in St. Petersburg. Thanks!", [W("St. Petersburg")]),
    ("weather in Trinidad and Tobago", [W("Trinidad and Tobago")]),
    ("What's the weather in Lisbon? And in Porto?", [W("Lisbon"), W("Porto")]),
    ("look up the weather in Lisbon", [W("Lisbon")]),
    ("What is the weather in the capital of Portugal?", [K("Portugal")]),
    ("How's the weather in Peru's capital?", [K("Peru")]),
    ("weather in the Portuguese capital", [K("Portugal")]),
    ("weather in the capitals of Spain and Norway", [K("Spain"), K("Norway")]),
    (
        "Find the capital of Kenya and tell me the weather there",
        [S("capital of Kenya"), K("Kenya")],
    ),
    ("What's the weather?", [W("")]),
]
SEARCHES: list[tuple[str, list[Wish]]] = [
    ("search for the Aldwyn Viaduct", [S("Aldwyn Viaduct")]),
    ("Search the web for heat pumps", [S("heat pumps")]),
    ("search Wikipedia for the Marlow Clock", [S("Marlow Clock")]),
    ("look up the Marlow Clock on Wikipedia", [S("Marlow Clock")]),
    ("look the Marlow Clock up", [S("Marlow Clock")]),
    ("look up 'Tea and Sympathy'", [S("Tea and Sympathy")]),
    ("look up \u2018Rain, Steam and Speed\u2019", [S("Rain, Steam and Speed")]),
    ('google "the weather in the streets"', [S("the weather in the streets")]),
    ("research tidal power", [S("tidal power")]),
    ("do some research on tidal power", [S("tidal power")]),
    ("find out about Ada Lovelace", [S("Ada Lovelace")]),
    ("find information on the Fenwick Tower", [S("Fenwick Tower")]),
    ("tell me about Simon and Garfunkel", [S("Simon and Garfunkel")]),
    ("read up on Alan Turing", [S("Alan Turing")]),
    ("check Wikipedia for the Great Fire of London", [S("Great Fire of London")]),
    ("Dig up something about the Marlow Clock", [S("Marlow Clock")]),
    ("get me the facts on the Aldwyn Viaduct", [S("Aldwyn Viaduct")]),
    ("I'm curious about the Order of the Lantern", [S("Order of the Lantern")]),
    ("What can you tell me about the Aldwyn Viaduct?", [S("Aldwyn Viaduct")]),
    ("Who was Ada Lovelace?", [S("Ada Lovelace")]),
    ("What is photosynthesis?", [S("photosynthesis")]),
    ("When was the Aldwyn Viaduct opened?", [S("Aldwyn Viaduct")]),
    ("Where is the Fenwick Tower, and who built it?", [S("Fenwick Tower")]),
    ("How old is the Marlow Clock?", [S("Marlow Clock")]),
    ("find out who founded the Bellweather Museum and when", [S("Bellweather Museum")]),
    ("explain what a viaduct is", [S("viaduct")]),
    ("the history of the Marlow Clock", [S("history of the Marlow Clock")]),
    (
        "search for the Aldwyn Viaduct and for the Marlow Clock",
        [S("Aldwyn Viaduct"), S("Marlow Clock")],
    ),
    ("look up the Aldwyn Viaduct and the Marlow Clock", [S("Aldwyn Viaduct"), S("Marlow Clock")]),
    ("search for 'A and B', 'C' and \"D\"", [S("A and B"), S("C"), S("D")]),
    ("Search for the release notes of version 3.11.4", [S("release notes of version 3.11.4")]),
    ("look up the events of 2026-11-20", [S("events of 2026-11-20")]),
    ("look up weather balloons", [S("weather balloons")]),
    ("search for note-taking apps", [S("note-taking apps")]),
    ("What is the difference between TCP and UDP?", [S("difference between TCP and UDP")]),
    ("look up Apocalypse Now", [S("Apocalypse Now")]),
]
NOTES: list[tuple[str, list[Wish]]] = [
    ("Save 'buy milk and eggs' as a note", [N("buy milk and eggs")]),
    ("save buy milk and eggs as a note", [N("buy milk and eggs")]),
    ('put "check the weather in Lisbon" into my notes', [N("check the weather in Lisbon")]),
    ("note that the train leaves at 9.", [N("the train leaves at 9")]),
    ("remember that Ana's birthday is 2026-11-20", [N("Ana's birthday is 2026-11-20")]),
    ("Make a note: call +351 21 123 4567", [N("call +351 21 123 4567")]),
    ("make a note to call the plumber", [N("call the plumber")]),
    ("Take down: bread, butter, jam", [N("bread, butter, jam")]),
    ("write down 'pay rent'", [N("pay rent")]),
    ("write down the door code 4711", [N("the door code 4711")]),
    ("add 'eggs' to my notes", [N("eggs")]),
    ("log 'tank half full' as a note", [N("tank half full")]),
    ("keep a note that the key is under the mat", [N("the key is under the mat")]),
    ("Save this: dentist on Monday", [N("dentist on Monday")]),
    ("Store this as a note: The code is 4711.", [N("The code is 4711")]),
    ("note to self: bring the keys", [N("bring the keys")]),
    ("please remember to feed the cat", [N("feed the cat")]),
    ("Save 'What is 2+2?' as a note.", [N("What is 2+2?")]),
    ("Make two notes: 'red' and 'blue'", [N("red"), N("blue")]),
    ("make a note:\n- milk\n- eggs", [N("- milk - eggs")]),
    (
        "Make a note: the train is at 9. Platform 4 it is. Thanks!",
        [N("the train is at 9. Platform 4 it is")],
    ),
    ("Jot down that I owe Bob $20", [N("I owe Bob $20")]),
    ("read my notes", [READ]),
    ("Show me all my notes, please", [READ]),
    ("list the notes", [READ]),
    ("what's in my notes?", [READ]),
    ("What do my notes say?", [READ]),
    ("do I have any notes?", [READ]),
    ("What did I write down?", [READ]),
    ("read the notes back to me", [READ]),
    ("Open my notes", [READ]),
    ("check my notes for the wifi password", [READ]),
]
NOTHING = [
    "",
    "Hello!",
    "Thanks, that's all.",
    "Say hello",
    "Reply with the word pong",
    "What can you do?",
    "Who are you?",
    "How are you?",
    "tell me the result",
    "What is it?",
    "Don't worry",
    "2026-11-20",
    "My number is 555-123-4567",
    "We were 10-12 people.",
]


@pytest.mark.parametrize(("text", "wishes"), CALCULATIONS + WEATHER + SEARCHES + NOTES)
def test_a_wording_is_read_as_its_wishes(text: str, wishes: list[Wish]) -> None:
    assert list(wishes_in(text)) == wishes


@pytest.mark.parametrize("text", NOTHING)
def test_a_text_without_a_wish_holds_none(text: str) -> None:
    assert wishes_in(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "What is 5+5? If it is 11, save 'x'.",
        "Save 'x' if it rains.",
        "Save 'x' as a note. But only if it rains.",
        "If it rains:\n- save 'x'\n- save 'y'",
        "Save 'x' unless 2 > 3, and save 'y' otherwise.",
        "Is it cold in Oslo? Then save 'x'.",
        "Save 'x' or 'y'.",
        "Save 'x' when it rains in Rome.",
        "Save 'x' every day.",
        "Save 'x'. No wait, don't.",
        "Save 'x'. Forget it. Read my notes.",
        "Save 'x' as a note, but not yet.",
        "If it is cold save 'x'. Save 'y' too. Then read my notes.",
        "Don't save the weather in Oslo.",
        "5*5, but without saving it",
        "Do not, under any circumstances, save 'x'.",
        "Under no circumstances save 'x'.",
        "I don't want you to save 'x'.",
        "Write 'x'",
        "5*5, and if you like it, save it.",
        "Look up tea. Do not save it. Read my notes.",
        "Save a joke as a note",
        "Save the third planet",
        "Save 'x' in capitals as a note",
        "Save how many people live in Rome as a note",
        "Paint a house and save that as a note",
        "Save tomorrow's weather in Oslo as a note",
        "Did you get my number saved as a note?",
    ],
)
def test_a_note_that_was_not_asked_for_is_not_saved(text: str) -> None:
    def saves(wish: Wish) -> bool:
        depends = wish.after if isinstance(wish, Read) else ()
        unmet = isinstance(wish, Save) and any(getattr(of, "asks_more", False) for of in wish.of)
        return (isinstance(wish, Save) and not unmet) or any(map(saves, depends))

    assert not any(map(saves, wishes_in(text)))


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("Save 'x' as a note if you can.", "x"),
        ("Make a note: if it rains, take the bus", "if it rains, take the bus"),
        ("note that I don't like tea", "I don't like tea"),
        ("Save 'if only' as a note", "if only"),
        ("Don't read my notes, save 'x'.", "x"),
        ("Don't forget to save 'x' as a note", "x"),
    ],
)
def test_an_if_or_a_not_that_is_politeness_or_a_notes_own_word_forbids_nothing(
    text: str, note: str
) -> None:
    assert N(note) in wishes_in(text)


def test_what_is_forbidden_is_not_done_for_another_wish_either() -> None:
    text = "Don't look anything up. Weather in the capital of Peru? Save what you find about tea."
    assert not {S, K, Save} & {type(wish) for wish in wishes_in(text)}


def test_a_session_goes_on_from_what_it_found() -> None:
    assert wishes_in("and times 2?", (C("2+2"),)) == (C("(2+2) * 2"),)
    assert wishes_in("And in Rome?", (W("Oslo"),)) == (W("Rome"),)
    assert wishes_in("and times 2?") == wishes_in("And in Rome?") == ()


def test_a_task_that_is_a_document_is_read_no_further_than_its_length_allows() -> None:
    text = "What is 2+2? " * 1000
    assert wishes_in(text) == (C("2+2"),)


def test_a_task_of_four_wishes_is_read_with_its_dependencies() -> None:
    facts = (C("23*19"), W("Lisbon"))
    both = Save(None, facts)
    assert wishes_in(
        "What is 23*19, and what is the weather in Lisbon? Save both as a note, then read my notes."
    ) == (*facts, both, Read((both,)))


@pytest.mark.parametrize(
    "reference",
    [
        "save it as a note",
        "save both",
        "store that in my notes",
        "write everything down",
        "make a note of it",
        "note the results",
        "remember the answers",
        "put all of it in one note",
        "keep a note of all that",
        "jot it down",
        "record what you found",
        "add these to my notes",
        "have both saved as a note",
        "summarise it in a note",
    ],
)
def test_a_reference_is_a_note_of_the_facts(reference: str) -> None:
    facts = (C("3+4"), S("Marlow Clock"))
    saved = Save(None, facts)
    assert wishes_in(f"Compute 3+4, look up the Marlow Clock and {reference}.") == (*facts, saved)


@pytest.mark.parametrize(
    "reference",
    ["Save both", "Save everything as a note", "Write all of it down", "Note the results"],
)
def test_a_reference_ahead_of_the_facts_is_a_note_of_those_that_follow(reference: str) -> None:
    facts = (C("3+4"), S("Marlow Clock"))
    saved = Save(None, facts)
    assert wishes_in(f"{reference}: compute 3+4 and look up the Marlow Clock.") == (saved, *facts)


@pytest.mark.parametrize(
    ("text", "of"),
    [
        ("Compute 5*5. Weather in Rome? Save the temperature.", [W("Rome")]),
        ("Compute 5*5. Weather in Rome? Save the sum as a note.", [C("5*5")]),
        ("Compute 5*5. Weather in Rome? Save the first.", [C("5*5")]),
        ("Compute 5*5. Weather in Rome? Save the weather only.", [W("Rome")]),
        ("Compute 5*5. Weather in Rome? Save all of it.", [C("5*5"), W("Rome")]),
        ("Save all of it once you have found the weather in Rome.", [W("Rome")]),
        ("Save the weather in Rome and the sum of 3 and 4 as a note", [W("Rome"), C("3 + 4")]),
        ("Note how warm it is in Rome", [W("Rome")]),
        ("write down what 5*5 is", [C("5*5")]),
        ("save what you can find about the Marlow Clock", [S("Marlow Clock")]),
        ("I want the weather in Rome saved as a note", [W("Rome")]),
        ("Save that as a note", []),
    ],
)
def test_a_note_holds_what_its_words_point_at(text: str, of: list[Fact]) -> None:
    saves = [wish for wish in wishes_in(text) if isinstance(wish, Save)]
    assert saves == [Save(None, tuple(of))]


@pytest.mark.parametrize("order", ["Save {}", "Write down {}", "Add {} to my notes"])
def test_each_quotation_is_a_note_of_its_own(order: str) -> None:
    assert wishes_in(order.format('"oak", \'elm\' and "ash"')) == (N("oak"), N("elm"), N("ash"))


def test_quotations_for_one_note_are_one_note() -> None:
    assert wishes_in("Save 'oak', 'elm' and 'ash' as one note") == (N("oak, elm and ash"),)


def test_each_save_refers_to_the_facts_since_the_one_before() -> None:
    text = "Compute 5+5 and save the sum. Then compute 6+6 and save that too. Read the notes."
    first, second = Save(None, (C("5+5"),)), Save(None, (C("6+6"),))
    assert wishes_in(text) == (C("5+5"), first, C("6+6"), second, Read((first, second)))


def test_everything_means_the_whole_task_even_after_another_save() -> None:
    first = Save(None, (C("5+5"),))
    both = Save(None, (C("5+5"), W("Rome")))
    text = "Compute 5+5 and save the sum. Weather in Rome? Save everything."
    assert wishes_in(text) == (C("5+5"), first, W("Rome"), both)


def test_reading_depends_on_the_saves_before_it_only() -> None:
    x, y = N("x"), N("y")
    text = "Read my notes, save 'x' as a note, read my notes again, save 'y', read them back."
    assert wishes_in(text) == (READ, x, Read((x,)), y, Read((x, y)))


@pytest.mark.parametrize(
    "text",
    ["Before reading my notes, save 'x'", "Read my notes after saving 'x' as a note"],
)
def test_before_and_after_turn_the_order(text: str) -> None:
    assert wishes_in(text) == (N("x"), Read((N("x"),)))


MANY: list[Wish] = [C("23*19"), W("Porto"), S("Marlow Clock"), N("call Ana")]


@pytest.mark.parametrize(
    "text",
    [
        "Work out 23*19, get Porto's weather, look up the Marlow Clock and note that call Ana",
        "1. 23*19\n2. Weather in Porto\n3. Look up the Marlow Clock\n4. Note: call Ana",
        "- 23*19\n- weather in Porto\n- search for the Marlow Clock\n- note: call Ana",
        "I need four things: 1) 23*19 2) the weather in Porto 3) the Marlow Clock looked up "
        "4) note: call Ana",
        "Step 1: calculate 23*19\nStep 2: check the weather in Porto\n"
        "Step 3: google the Marlow Clock\nStep 4: save 'call Ana'",
        "First calculate 23*19; then the weather in Porto; after that, look up the Marlow Clock; "
        "finally, save 'call Ana' to my notes.",
        "Hi Claude,\n\nplease compute 23*19 and tell me how warm it is in Porto.\n"
        'Could you also find out about the Marlow Clock? Save "call Ana" too.\n\nBest,\nTom',
        "Start by calculating 23*19, continue with the weather in Porto, then look up the Marlow "
        "Clock and finish by saving 'call Ana' as a note.",
    ],
)
def test_lists_steps_and_sentences_are_read_alike(text: str) -> None:
    text = text.replace("the Marlow Clock looked up", "look up the Marlow Clock")
    assert list(wishes_in(text)) == MANY


PIECES: dict[str, list[Wish]] = {
    "what is 23*19": [C("23*19")],
    "work out 17 plus 5": [C("17 + 5")],
    "the sum of 3 and 4": [C("3 + 4")],
    "tell me what 8 squared is": [C("8 ** 2")],
    "what's 15% of 80": [C("15 * 80 / 100")],
    "what is the weather in Lisbon": [W("Lisbon")],
    "check the temperature in New York right now": [W("New York")],
    "Porto's weather": [W("Porto")],
    "is it raining in Bergen": [W("Bergen")],
    "get the weather for Oslo and Cairo": [W("Oslo"), W("Cairo")],
    "how windy is it in the capital of Peru": [K("Peru")],
    "search for the Aldwyn Viaduct": [S("Aldwyn Viaduct")],
    "look up 'Tea and Sympathy'": [S("Tea and Sympathy")],
    "tell me about Ada Lovelace": [S("Ada Lovelace")],
    "who designed the Fenwick Tower": [S("Fenwick Tower")],
    "how long is the Marlow Bridge": [S("Marlow Bridge")],
    "save 'milk, eggs and bread' as a note": [N("milk, eggs and bread")],
    "write down 'pay rent'": [N("pay rent")],
    'put "weather: 2+2" into my notes': [N("weather: 2+2")],
}
JOINTS = [", and ", "; ", ", ", " and ", ", then ", " and then ", ". Then ", ". Also, ", "\n"]
ENDS = ["", ".", "?", " please.", ", thanks!"]


@settings(max_examples=300, deadline=2000)
@given(
    st.lists(st.sampled_from(sorted(PIECES)), min_size=1, max_size=4, unique=True),
    st.lists(st.sampled_from(JOINTS), min_size=3, max_size=3),
    st.sampled_from(ENDS),
    st.sampled_from(["", "Please ", "Hi! ", "First, ", "I need you to do this: "]),
)
def test_wishes_joined_in_any_order_are_read_one_by_one(
    pieces: list[str], joints: list[str], end: str, start: str
) -> None:
    text = start + pieces[0]
    for joint, piece in zip(joints, pieces[1:], strict=False):
        text += joint + piece
    expected = [wish for piece in pieces for wish in PIECES[piece]]
    assert list(wishes_in(text + end)) == expected


@settings(deadline=2000)
@given(st.text())
def test_any_text_is_read_and_read_twice_alike(text: str) -> None:
    assert wishes_in(text) == wishes_in(text)


KNOWN_WORDS = (
    "save it note that weather in Lisbon and , . : ; ' \" 2 + ( ) then search for the capital of "
    "what is my notes read up \n - 1. % who ? times both"
)
WORDS = st.sampled_from(KNOWN_WORDS.split(" "))


@settings(deadline=2000)
@given(st.lists(WORDS, max_size=40))
def test_any_order_of_known_words_is_read(words: list[str]) -> None:
    for wish in wishes_in(" ".join(words)):
        if isinstance(wish, C):
            assert re.fullmatch(r"[\d.()+\-*/% ]+", wish.expression)


@pytest.mark.parametrize(
    "text",
    [
        "weather " * 4000,
        "the sum of 3 and " * 3000,
        "(" * 20_000,
        "save it and " * 4000,
        "'" * 20_000,
        "if " * 20_000,
        "save it, but not " * 2000,
        "don't, " * 5000,
        "if you can, if " + "(" * 20_000,
    ],
)
def test_a_long_text_is_read_in_time_that_grows_with_its_length(text: str) -> None:
    # A quadratic reading of these takes minutes; the suite's time limit would show it.
    assert len(wishes_in(text)) <= 3
