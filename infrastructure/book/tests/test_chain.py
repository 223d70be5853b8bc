"""The chain is read from steps.toml, and whatever is wrong with it is named with its place."""

from pathlib import Path

import pytest

from book.chain.chain import SERVICES, Book, ChainError
from book.stage.services.servers import KINDS
from book.story import parts

STEPS = """
title = "Trials"
package = "trials"

[[step]]
name = "first"
lesson = "One."
changes = ["agent.py"]
solves = ["a-storm"]

[[step]]
name = "complete"
lesson = "Two."
changes = ["agent.py"]
"""


def repository(folder: Path, **steps: str) -> Book:
    """A repository with the given chapters (``c02="..."``: chapter-02's steps.toml)."""
    agents = [folder / "reference-agent"]
    for name, text in steps.items():
        chapter = folder / "chapters" / f"chapter-{name[1:]}-words"
        chapter.mkdir(parents=True)
        (chapter / "steps.toml").write_text(text, encoding="utf-8")
        agents += [chapter / "first", chapter / "complete"]
    for agent in agents:
        agent.mkdir(parents=True)
        (agent / "agent.py").touch()
    return Book(folder)


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return repository(tmp_path, c02=STEPS, c10=STEPS.replace("trials", "ordeals"))


def test_the_chain_begins_with_the_reference_agent_and_follows_the_files(book: Book) -> None:
    assert [step.name for step in book.steps] == [
        "reference-agent",
        "chapter-02/first",
        "chapter-02/complete",
        "chapter-10/first",
        "chapter-10/complete",
    ]


def test_the_first_step_of_a_chapter_follows_the_last_of_the_one_before(book: Book) -> None:
    assert book.before(book.step("chapter-10/first")).name == "chapter-02/complete"


def test_nothing_comes_before_the_first_step(book: Book) -> None:
    with pytest.raises(ChainError, match="first step"):
        book.before(book.steps[0])


@pytest.mark.parametrize(
    "name", ["2", "02", "chapter-02", "chapter-02-words", "chapters/chapter-02-words/", "trials"]
)
def test_a_chapter_has_several_names(book: Book, name: str) -> None:
    assert book.chapter(name).number == 2


@pytest.mark.parametrize(
    "name", ["chapter-10/first", "chapter-10-words/first", "chapters/chapter-10-words/first/"]
)
def test_a_step_has_several_names(book: Book, name: str) -> None:
    assert book.step(name).name == "chapter-10/first"


def test_a_service_is_needed_from_the_step_on_that_declares_it(tmp_path: Path) -> None:
    first = STEPS.replace('lesson = "Two."', 'lesson = "Two."\nservices = ["redis"]')
    then = STEPS.replace('lesson = "One."', 'lesson = "One."\nservices = ["postgres"]')
    book = repository(tmp_path, c02=first, c04="title = 'a'\npackage = 'b'\n", c10=then)
    needs = [step.services for step in book.steps]
    assert needs == [(), (), ("redis",), ("redis", "postgres"), ("redis", "postgres")]


def test_the_services_that_one_can_name_are_those_that_can_be_started() -> None:
    assert set(SERVICES) == set(parts.SERVICES) == KINDS.keys()


def test_a_name_that_two_chapters_use_is_not_enough(book: Book) -> None:
    with pytest.raises(ChainError, match="chapter-10/complete"):
        book.step("complete")


def test_a_name_that_nothing_has_is_answered_with_the_valid_ones(book: Book) -> None:
    with pytest.raises(ChainError, match=r"Did you mean chapter-02\?.*chapter-02, chapter-10"):
        book.chapter("chaper-02")
    with pytest.raises(ChainError, match="reference-agent, chapter-02/first"):
        book.step("with-wings")


@pytest.mark.parametrize(
    ("wrong", "line", "says"),
    [
        (STEPS.replace('lesson = "One."', "lesson = 1"), 7, "step.0.lesson"),
        (
            STEPS.replace('lesson = "Two."', 'lessen = "Two."'),
            13,
            "lessen: unknown key; allowed: name, lesson",
        ),
        (STEPS.replace('name = "first"', 'name = "missing"'), 6, "missing"),
        (STEPS.replace('title = "Trials"', 'title = "'), 2, "TOML"),
        (STEPS.replace('changes = ["agent.py"]', "changes = []", 1), 8, "step.0.changes"),
        (
            STEPS + 'services = ["reddis"]\n',
            15,
            r"step.1.services: there is no service 'reddis'. Did you mean redis\? Valid: alert",
        ),
        (STEPS + 'services = ["redis", "redis"]\n', 15, "services: 'redis' is named twice"),
    ],
)
def test_a_wrong_file_is_named_with_line_and_key(
    tmp_path: Path, wrong: str, line: int, says: str
) -> None:
    book = repository(tmp_path, c02=wrong)
    with pytest.raises(ChainError, match=rf"steps\.toml.*{line}: .*{says}"):
        _ = book.chapters


def test_a_chapter_without_its_file_is_named(tmp_path: Path) -> None:
    book = repository(tmp_path)
    (tmp_path / "chapters" / "chapter-03-words").mkdir(parents=True)
    with pytest.raises(ChainError, match=r"chapter-03-words.steps\.toml: missing"):
        _ = book.chapters


def test_this_repository_is_found_from_the_installed_command() -> None:
    assert Book.find().step("with-retries").name == "chapter-02/with-retries"
