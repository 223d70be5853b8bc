"""Whatever is asked, in whatever words and order, the agent answers rightly: by the hundred."""

from pathlib import Path

from grammar import grammar, run_on, wrong

from book.chain.chain import Book

SEED = 12  # the quick tests ask 11


def test_three_hundred_tasks_of_one_to_four_wishes_are_all_answered_rightly(tmp_path: Path) -> None:
    run = run_on(Book.find().step("reference-agent"), SEED, grammar(SEED, 300), tmp_path)
    assert wrong(run) == []
    assert len(run.outcomes) == 300
