"""A lesson is shown as its wiring and then its modules, and as nothing else."""

import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from book.chain import files
from book.chain.chain import Book, ChainError
from book.lessons import diff

FIRST_STEPS = """
title = "Trials"
package = "trials"

[[step]]
name = "one"
lesson = "Call twice."
modules = ["twice"]
changes = ["agent.py", "config.py", "tools.py"]

[[step]]
name = "two"
lesson = "Call at last."
modules = ["at_last", "clock"]
changes = ["agent.py", "service.py", "logo.bin", "tools.py"]
"""
LATER_STEPS = """
title = "Ordeals"
package = "ordeals"

[[step]]
name = "three"
lesson = "Call nobody."
changes = ["agent.py"]
"""
EMPTY = 'title = "Nothing"\npackage = "nothing"\n'
MODULES = ("twice", "at_last", "clock")
AGENT = [f"line_{n} = {n}" for n in range(20)]


def write(folder: Path, **texts: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")


def agent(**changed: str) -> str:
    """The agent with some lines replaced: ``line_3="..."``."""
    lines = [changed.get(line.partition(" ")[0], line) for line in AGENT]
    return "\n".join(lines) + "\n"


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """Three steps in two chapters, and a chapter without a step."""
    first, later = (tmp_path / "chapters" / name for name in ("chapter-02-a", "chapter-03-b"))
    write(tmp_path / "reference-agent", agent=agent(), tools="tool = 1\n", config="size = 1\n")
    write(first / "one", agent=agent(line_9="line_9 = twice()"), config="size = 2\n")
    write(first / "one", tools="tool = 2\n", test_lesson="a_test_of_one = 1\n")
    write(first / "two", agent=agent(line_9="line_9 = at_last()"), config="size = 2\n")
    write(first / "two", service="serve = 1\n", test_lesson="a_test_of_two = 1\n")
    (first / "two" / "logo.bin").write_bytes(b"\0\1")
    write(later / "three", agent=agent(), config="size = 2\n", service="serve = 1\n")
    (later / "three" / "logo.bin").write_bytes(b"\0\1")
    for number, folder in enumerate(tmp_path.rglob("agent.py")):
        (folder.parent / "README.md").write_text(f"page {number}\n", encoding="utf-8")
    write(first / "trials", twice="def twice():\n    return 2\n", at_last="last = True\n")
    write(first / "trials", clock="tick = 1\n", elsewhere="of_no_step = True\n")
    (first / "steps.toml").write_text(FIRST_STEPS, encoding="utf-8")
    (later / "steps.toml").write_text(LATER_STEPS, encoding="utf-8")
    (tmp_path / "chapters" / "chapter-04-c").mkdir()
    (tmp_path / "chapters" / "chapter-04-c" / "steps.toml").write_text(EMPTY, encoding="utf-8")
    return Book(tmp_path)


def shown(book: Book, a: str, b: str, out: Console | None = None) -> str:
    out = out or Console(file=io.StringIO(), width=80)
    diff.show(book, book.step(a), book.step(b), out)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def terminal(no_color: bool) -> Console:
    return Console(
        file=io.StringIO(), force_terminal=True, color_system="standard", no_color=no_color
    )


def test_a_lesson_begins_with_its_step_its_words_and_the_lines_that_git_counts(book: Book) -> None:
    head = shown(book, "reference-agent", "one").split("---")[0]
    assert "chapter-02/one\n" in head
    assert "Call twice." in head
    assert "agent.py +1 -1 · tools.py +1 -1 · config.py +1 -1" in head


def test_the_wiring_has_three_lines_of_context_and_agent_py_comes_first(book: Book) -> None:
    text = shown(book, "reference-agent", "one")
    wiring = text[text.index("--- ") : text.index("--- reference-agent/tools.py")]
    assert wiring.splitlines()[:11] == [
        "--- reference-agent/agent.py",
        "+++ chapter-02/one/agent.py",
        "@@ -7,7 +7,7 @@ line_5 = 5",
        " line_6 = 6",
        " line_7 = 7",
        " line_8 = 8",
        "-line_9 = 9",
        "+line_9 = twice()",
        " line_10 = 10",
        " line_11 = 11",
        " line_12 = 12",
    ]


def test_a_new_module_is_shown_whole_after_the_wiring_and_no_other_is(book: Book) -> None:
    text = shown(book, "reference-agent", "one")
    module = "New module: chapters/chapter-02-a/trials/twice.py\n\ndef twice():\n    return 2\n"
    assert text.index(module) > text.index("--- reference-agent/config.py")
    assert text.count("New module") == 1


def test_what_is_new_in_every_step_is_no_part_of_a_lesson(book: Book) -> None:
    text = shown(book, "reference-agent", "two")
    assert "README" not in text
    assert "a_test_of" not in text
    assert "of_no_step" not in text


def test_files_that_a_step_adds_or_removes_or_that_are_no_text_are_named(book: Book) -> None:
    text = shown(book, "one", "two")
    assert "service.py new, 1 line" in text
    assert "+serve = 1" in text
    assert "tools.py gone, 1 line" in text
    assert "-tool = 2" in text
    assert "logo.bin binary" in text
    assert "config.py" not in text


def test_a_lesson_over_several_steps_is_one_diff_with_all_modules_between(book: Book) -> None:
    text = shown(book, "reference-agent", "three")
    for part in ("From reference-agent to chapter-03/three", "Call twice.", "Call at last."):
        assert part in text
    order = [text.index(f"New module: chapters/chapter-02-a/trials/{n}.py") for n in MODULES]
    assert order == sorted(order)
    assert "agent.py" not in text  # three undid what one and two did
    assert "trials/twice" not in shown(book, "one", "two")  # the first step's own is no news


def test_one_step_twice_is_no_lesson(book: Book) -> None:
    with pytest.raises(ChainError, match=r"both are chapter-02/one"):
        shown(book, "one", "one")


def test_the_wrong_order_is_answered_with_the_right_one(book: Book) -> None:
    with pytest.raises(ChainError, match=r"A=chapter-02/one B=chapter-02/two"):
        shown(book, "two", "one")


def test_a_module_that_does_not_exist_is_named_with_its_place(book: Book) -> None:
    (book.root / "chapters/chapter-02-a/trials/clock.py").unlink()
    with pytest.raises(ChainError, match=r"chapter-02/two .* clock.*trials/clock\.py"):
        shown(book, "one", "two")


def test_a_file_without_its_last_newline_is_told_as_git_tells_it(book: Book) -> None:
    (book.step("one").path / "config.py").write_text("size = 2", encoding="utf-8")
    assert "+size = 2\n\\ No newline at end of file" in shown(book, "reference-agent", "one")


def test_a_chapter_is_its_lessons_in_order(book: Book) -> None:
    out = Console(file=io.StringIO(), width=80)
    diff.show_chapter(book, book.chapter("2"), out)
    assert isinstance(out.file, io.StringIO)
    one, two = shown(book, "reference-agent", "one"), shown(book, "one", "two")
    assert out.file.getvalue() == one + two


def test_a_chapter_without_a_step_says_where_to_read_instead(book: Book) -> None:
    with pytest.raises(ChainError, match="chapters/chapter-04-c/nothing/"):
        diff.show_chapter(book, book.chapter("4"), Console(file=io.StringIO()))


def test_only_a_terminal_that_wants_colour_gets_it(book: Book) -> None:
    plain = shown(book, "reference-agent", "one")
    assert "\x1b" not in plain
    assert shown(book, "reference-agent", "one", terminal(no_color=True)) == plain
    coloured = shown(book, "reference-agent", "one", terminal(no_color=False))
    assert "\x1b[92" in coloured  # an added line in green
    assert "\x1b[94" in coloured  # a keyword of the module in blue


def test_long_lines_are_not_broken(book: Book) -> None:
    long = f"text = {'x' * 300!r}"
    write(book.step("one").path, agent=agent(line_9=long))
    assert f"+{long}\n" in shown(book, "reference-agent", "one")


SHOW = """
import sys
from pathlib import Path
from rich.console import Console
from book.lessons import diff
from book.chain.chain import Book
book = Book(Path(sys.argv[1]))
diff.show_chapter(book, book.chapter("2"), Console())
"""


def test_an_old_code_page_costs_a_character_and_not_the_lesson(book: Book) -> None:
    write(book.root / "chapters/chapter-02-a/trials", twice="tree = '└──'\n")
    done = subprocess.run(
        [sys.executable, "-c", SHOW, str(book.root)],
        env={**os.environ, "PYTHONIOENCODING": "cp1252"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert b"tree = '???'" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("rows", "paged"), [(20, True), (500, False)])
def test_what_is_longer_than_the_terminal_is_paged(book: Book, rows: int, paged: bool) -> None:
    import pty

    main, side = pty.openpty()
    printed = b""
    variables = {"PAGER": "sed s/^/paged:/", "TERM": "xterm", "LINES": str(rows), "COLUMNS": "80"}
    environment = {k: v for k, v in os.environ.items() if k not in ("MANPAGER", "NO_COLOR")}
    with subprocess.Popen(
        [sys.executable, "-c", SHOW, str(book.root)],
        env=environment | variables,
        stdin=side,
        stdout=side,
        stderr=side,
    ):
        os.close(side)
        try:
            while part := os.read(main, 65536):
                printed += part
        except OSError:  # Linux tells the end of a terminal so
            pass
    os.close(main)
    assert b"Call at last." in printed
    assert b"\x1b[92" in printed
    assert (b"paged:" in printed) is paged


def test_what_is_no_terminal_is_never_paged(book: Book) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHOW, str(book.root)],
        env={**os.environ, "PAGER": "sed s/^/paged:/", "FORCE_COLOR": "1", "LINES": "5"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=60,
    )
    assert "Call at last." in done.stdout
    assert "paged:" not in done.stdout


LINES = st.lists(
    st.sampled_from(
        ["", " ", "a", "b", "-a", "+b", "--- x", "@@ -1 +1 @@", "\\", "c\x0cd", "e\u2028"]
    )
)


@settings(max_examples=40, deadline=None)
@given(before=LINES, after=LINES, ends=st.tuples(st.booleans(), st.booleans()))
def test_every_line_of_a_diff_is_where_it_says_and_none_is_missing(
    before: list[str], after: list[str], ends: tuple[bool, bool]
) -> None:
    texts = [
        "\n".join(lines) + "\n" * end for lines, end in zip((before, after), ends, strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        steps = Path(folder, "reference-agent"), Path(folder, "chapters/chapter-02-a/one")
        for path, text in zip(steps, texts, strict=True):
            path.mkdir(parents=True)
            (path / "agent.py").write_bytes(text.encode())
        steps[1].with_name("steps.toml").write_text(ONE_STEP, encoding="utf-8")
        book = Book(Path(folder))
        told = diff.lesson(book, *book.steps)
        counted = files.changed_lines(*(path / "agent.py" for path in steps))
    assert bool(told.files) is (texts[0] != texts[1])
    lines = [line for each in told.files for hunk in each.hunks for line in hunk.lines]
    old, new = (text.removesuffix("\n").split("\n") if text else [] for text in texts)
    for line in lines:
        assert line.old is None or old[line.old - 1] == line.text
        assert line.new is None or new[line.new - 1] == line.text
    assert counted == (sum(x.sign == "+" for x in lines), sum(x.sign == "-" for x in lines))
    unshown_old = [x for n, x in enumerate(old, 1) if n not in {line.old for line in lines}]
    unshown_new = [x for n, x in enumerate(new, 1) if n not in {line.new for line in lines}]
    assert unshown_old == unshown_new


ONE_STEP = """
title = "One"
package = "one"

[[step]]
name = "one"
lesson = "One."
changes = ["agent.py"]
"""


def test_the_first_lesson_of_this_repository_is_its_wiring_and_its_modules() -> None:
    book = Book.find()
    text = shown(book, "reference-agent", "with-retries")
    step = book.step("with-retries")
    assert "+        self.ask_claude = protect(" in text
    for name in step.modules:
        module = book.chapter("2").path / "reliability" / f"{name}.py"
        assert module.read_text(encoding="utf-8").rstrip() in text
