"""A pair runs again when something that decides its result has changed, and only then."""

from __future__ import annotations

import ast
import platform
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import large_repository
import pytest

from book.chain.chain import Book
from book.chain.deciding import HARNESS, RUNS, SIMULATOR, Deciding, Watched
from book.chain.reach import Reach
from book.check import incidents
from book.check.incidents import SEED, Pair
from book.replay import known as knowing
from book.replay.cells import must_hold
from book.stage.processes import Processes
from book.story.incident import at_least

STORY = f"{HARNESS}/story/verdict.py"
LAST = large_repository.CHAPTERS
Pairs = set[tuple[str, str]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The large repository; a test undoes what it edits."""
    folder = tmp_path_factory.mktemp("large") / "book"
    large_repository.make(folder)
    return folder


@pytest.fixture(scope="module")
def asked(root: Path) -> list[Pair]:
    return list(incidents.pairs(Book(root)))


@pytest.fixture(scope="module")
def before(root: Path, asked: list[Pair]) -> dict[tuple[str, str], str]:
    return keys(root, asked)


Again = Callable[[], Pairs]


@pytest.fixture
def again(root: Path, asked: list[Pair], before: dict[tuple[str, str], str]) -> Again:
    """The pairs that would run now, because their keys are others."""

    def found() -> Pairs:
        return {name for name, key in keys(root, asked).items() if key != before[name]}

    return found


@pytest.fixture
def edit(root: Path) -> Iterator[Callable[..., None]]:
    """Add a text to a file, or write a new one; undone when the test is over."""
    old: dict[Path, bytes | None] = {}

    def add(name: str, more: str = "\n") -> None:
        path = root / name
        content = path.read_bytes() if path.is_file() else None
        old.setdefault(path, content)
        path.write_bytes((content or b"") + more.encode())

    yield add
    for path, content in old.items():
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)


def keys(root: Path, asked: Sequence[Pair]) -> dict[tuple[str, str], str]:
    now, book = Deciding(Book(root)), Book(root)
    return {
        (story.incident.name, step.name): now.pair(
            knowing.incident_file(book, story), story.before, step, SEED
        )
        for story, step in asked
    }


def chapter(number: int) -> str:
    return f"chapters/chapter-{number:02}-words"


def test_pairs_that_are_known_do_not_run_again(
    root: Path, asked: list[Pair], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(knowing.FOLDER, str(tmp_path / "results"))
    book = Book(root)
    with knowing.opened(book) as known:
        for story, step in asked:
            holds = must_hold(book, story, step)
            checks = [asdict(at_least("success", 1.0 if holds else 0.1, 0.9))]
            told = {"measured": "2026-11-28T12:10:03Z", "figure": None}
            value = {**told, "holds": holds, "checks": checks}
            known.kept.put(known.key(story, step, SEED), value)
    assert len(asked) == 498
    processes = Processes((), tmp_path)  # none is started
    with knowing.opened(book) as known:
        done = incidents.ask(book, processes, known, lambda name: None)
    assert (done.ran, done.known, done.findings) == (0, 498, [])


def test_an_edit_of_the_last_package_asks_the_pairs_that_reach_it(
    root: Path, asked: list[Pair], edit: Callable[..., None], again: Again
) -> None:
    edit(f"{chapter(LAST)}/{large_repository.package_of(LAST)}/one.py")
    steps = {step.name for step in Book(root).chapters[-1].steps}
    expected = {(s.incident.name, step.name) for s, step in asked if step.name in steps}
    assert again() == expected
    assert len(expected) == 68  # one for each of 55 earlier incidents, 13 of its own chapter


def test_an_edit_of_an_early_package_asks_what_stands_on_it(
    edit: Callable[..., None], again: Again
) -> None:
    edit(f"{chapter(2)}/words_b/one.py")
    found = again()
    assert ("trouble-02-1", "chapter-02/with-02-1") in found
    assert ("trouble-02-1", "chapter-12/complete") in found  # through eleven packages
    assert ("trouble-01-1", "reference-agent") not in found
    assert ("trouble-01-2", "chapter-01/complete") not in found


NOTHING = [
    f"{HARNESS}/replay/present.py",
    f"{HARNESS}/replay/policies.py",
    f"{HARNESS}/scoreboard/terminal.py",
    f"{HARNESS}/pages/diff_page.py",
    f"{HARNESS}/cli.py",
    f"{HARNESS}/check/incidents.py",
    "README.md",
    "Makefile",
    "pyproject.toml",
    "reference-agent/README.md",
    "reference-agent/test_agent.py",
    "chapters/chapter-01-words/complete/README.md",
    "chapters/chapter-01-words/complete/test_lesson.py",
    "chapters/chapter-01-words/README.md",
]
ALL = [
    f"{SIMULATOR}/world/cities.csv",
    f"{SIMULATOR}/server.py",
    STORY,
    f"{HARNESS}/stage/schedule.py",
    f"{HARNESS}/stage/plain_service.py",
    f"{HARNESS}/replay/cells.py",
    f"{HARNESS}/replay/replay.py",
]


def test_what_only_shows_or_tests_decides_nothing(
    root: Path, edit: Callable[..., None], again: Again
) -> None:
    for name in NOTHING:
        assert (root / name).is_file()
        edit(name)
    assert again() == set()


@pytest.mark.parametrize("name", ALL)
def test_simulator_its_data_and_what_runs_and_judges_decide_all(
    root: Path, edit: Callable[..., None], again: Again, name: str
) -> None:
    assert (root / name).is_file()
    edit(name)
    assert len(again()) == 498


def test_new_files_count_where_whole_folders_do(edit: Callable[..., None], again: Again) -> None:
    edit(f"{SIMULATOR}/world/rivers.csv")
    assert len(again()) == 498


def test_an_edit_of_an_incident_or_its_data_asks_its_own_pairs(
    asked: list[Pair], edit: Callable[..., None], again: Again
) -> None:
    edit(f"{chapter(3)}/incidents/trouble_03_2.toml")
    names = {(story.incident.name, step.name) for story, step in asked}
    assert again() == {pair for pair in names if pair[0] == "trouble-03-2"}


def test_an_edit_of_a_step_asks_the_pairs_that_run_on_it(
    edit: Callable[..., None], again: Again
) -> None:
    edit(f"{chapter(5)}/with-05-2/tools.py")
    found = again()
    # On it, and wherever it is the step before: its run is what others are compared to.
    assert {name for name, _ in found} == {"trouble-05-2", "trouble-05-3"}
    assert {step for name, step in found if name == "trouble-05-2"} == {"chapter-05/with-05-2"}


def test_a_server_that_a_step_needs_decides_what_runs_on_it(root: Path, asked: list[Pair]) -> None:
    book = Book(root)
    (story, step), *_ = asked
    file, now = knowing.incident_file(book, story), Deciding(book)
    plain = now.pair(file, story.before, step, SEED)
    needs = replace(step, services=("redis",))
    assert now.pair(file, story.before, step, SEED) == plain
    assert now.pair(file, story.before, needs, SEED) != plain
    assert now.pair(file, replace(story.before, services=("redis",)), step, SEED) != plain


def test_a_persons_settings_beside_an_agent_decide_what_runs_on_it(
    edit: Callable[..., None], again: Again
) -> None:
    edit(f"{chapter(LAST)}/complete/.env", "AGENT_MODEL=x")
    assert {step for _, step in again()} == {f"chapter-{LAST}/complete"}


@pytest.mark.parametrize(
    ("names", "count"),
    [
        (["anthropic"], 498),
        (["sniffio"], 498),  # which anthropic needs
        (["h11"], 498),
        (["pytest", "mypy", "ruff", "rich", "typer", "tenacity"], 0),
    ],
)
def test_a_locked_version_decides_what_runs_on_it_however_deep(
    root: Path, again: Again, names: list[str], count: int
) -> None:
    file = root / "uv.lock"
    whole = text = file.read_text(encoding="utf-8")
    for name in names:
        head, found, rest = text.partition(f'\nname = "{name}"\nversion = "')
        assert found
        text = f"{head}{found}99.{rest}"
    file.write_text(text, encoding="utf-8")
    try:
        assert len(again()) == count
    finally:
        file.write_text(whole, encoding="utf-8")


def test_python_the_system_and_the_seed_decide(
    root: Path, asked: list[Pair], monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Book(root)
    story, step = asked[0]
    file = knowing.incident_file(book, story)

    def key(seed: int = 7, how: str = "") -> str:
        return Deciding(book).pair(file, story.before, step, seed, how)

    keys = {key(), key(8), key(how="crowded")}
    monkeypatch.setattr(platform, "python_version", lambda: "3.99.0")
    keys.add(key())
    monkeypatch.setattr(platform, "system", lambda: "Plan9")
    assert len(keys | {key()}) == 5
    assert key() == key()


def test_an_incident_takes_what_it_imports_and_reads(
    root: Path, asked: list[Pair], edit: Callable[..., None]
) -> None:
    folder = f"{chapter(1)}/incidents"
    story, step = asked[0]

    def changed(name: str, more: str = "\n") -> bool:
        old = keys(root, [(story, step)])
        edit(name, more)
        return keys(root, [(story, step)]) != old

    shown = f"{HARNESS}/replay/present.py"
    others = [f"{folder}/trouble_01_2.toml", f"{chapter(9)}/words_i/one.py", shown]
    assert [changed(name) for name in others] == [False] * 3
    code = "SHARED = 'trouble_01_2.toml'\n\n\ndef late():\n    from words_i.one import x\n"
    assert changed(f"{folder}/trouble_01_1.py", f"{code}    from book.replay.present import y\n")
    assert [changed(name) for name in others] == [True] * 3
    assert changed(f"{folder}/names.json")


def test_the_list_of_what_runs_and_judges_is_whole() -> None:
    """What these modules import of the harness is in the list, or in the room that it rests on."""
    book = Book.find()
    root = book.root / HARNESS
    files = [
        f
        for name in RUNS
        for f in ((root / name).rglob("*.py") if "." not in name else [root / name])
    ]
    rest = Reach(book).harness(files) - set(files)
    assert {file.parent.name for file in rest} <= {"chain"}
    assert all(ast.parse(file.read_bytes()) for file in files)


def test_what_changes_while_it_runs_has_another_key(
    root: Path, asked: list[Pair], edit: Callable[..., None]
) -> None:
    book = Book(root)
    story, step = asked[0]
    file = knowing.incident_file(book, story)

    def make(now: Deciding) -> str:
        return now.pair(file, story.before, step, SEED)

    watched = Watched(book)
    key = make(watched.began)
    assert watched.still(key, make)
    edit(f"{HARNESS}/replay/present.py")
    assert watched.still(key, make)
    edit(f"{SIMULATOR}/new.py")
    assert not watched.still(key, make)
