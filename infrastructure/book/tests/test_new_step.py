"""A new step is whole and in its place, or nothing has changed."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_repository import STEPS, Small, agent

from book.chain import files
from book.chain.chain import Book, ChainError
from book.lessons import new_step
from book.lessons.new_step import create, what_is_next

REFERENCE, FIRST, SECOND, COMPLETE, FOURTH, FIFTH = STEPS
SECTIONS = ["Try it", "What changed", "What it costs", "What can still go wrong"]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Small:
    return Small.make(tmp_path_factory.mktemp("template") / "book")


@pytest.fixture
def small(template: Small, tmp_path: Path) -> Small:
    return template.copied(tmp_path / "book")


def chain(small: Small) -> list[str]:
    return [step.name for step in small.book.steps]


def listing(small: Small, step: str) -> Path:
    return small.folder(step).parent / "steps.toml"


def test_a_new_step_is_a_copy_in_its_place(small: Small) -> None:
    folder = create(small.book, "with-x", after=FIRST)
    assert folder == small.folder("chapter-02/with-x")
    assert chain(small) == [REFERENCE, FIRST, "chapter-02/with-x", *STEPS[2:]]
    for name in ("agent.py", "tools.py", "config.py"):
        assert (folder / name).read_bytes() == small.read(FIRST, name)
    assert small.changed() == [
        "?? chapter-02/with-x/README.md",
        "?? chapter-02/with-x/agent.py",
        "?? chapter-02/with-x/config.py",
        "?? chapter-02/with-x/test_lesson.py",
        "?? chapter-02/with-x/tools.py",
        "M chapter-02/steps.toml",
    ]


def test_caches_secrets_notes_and_a_steps_own_files_stay_behind(small: Small) -> None:
    small.put(small.root / ".gitignore", ".env\nnotes.jsonl\n__pycache__/\n")
    for name in (".env", "notes.jsonl", "__pycache__/agent.pyc", "pyproject.toml"):
        small.write(REFERENCE, name, "private\n")
    small.write(REFERENCE, ".env.example", "AGENT_MODEL=\n")
    folder = create(small.book, "zeroth", after="chapter-02")
    assert sorted(path.name for path in folder.iterdir()) == [
        ".env.example",
        "README.md",
        "agent.py",
        "config.py",
        "test_lesson.py",
        "tools.py",
    ]


@pytest.mark.parametrize("after", ["chapter-03", "3", "ordeals"])
def test_a_chapters_first_step_follows_the_last_one_before(small: Small, after: str) -> None:
    folder = create(small.book, "zeroth", after=after)
    assert (folder / "agent.py").read_text(encoding="utf-8") == agent(3)
    assert chain(small) == [*STEPS[:4], "chapter-03/zeroth", *STEPS[4:]]


def test_a_chapter_without_steps_gets_its_first(small: Small) -> None:
    file = small.root / "chapters" / "chapter-04-new" / "steps.toml"
    small.put(file, '# Nothing yet.\ntitle = "New"\npackage = "new"')
    folder = create(small.book, "complete", after="chapter-04")
    assert chain(small)[-1] == "chapter-04/complete"
    assert (folder / "agent.py").read_bytes() == small.read(FIFTH, "agent.py")
    text = file.read_text(encoding="utf-8")
    assert text.startswith('# Nothing yet.\ntitle = "New"\npackage = "new"\n\n[[step]]\n')


def test_the_readme_has_every_section_to_fill_in(small: Small) -> None:
    text = (create(small.book, "with-x", after=FIRST) / "README.md").read_text(encoding="utf-8")
    parts = text.split("\n## ")
    assert [part.partition("\n")[0] for part in parts[1:]] == SECTIONS
    assert parts[0].startswith("# with-x\n")
    assert sum(line.startswith("- ") for line in parts[0].splitlines()) == 3
    assert all("TODO" in part for part in parts)
    assert "](" not in text  # a link to a module that is not there yet would be broken


def test_the_lesson_fails_by_assertion_until_it_is_written(small: Small) -> None:
    folder = create(small.book, "with-x", after=FIRST)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_lesson.py"],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 1
    assert "AssertionError: TODO" in done.stdout
    assert "1 failed" in done.stdout


def test_the_rest_of_steps_toml_stays_as_it_is(small: Small) -> None:
    file = listing(small, FIRST)
    text = file.read_text(encoding="utf-8")
    text = text.replace(
        '[[step]]\nname = "second"', '# About second.\n\t[[step]]  #!\nname="second"'
    )
    text = text.replace('lesson = "One thing."', 'lesson = """\n[[step]]\n# One thing."""', 1)
    small.put(file, text.replace("\n", "\r\n"))
    create(small.book, "with-x", after=FIRST)
    new = file.read_bytes().decode()
    entry = new[new.index('[[step]]\r\nname = "with-x"') : new.index("# About second.")]
    assert new.replace(entry, "") == text.replace("\n", "\r\n")
    assert entry.replace("\r\n", "").count("\n") == 0
    assert entry.endswith("\r\n\r\n")
    assert chain(small)[2] == "chapter-02/with-x"


def test_a_comment_that_ends_an_entry_stays_with_it(small: Small) -> None:
    file = listing(small, FIRST)
    text = file.read_text(encoding="utf-8")
    small.put(
        file,
        text.replace('\n\n[[step]]\nname = "second"', '\n# so far\n\n\n[[step]]\nname = "second"'),
    )
    create(small.book, "with-x", after=FIRST)
    new = file.read_text(encoding="utf-8")
    assert '\n# so far\n\n\n[[step]]\nname = "with-x"\n' in new
    assert '\n\n[[step]]\nname = "second"' in new


@given(
    above=st.lists(st.sampled_from(["", "# a comment", "  ", "# [[step]]"]), max_size=3),
    place=st.integers(0, 3),
    ends=st.booleans(),
)
@settings(max_examples=40)
def test_an_entry_is_inserted_at_its_place_and_removes_nothing(
    above: list[str], place: int, ends: bool
) -> None:
    between = "".join(f"{line}\n" for line in above)
    text = 'title = "T"\n' + "".join(f'{between}[[step]]\nname = "{n}"\n' for n in range(3))
    text = text if ends else text.rstrip("\n")
    new = new_step._inserted(text, '[[step]]\nname = "new"\n', place)
    names = [step["name"] for step in tomllib.loads(new)["step"]]
    expected = ["0", "1", "2"]
    expected.insert(place, "new")
    assert names == expected
    kept = new.replace('[[step]]\nname = "new"\n', "", 1).split("\n")
    assert [line for line in kept if line] == [line for line in text.split("\n") if line]


@pytest.mark.parametrize(
    ("name", "after", "says"),
    [
        ("second", FIRST, "in use: chapter-02/second"),
        ("fourth", FIRST, "in use: chapter-03/fourth"),
        ("complete", FIRST, "in use: chapter-02/complete"),
        ("With-X", FIRST, "lower-case words joined by hyphens"),
        ("with_x", FIRST, "lower-case words joined by hyphens"),
        ("with--x", FIRST, "lower-case words joined by hyphens"),
        ("../x", FIRST, "lower-case words joined by hyphens"),
        ("", FIRST, "lower-case words joined by hyphens"),
        ("tests", FIRST, "another folder"),
        ("trials", FIRST, "another folder"),
        ("notes", FIRST, "chapters/chapter-02-trials/notes: this exists"),
        ("with-x", "with-wings", "chapter-02/second.*or a chapter.*chapter-03"),
        ("with-x", REFERENCE, "name the chapter: chapter-02"),
    ],
)
def test_a_wrong_call_changes_nothing(small: Small, name: str, after: str, says: str) -> None:
    small.put(small.root / "chapters/chapter-02-trials/notes/mine.txt", "mine\n")
    before = small.everything()
    with pytest.raises(ChainError, match=says):
        create(small.book, name, after=after)
    assert small.everything() == before


def test_the_end_state_of_every_chapter_may_have_the_same_name(small: Small) -> None:
    create(small.book, "complete", after=FIFTH)
    assert chain(small)[-1] == "chapter-03/complete"


def test_a_listing_that_would_not_read_again_is_rolled_back(small: Small) -> None:
    file = listing(small, FIRST)
    inline = '[{name = "first", lesson = "One.", changes = ["agent.py"]}]'
    small.put(file, f'title = "T"\npackage = "trials"\nstep = {inline}\n')
    before = small.everything()
    with pytest.raises(ChainError, match=r"steps\.toml"):
        create(small.book, "with-x", after=FIRST)
    assert small.everything() == before


def test_a_listing_that_cannot_be_written_leaves_no_folder(small: Small) -> None:
    blocked = small.folder(FIRST).parent / f".steps.toml{files.UNFINISHED}"
    blocked.mkdir()
    before = small.everything()
    with pytest.raises(OSError, match="book-part"):
        create(small.book, "with-x", after=FIRST)
    assert small.everything() == before
    assert not small.folder("chapter-02/with-x").exists()


def test_a_step_inside_the_chain_has_to_be_carried_on(small: Small) -> None:
    book = small.book
    inside = what_is_next(book, create(book, "with-x", after=FIRST))
    assert "chapter-02/second and what follows: book propagate chapter-02/with-x" in inside[-1]
    last = what_is_next(small.book, create(small.book, "sixth", after=FIFTH))
    assert not any("book propagate" in line for line in last)


def test_the_lesson_of_a_new_step_is_carried_on_as_said(small: Small) -> None:
    create(small.book, "with-x", after=FIRST)
    assert "Nothing to carry" in small.carry()[1]
    small.edit("chapter-02/with-x", "line 34", "line 34 of with-x")
    assert small.carry()[0]
    for number, step in list(enumerate(STEPS))[2:]:
        assert small.text(step) == agent(number).replace("line 34\n", "line 34 of with-x\n")


def test_this_repositorys_own_listing_takes_a_new_step() -> None:
    book = Book.find()
    for chapter in book.chapters:
        text = (chapter.path / "steps.toml").read_text(encoding="utf-8")
        for place in range(len(chapter.steps) + 1):
            new = new_step._inserted(text, '[[step]]\nname = "new"\n', place)
            assert tomllib.loads(new)["step"][place]["name"] == "new"
