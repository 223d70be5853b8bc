"""What must hold for the repository as a whole."""

import ast
import io
import re
import subprocess
import tokenize
from pathlib import Path

import pytest

from mock_claude.api import catalog
from readiness import pricing

ROOT = Path(__file__).resolve().parent.parent
WIRING = ("agent.py", "tools.py", "config.py")
SILENT = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def tracked_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def code_lines(source: str) -> int:
    """Lines that hold code: no blanks, no comments, no docstrings."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in (*SILENT, tokenize.ENDMARKER):
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            docstring = node.body[0]
            lines -= set(range(docstring.lineno, (docstring.end_lineno or 0) + 1))
    return len(lines)


def test_the_reference_agent_is_about_two_hundred_and_fifty_lines_of_code() -> None:
    sources = [(ROOT / "reference-agent" / name).read_text(encoding="utf-8") for name in WIRING]
    assert 170 <= sum(map(code_lines, sources)) <= 260


def test_counting_leaves_out_blanks_comments_and_docstrings() -> None:
    assert code_lines('"""Doc\nstring."""\n\n# note\nx = """a\nb"""\n') == 2


def test_the_price_table_and_the_simulators_bill_agree_on_every_row() -> None:
    assert pricing.PRICES.keys() == catalog.PRICES.keys()
    for model, price in pricing.PRICES.items():
        billed = catalog.PRICES[model]
        assert price.long_above == billed.long_above
        for ours, theirs in ((price, billed), (price.long_prompt, billed.long)):
            assert (ours is None) == (theirs is None)
            if ours is not None and theirs is not None:
                assert (
                    ours.input,
                    ours.output,
                    ours.cache_write_5m,
                    ours.cache_write_1h,
                    ours.cache_read,
                ) == (
                    theirs.input,
                    theirs.output,
                    theirs.write_5m,
                    theirs.write_1h,
                    theirs.cache_read,
                )


def test_no_file_but_the_lock_names_a_package_index() -> None:
    host = re.compile(r"pypi\.(org|python)|files\.pythonhosted|registry\." + "npmjs")
    named = [
        path.relative_to(ROOT).as_posix()
        for path in tracked_files()
        if path.name != "uv.lock"
        and path != Path(__file__)
        and host.search(path.read_text(encoding="utf-8", errors="ignore"))
    ]
    assert named == []


@pytest.mark.parametrize("name", ["incidents", "tests", "exercises"])
def test_folders_that_are_on_the_path_are_no_packages(name: str) -> None:
    assert list(ROOT.glob(f"chapters/*/{name}/__init__.py")) == []
