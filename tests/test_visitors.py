"""What a visitor meets first: pytest at the root, `make` alone, commands without make, forms."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from test_make import ROOT, Make, make  # noqa: F401 - the fixture

from book.chain import without_make
from book.chain.chain import Book
from book.lessons.export import export

POSIX = pytest.mark.skipif(
    os.name != "posix" or shutil.which("make") is None, reason="make and a POSIX shell are needed"
)
TEST = "import agent\n\n\ndef test_it() -> None:\n    assert agent.NAME == {name!r}\n"
MOST = 12  # lines of a group


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Two steps, a project beside them, and the repository's own conftest.py at the root."""
    shutil.copy2(ROOT / "conftest.py", tmp_path)
    for name in ("first", "chapters/chapter-02/second"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        folder.joinpath("agent.py").write_text(f"NAME = {name!r}\n", encoding="utf-8")
        folder.joinpath("test_agent.py").write_text(TEST.format(name=name), encoding="utf-8")
    for folder in (tmp_path, tmp_path / "chapters/chapter-02", tmp_path / "tests"):
        folder.mkdir(exist_ok=True)
        folder.joinpath("pyproject.toml").write_text("[tool.pytest]\n", encoding="utf-8")
    (tmp_path / "tests" / "pyproject.toml").unlink()
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n", encoding="utf-8")
    (tmp_path / "tests" / "test_rest.py").write_text("def test_it(): pass\n", encoding="utf-8")
    return tmp_path


def outcome(folder: Path, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words],
        cwd=folder,
        env={**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("within", "words"),
    [
        (".", ()),
        (".", (".",)),
        (".", ("first", "chapters/chapter-02/second")),
        (".", ("chapters",)),
        ("chapters", ("../first", ".")),
        ("first", ("..",)),
    ],
)
def test_pytest_over_several_folders_stops_with_what_to_type(
    small: Path, within: str, words: tuple[str, ...]
) -> None:
    code, said = outcome(small / within, *words)
    assert code == 4
    assert "each step folder is tested by itself: `make test`" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("within", "words"),
    [
        ("first", ()),
        (".", ("first",)),
        ("chapters/chapter-02/second", ()),
        (".", ("chapters/chapter-02/second/test_agent.py::test_it",)),
        (".", ("tests",)),
        ("tests", ("test_rest.py",)),
    ],
)
def test_pytest_in_one_folder_and_on_one_file_passes(
    small: Path, within: str, words: tuple[str, ...]
) -> None:
    code, said = outcome(small / within, *words)
    assert code == 0, said
    assert "1 passed" in said


def test_an_export_carries_no_conftest_of_the_root(tmp_path: Path) -> None:
    book = Book.find()
    for step in (book.steps[0], book.steps[-1]):
        export(book, step, tmp_path / step.short)
        assert list((tmp_path / step.short).rglob("conftest.py")) == []
        assert (tmp_path / step.short / "test_agent.py").is_file()


def groups(said: str) -> dict[str, list[str]]:
    """The lines below each heading."""
    found: dict[str, list[str]] = {}
    for line in said.splitlines():
        if line.startswith(" "):
            found[list(found)[-1]].append(line)
        else:
            found[line] = []
    return found


@POSIX
def test_make_alone_shows_what_readers_type_and_help_both_groups(make: Make) -> None:  # noqa: F811
    make.python("exit 1")
    alone, helped = groups(make().stdout), groups(make("help").stdout)
    assert list(alone) == ["To read and to learn:"]
    assert list(helped) == ["To read and to learn:", "To maintain:"]
    assert helped["To read and to learn:"] == alone["To read and to learn:"]
    assert all(0 < len(lines) <= MOST for lines in helped.values())


@POSIX
@pytest.mark.parametrize(("made", "run"), without_make.PAIRS)
def test_the_command_without_make_is_what_make_runs(make: Make, made: str, run: str) -> None:  # noqa: F811
    make.python(f'exec {sys.executable} "$@"')
    uv = make.programs / "uv"
    uv.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    uv.chmod(0o755)
    words = shlex.split(made)[1:]
    task = next((word.partition("=")[2] for word in words if word.startswith("TASK=")), "")
    printed = make("-n", *words).stdout.splitlines()
    (last,) = [line for line in printed if line.startswith(".venv/bin/book ")]
    runs = [word.replace("$TASK", task) for word in shlex.split(last)[1:]]
    given = " ".join(runs).replace(" --step reference-agent", "").replace(" -- ", " ")
    assert given == " ".join(shlex.split(run)[1:])


def test_the_forms_ask_for_what_an_answer_needs() -> None:
    folder = ROOT / ".github" / "ISSUE_TEMPLATE"
    forms = {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}
    assert sorted(forms) == ["command.yml", "erratum.yml"]
    assert "book report" in forms["command.yml"]
    for text in forms.values():
        assert re.match(r"name: \S.*\ndescription: \S.*\nlabels: \[\w+\]\nbody:\n", text)
        ids = re.findall(r"^    id: (\w+)$", text, re.MULTILINE)
        assert len(ids) == len(set(ids)) == text.count("required: true")


def test_the_citation_is_a_dozen_lines_that_name_the_license() -> None:
    lines = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MOST
    assert lines[0] == "cff-version: 1.2.0"
    assert "license: MIT" in lines


def test_an_update_is_a_week_old_for_the_bot_and_for_uv() -> None:
    bot = (ROOT / "renovate.json5").read_text(encoding="utf-8")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["uv"]["exclude-newer"] == "7 days"
    assert 'minimumReleaseAge: "7 days"' in bot
    assert "pinGitHubActionDigests" in bot


def test_the_readme_names_the_editions_within_ten_lines_and_ends_its_first_screen_by_forty() -> (
    None
):
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert any("](EDITIONS.md)" in line for line in lines[:10])
    first = lines[:40]
    for sign in ("$ make chapter-02", "(scoreboard.svg)", "**Read:**", "**Teach:**", "**Build:**"):
        assert any(sign in line for line in first), sign
