"""The Makefile on a bare machine: what is missing is named in one line, with exit code 2.

And what it hands on: what a person gives reaches the command as it was typed.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("sh", "make", "ls", "cut", "head", "tr", "basename", "rm", "touch", "env")
BARE = f"{sys.executable} -I -S"  # dozens of them start: none looks for packages
TOLD = "import json, os, sys; print(json.dumps([sys.argv[1:], dict(os.environ)]))"

pytestmark = pytest.mark.skipif(
    os.name != "posix" or shutil.which("make") is None, reason="make and a POSIX shell are needed"
)


@pytest.fixture
def make(tmp_path: Path) -> "Make":
    return Make(tmp_path)


class Make:
    """Runs this repository's Makefile in an empty copy, where only NEEDED and ``python3`` exist."""

    def __init__(self, folder: Path) -> None:
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name in NEEDED:
            self.programs.joinpath(name).symlink_to(shutil.which(name) or "/bin/false")
        self.copy = folder / "copy"
        (self.copy / "chapters" / "chapter-02-words").mkdir(parents=True)
        for name in ("Makefile", "pyproject.toml", "uv.lock"):
            shutil.copy2(ROOT / name, self.copy)

    def python(self, script: str) -> None:
        python = self.programs / "python3"
        python.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        python.chmod(0o755)

    def with_commands(self) -> "Make":
        """uv does nothing, and book tells its words and its environment."""
        self.python(f'exec {BARE} "$@"')
        uv, book = self.programs / "uv", self.copy / ".venv" / "bin" / "book"
        book.parent.mkdir(parents=True)
        uv.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
        book.write_text(f'#!/bin/sh\nexec {BARE} -c "{TOLD}" "$@"\n', encoding="utf-8")
        for program in (uv, book):
            program.chmod(0o755)
        return self

    def given(self, *words: str, **variables: str) -> tuple[list[str], dict[str, str]]:
        """What book is called with by this make command, and what it finds in its environment."""
        done = self(*words, **variables)
        assert done.returncode == 0, done.stderr
        arguments, environment = json.loads(done.stdout.splitlines()[-1])
        return arguments, environment

    def __call__(self, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(self.programs / "make"), *words],
            cwd=self.copy,
            env={"PATH": str(self.programs), "HOME": str(self.copy), **variables},
            capture_output=True,
            text=True,
            check=False,
        )


def test_without_venv_the_line_that_installs_it_is_printed(make: Make) -> None:
    make.python(f'case "$*" in *ensurepip*) exit 1;; esac\nexec {sys.executable} "$@"')
    done = make("chapter-02")
    assert done.returncode == 2
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert f"sudo apt-get install python{version}-venv" in done.stderr
    assert not (make.copy / ".venv").exists()


def test_with_an_old_python_the_version_needed_is_named(make: Make) -> None:
    make.python("exit 1")
    done = make("test")
    assert done.returncode == 2
    assert "Python 3.11 or newer" in done.stderr


def test_an_unknown_chapter_is_answered_with_the_valid_ones(make: Make) -> None:
    done = make.with_commands()("chapter-77")
    assert done.returncode == 2
    assert "chapter-02" in done.stderr


def test_help_names_the_commands_of_the_readme(make: Make) -> None:
    make.python("exit 1")
    done = make("help")
    assert done.returncode == 0
    for command in ("make chapter-02", "make test", "make agent", "make diff-02", "make check"):
        assert command in done.stdout


# What a shell can pass on: no NUL, and make strips what stands before the first word.
TYPED = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
HARD = (
    "Save a note: the price is $5.50 per kg.",
    "$(2+3)*4",
    "$(shell touch made-by-a-task) ${HOME} $$ $@",
    '`touch made-by-a-task`; it\'s "quoted" # and more \\',
    "first line\nsecond line: $(x)",
    "-5+3",
    "--help",
    "a = b := c",
    "Grüße 😀 %d",
)


@pytest.mark.parametrize("task", HARD)
@pytest.mark.parametrize("way", ["command line", "environment"])
def test_a_task_arrives_as_it_was_typed(make: Make, task: str, way: str) -> None:
    make.with_commands()
    if way == "environment":
        arguments, _ = make.given("agent", TASK=task)
    else:
        arguments, _ = make.given("agent", f"TASK={task}")
    assert arguments == ["agent", "--step", "reference-agent", "--", task]
    assert not (make.copy / "made-by-a-task").exists()


def test_any_task_arrives_as_it_was_typed(tmp_path: Path) -> None:
    make = Make(tmp_path).with_commands()

    @settings(max_examples=25, deadline=None)
    @given(TYPED.map(str.lstrip).filter(bool))
    def arrives(task: str) -> None:
        assert make.given("agent", f"TASK={task}")[0][-1] == task

    arrives()


def test_other_values_arrive_as_they_were_typed(make: Make) -> None:
    make.with_commands()
    odd = 'it\'s $(shell touch made) `x` "y"'
    words = make.given("chapter-02", f"INCIDENT={odd}", "SET=A=$5 B='6'", "SEED=3")[0]
    expected = ["run", "02", "--incident", odd, "--seed", "3", "--set", "A=$5", "--set", "B='6'"]
    assert words == expected
    assert make.given("diff", f"A={odd}", "B=b")[0] == ["diff", odd, "b"]
    assert make.given("agent", f"STEP={odd}", "TASK=x")[0][2] == odd
    assert not (make.copy / "made").exists()


@pytest.mark.parametrize("value", ["", "0", "no", "No", "NO", "false", "False", "off", " 0 "])
def test_what_says_no_leaves_every_switch_off(make: Make, value: str) -> None:
    make.with_commands()
    assert make.given("agent", f"LIVE={value}", "TASK=x")[0][-2:] == ["--", "x"]
    assert make.given("agent", "TASK=x", LIVE=value)[0] == make.given("agent", "TASK=x")[0]
    assert make.given("test", f"ALL={value}", f"TIMES={value}", f"THOROUGH={value}")[0] == ["test"]
    assert make.given("check", *(f"{n}={value}" for n in ("FAST", "EVERY", "FRESH")))[0] == [
        "check"
    ]
    assert make.given("chapter-02", f"DETAILS={value}")[0] == ["run", "02"]


@pytest.mark.parametrize("value", ["yes", "true", "2", "on", "1 "])
def test_only_live_1_costs_money(make: Make, value: str) -> None:
    make.with_commands()
    words, _ = make.given("agent", f"LIVE={value}", "TASK=x")
    assert ("--live" in words) is (value.strip() == "1")
    told = make("agent", f"LIVE={value}", "TASK=x").stderr
    assert ("only LIVE=1" in told) is (value.strip() != "1")


@pytest.mark.parametrize(
    ("given_name", "meant"),
    [("task", "TASK"), ("Step", "STEP"), ("incident", "INCIDENT"), ("seed", "SEED"), ("a", "A")],
)
def test_a_name_in_small_letters_is_answered_with_the_name_that_is_meant(
    make: Make, given_name: str, meant: str
) -> None:
    done = make.with_commands()("agent", f"{given_name}=x")
    assert done.returncode == 2
    assert f"write {meant}=" in done.stderr
    assert done.stdout == ""


def test_other_variables_on_the_command_line_reach_the_command(make: Make) -> None:
    _, environment = make.with_commands().given("agent", "TASK=x", "AGENT_MODEL=m", "no_proxy=a")
    assert environment["AGENT_MODEL"] == "m"


@pytest.mark.parametrize("name", ["chapter-2", "chapter-02", "chapter-02-words"])
def test_a_chapter_is_made_by_its_number_with_and_without_a_nought_or_its_folder(
    make: Make, name: str
) -> None:
    assert make.with_commands().given(name, "SEED=3")[0] == ["run", "02", "--seed", "3"]


def test_a_home_that_takes_no_files_gets_its_caches_in_the_repository(make: Make) -> None:
    make.with_commands()
    file = make.copy / "a-file"
    file.touch()
    _, kept = make.given("list")
    assert not {"UV_CACHE_DIR", "PIP_CACHE_DIR"} & kept.keys()
    _, moved = make.given("list", HOME=str(file))
    assert moved["UV_CACHE_DIR"] == str(make.copy / ".cache" / "uv")
    assert moved["PIP_CACHE_DIR"] == str(make.copy / ".cache" / "pip")
    _, own = make.given("list", HOME=str(file), UV_CACHE_DIR="/mine")
    assert own["UV_CACHE_DIR"] == "/mine"


def test_uv_asks_the_systems_certificates_unless_it_is_told_otherwise(make: Make) -> None:
    """A company's own certificate authority stands there, and not in uv's own list."""
    make.with_commands()
    bundles = ("certs/ca-certificates.crt", "cert.pem", "ca-bundle.pem")
    there = [Path("/etc/ssl", name) for name in bundles]
    there.append(Path("/etc/pki/tls/certs/ca-bundle.crt"))
    expected = "true" if any(bundle.is_file() for bundle in there) else None
    assert make.given("list")[1].get("UV_SYSTEM_CERTS") == expected
    assert make.given("list", UV_SYSTEM_CERTS="false")[1]["UV_SYSTEM_CERTS"] == "false"


def test_where_uv_cannot_be_installed_the_switches_are_named(make: Make) -> None:
    make.python(
        'case "$*" in *"-m venv"*) mkdir -p .uv/bin; cp "$0" .uv/bin/python;; '
        '*"-m pip"*) exit 1;; *) exit 0;; esac'
    )
    for name in ("mkdir", "cp"):
        make.programs.joinpath(name).symlink_to(shutil.which(name) or "/bin/false")
    done = make("list")
    assert done.returncode == 2
    for name in ("PIP_CERT", "SSL_CERT_FILE", "PIP_INDEX_URL"):
        assert name in done.stderr
