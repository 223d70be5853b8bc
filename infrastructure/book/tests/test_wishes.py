"""Wishes that incidents are made of: their facts are in a right answer, their texts distinct."""

from collections.abc import Callable

import pytest
from forking import IMPORTS
from hypothesis import given
from hypothesis import strategies as st
from throw_away import incident

from book.chain.chain import Book
from book.stage import trial as trials
from book.stage.processes import Processes
from book.stage.trial import Trial
from book.story.incident import Run, Task, Workload
from book.story.wishes import CITIES, Wishes, at, tagged

KINDS: dict[str, Callable[[Wishes, int], Task]] = {
    "echo": Wishes.echo,
    "product": Wishes.product,
    "weather": Wishes.weather,
    "weather and sum": Wishes.weather_and_sum,
    "search": Wishes.search,
}
CALLS = {"echo": 1, "product": 2, "weather": 2, "weather and sum": 2, "search": 2}
USERS = 5


def workload(seed: int) -> Workload:
    wishes = Wishes(seed)
    tasks = [
        tagged(kind, wish(wishes, user)) for user in range(USERS) for kind, wish in KINDS.items()
    ]
    tasks += [
        tagged("weather", wishes.weather(50 + place, city)) for place, city in enumerate(CITIES)
    ]
    tasks += [tagged("weather and sum", wishes.weather_and_sum(70, "Oslo"))]
    return Workload(tuple(tasks), at_once=8, limit_s=20.0)


@pytest.fixture(scope="module", params=[7, 41])
def answered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """All wishes of some users, answered by the first agent without trouble."""
    seed: int = request.param
    told = incident(workload(seed))
    with Processes(IMPORTS, tmp_path_factory.mktemp("scratch")) as processes:
        trial = Trial(Book.find().step("reference-agent"), told, seed)
        return trials.run(trial, processes, lambda ok: None)


def test_every_wishs_facts_are_in_the_answer_of_the_first_agent(answered: Run) -> None:
    assert len(answered.outcomes) == len(workload(answered.seed).tasks)
    assert [outcome.task for outcome in answered.outcomes if not outcome.done] == []


def test_a_wish_takes_as_many_model_calls_as_it_says(answered: Run) -> None:
    for outcome in answered.outcomes:
        assert outcome.answer["turns"] == CALLS[outcome.task.tag]
    assert len(answered.model_requests) == sum(CALLS[o.task.tag] for o in answered.outcomes)


def test_every_tool_asks_the_simulator(answered: Run) -> None:
    assert {each.path for each in answered.exchanges} == {
        "/v1/messages",
        "/w/api.php",
        "/v1/search",
        "/v1/forecast",
    }


@given(st.integers(0, 10_000))
def test_a_fact_is_not_given_away_by_the_question_but_in_an_echo(seed: int) -> None:
    for kind, wish in KINDS.items():
        task = wish(Wishes(seed), 1)
        assert task.facts
        assert all(task.facts)
        if kind != "echo":
            assert not any(fact in task.text for fact in task.facts)


@given(st.integers(0, 10_000), st.integers(2, 40))
def test_texts_are_distinct_for_each_user_whatever_they_wish(seed: int, users: int) -> None:
    wishes = Wishes(seed)
    texts = [wish(wishes, user).text for user in range(users) for wish in KINDS.values()]
    assert len(set(texts)) == len(texts)


@given(st.integers(0, 10_000))
def test_wishes_for_one_city_are_distinct_for_each_user_with_the_same_facts(seed: int) -> None:
    wishes = Wishes(seed)
    tasks = [wishes.weather(user, "Oslo") for user in range(20)]
    assert len({task.text for task in tasks}) == 20
    assert {task.facts for task in tasks} == {tasks[0].facts}
    assert all("Oslo" in task.text for task in tasks)


@given(st.integers(0, 10_000))
def test_the_same_seed_gives_the_same_wishes_and_another_gives_others(seed: int) -> None:
    assert workload(seed) == workload(seed)
    assert workload(seed) != workload(seed + 1)


def test_an_arrival_and_a_tag_change_nothing_else() -> None:
    task = Wishes(7).echo(1)
    assert at(1.5, task) == Task(task.text, task.facts, None, 1.5, "")
    assert tagged("fast", at(1.5, task)) == Task(task.text, task.facts, None, 1.5, "fast")
    assert (task.at_s, task.tag) == (0.0, "")
