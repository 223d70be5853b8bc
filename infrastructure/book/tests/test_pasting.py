"""The pasting of READMEs' blocks notices each way in which a block may lie."""

import os
import sys
from pathlib import Path

import pytest

from book.chain.chain import Book
from book.check import pasting

pytestmark = pytest.mark.skipif(os.name != "posix", reason="make and a POSIX shell are needed")

MAKEFILE = "chapter-02:\n\t@echo $(INCIDENT)\n"


def pasted(root: Path, *blocks: str, makefile: str = MAKEFILE) -> pasting.Pasted:
    (root / "Makefile").write_text(makefile, encoding="utf-8")
    (root / "README.md").write_text("\n\n".join(blocks), encoding="utf-8")
    book = Book(root)
    with pasting.fresh_copy(book, sys.executable) as (copy, environment):
        return pasting.paste(book, copy, environment)


def block(*lines: str, mark: str = "") -> str:
    return "\n".join([f"```console{mark}", *lines, "```"])


def test_what_does_as_it_says_is_right_and_one_shell_runs_all_of_a_readme(tmp_path: Path) -> None:
    found = pasted(
        tmp_path,
        block("$ FACT=437", "$ sleep 60 &", "$ echo $FACT \\", "    is it", "437 is it"),
        block("$ pwd | grep -c ' und '", "1", mark=" check"),
        block("$ kill %1"),
    )
    assert found == pasting.Pasted([], 5, [])


@pytest.mark.parametrize(
    ("lines", "mark", "says"),
    [
        (("$ false",), "", "`false` ended with 1"),
        (("$ no-such-command --help",), "", "ended with 127"),
        (("$ echo 438", "437"), "", "does not print ['437']"),
        (("$ echo 437 and more", "437"), " check", "it now prints something else"),
        (("$ read answer",), "", "ended with 1"),
        (("$ exit 0",), "", "`exit 0` ended with None"),
        (("$ (sleep 60 >/dev/null 2>&1 &)",), "", "something still runs"),
        (('$ test -z "$VIRTUAL_ENV$ANTHROPIC_API_KEY" && false',), "", "ended with 1"),
    ],
)
def test_a_block_that_does_not_is_named_with_its_place(
    tmp_path: Path, lines: tuple[str, ...], mark: str, says: str
) -> None:
    (wrong,) = pasted(tmp_path, "# Words", block(*lines, mark=mark)).wrong
    assert wrong.startswith("README.md:3: ")
    assert says in wrong


def test_what_is_left_out_or_narrowed_is_told(tmp_path: Path) -> None:
    found = pasted(
        tmp_path,
        block("$ false", mark=" live"),
        block("$ false", mark=" uv"),
        block("$ make sdk-suite", "$ make chapter-02", "trickled-response"),
        block("$ make chapter-02 INCIDENT=a", "a", "$ make chapter-02 INCIDENT=b"),
    )
    assert found.wrong == []
    assert found.left_out == [
        "README.md:1: marked live",
        "README.md:5: marked uv",
        "README.md:9: make sdk-suite: fetches other sources",
        "README.md:15: make chapter-02 INCIDENT=b: another incident",
    ]


def test_without_the_first_command_nothing_is_pasted(tmp_path: Path) -> None:
    found = pasted(tmp_path, block("$ true"), makefile="chapter-02:\n\t@false\n")
    assert found.commands == 0
    assert "make chapter-02" in found.wrong[0]
