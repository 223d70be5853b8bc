"""What a user got is told apart: facts, an honest gap, a refusal, a wrong answer, a failure."""

from __future__ import annotations

import pytest

from book.chain.chain import Book
from book.replay.replay import stories
from book.story.incident import Outcome, Run, Task, at_least, at_most
from book.story.wishes import Wishes
from mock_claude.model.answers import failed
from mock_claude.model.wishes import Calculate, Search, Weather
from mock_claude.world import World

SEEDS = range(5)


def kind(task: Task, text: str | None, error: str | None = None, status: int | None = None) -> str:
    return Outcome(task, text, error, 1.0, status=status).kind


@pytest.mark.parametrize("seed", SEEDS)
def test_an_answer_that_names_what_it_lacks_is_an_honest_gap(seed: int) -> None:
    wishes = Wishes(seed)
    weather, search = wishes.weather(1, "Oslo"), wishes.search(2)
    subject = search.gaps[0].word
    trouble = (
        "HTTPStatusError: Server error '503 Service Unavailable' for url 'http://127.0.0.1:80'"
    )
    said = "said what is missing"
    assert kind(weather, failed(Weather("Oslo"), trouble)) == said
    assert kind(search, failed(Search(subject), "OperationTimeout: not answered in 2 s")) == said
    assert kind(weather, "Missing: the weather in Oslo does not answer now.") == said


@pytest.mark.parametrize("seed", SEEDS)
def test_another_value_in_its_place_is_wrong_even_beside_an_excuse(seed: int) -> None:
    wishes = Wishes(seed)
    task, other = wishes.weather(1, "Oslo"), World(seed + 1).weather_fact("Oslo")
    assert task.facts[0] != other
    assert kind(task, f"The weather in Oslo: {other} °C.") == "wrong"
    assert kind(task, f"I could not get the weather in Oslo. It is {other} °C, I think.") == "wrong"
    product = wishes.product(1)
    assert kind(product, f"{product.gaps[0].word} = 1.") == "wrong"
    search = wishes.search(3)
    article = World(seed).search(search.gaps[0].word)[0].extract
    assert kind(search, article) == "facts"
    assert kind(search, article.replace(search.facts[0], "1492")) == "wrong"
    assert kind(search, article.replace(search.facts[2], "Nobody Else")) == "wrong"


def test_an_answer_that_does_not_name_its_wish_is_wrong() -> None:
    task = Wishes(1).weather(1, "Oslo")
    assert kind(task, "I could not do that.") == "wrong"
    assert kind(task, "") == "wrong"
    assert kind(Task("What?", ("4",)), "It does not answer now.") == "wrong"


def test_one_fact_there_and_the_other_missing_is_an_honest_gap() -> None:
    task = Wishes(1).weather_and_sum(1, "Oslo")
    there = f"{task.gaps[1].word} = {task.facts[1]}. "
    gap = failed(Weather("Oslo"), "no answer")
    assert kind(task, there + gap) == "said what is missing"
    assert (
        kind(task, f"The weather in Oslo: {task.facts[0]} °C. {task.gaps[1].word} = 0.") == "wrong"
    )
    assert kind(task, failed(Calculate(task.gaps[1].word), "x") + gap) == "said what is missing"


def test_refused_and_failed_are_told_apart() -> None:
    task = Wishes(1).echo(1)
    assert kind(task, None, "503 overloaded", 503) == "refused"
    assert kind(task, None, "429 rate_limited", 429) == "refused"
    assert kind(task, None, "BulkheadFullError") == "refused"
    assert kind(task, None, "500 error", 500) == "failed"
    assert kind(task, None, "too late") == "failed"
    assert kind(task, task.facts[0]) == "facts"


def test_a_run_counts_what_its_users_got() -> None:
    task = Wishes(1).echo(1)
    outcomes = (
        Outcome(task, task.facts[0], None, 1.0),
        Outcome(task, "what?", None, 1.0),
        Outcome(task, None, "too late", 9.0),
    )
    run = Run("any", 1, outcomes, (), {}, 9.0)
    assert run.kinds == {"facts": 1, "wrong": 1, "failed": 1}
    assert run.errors == {"wrong": 1, "too late": 1}


def test_every_task_of_the_book_with_facts_says_how_their_lack_looks() -> None:
    book = Book.find()
    for chapter in book.chapters:
        for story in stories(book, chapter) if any(s.solves for s in chapter.steps) else []:
            for task in story.incident.workload(7).tasks:
                if not task.text.startswith("Say "):  # an echo needs no tool that could lack
                    assert len(task.gaps) == len(task.facts), (story.incident.name, task.text)


def test_gaps_that_do_not_fit_the_facts_are_refused() -> None:
    gaps = Wishes(1).weather(1, "Oslo").gaps
    with pytest.raises(ValueError, match="2 facts need as many gaps, not 1"):
        Task("What?", ("1", "2"), gaps=gaps)


def test_what_was_not_measured_is_missed_and_says_so() -> None:
    check = at_most("longest queue", None, 4)
    assert not check.ok
    assert str(check) == "longest queue not measured"


def test_what_asks_nothing_neither_fails_nor_shows_a_figure() -> None:
    check = at_least("of them with Retry-After", 0, 1, applies=False)
    assert check.ok
    assert str(check) == "of them with Retry-After does not apply"
