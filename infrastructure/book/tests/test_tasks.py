"""Whatever is asked, in whatever words and order, the agent answers rightly."""

from pathlib import Path

from grammar import grammar, run_on, wrong

from book.chain.chain import Book

SEED = 11


def test_sixty_tasks_of_one_to_four_wishes_are_all_answered_rightly(tmp_path: Path) -> None:
    run = run_on(Book.find().step("reference-agent"), SEED, grammar(SEED, 60), tmp_path)
    assert wrong(run) == []
    assert len(run.outcomes) == 60


def test_the_grammar_makes_different_tasks_for_different_seeds() -> None:
    assert len({task.text for task in grammar(SEED, 300)}) > 290
    assert grammar(1, 20) != grammar(2, 20)
