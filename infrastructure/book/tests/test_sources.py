"""Files are read and parsed once, and what is found out about a text is known to all its copies."""

from __future__ import annotations

import ast
from functools import partial
from pathlib import Path

import pytest

from book.chain.sources import Sources
from book.chain.walking import walk

CODE = Path(__file__).with_name("small_repository.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text", ["", "x = 1\n", "async def f(a, *b): return [c for c in b]\n", CODE]
)
def test_walk_gives_the_nodes_of_ast_walk_in_its_order_without_contexts(text: str) -> None:
    tree = ast.parse(text)
    asked = [node for node in ast.walk(tree) if not isinstance(node, ast.expr_context)]
    assert [id(node) for node in walk(tree)] == [id(node) for node in asked]


def test_what_is_found_out_about_a_text_is_asked_once_for_all_files_that_say_the_same(
    tmp_path: Path,
) -> None:
    for name, text in (("a.py", "x = 1\n"), ("b.py", "x = 1\n"), ("c.py", "x = 2\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    asked: list[str] = []

    def length(text: str) -> int:
        asked.append(text)
        return len(text)

    def lengths(read: Sources) -> list[int]:
        texts = [read.text(name) or "" for name in read.names]
        return [read.once(("length", text), partial(length, text)) for text in texts]

    first = Sources(tmp_path)
    assert lengths(first) == [6, 6, 6]
    assert asked == ["x = 1\n", "x = 2\n"]
    assert first.tree("a.py") is first.tree("b.py")
    (tmp_path / "c.py").write_text("x = 30\n", encoding="utf-8")
    again = Sources(tmp_path, like=first)
    assert lengths(again) == [6, 6, 7]
    assert asked[2:] == ["x = 30\n"]
    assert again.tree("a.py") is first.tree("a.py")
