"""``book report`` tells versions and the system, and nothing that is private."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import pytest
from damaged import git

from book.chain.chain import Book
from book.lessons import report


def told(root: Path) -> dict[str, str]:
    return dict(re.split(r"  +", line, maxsplit=1) for line in report.lines(root))


def test_it_tells_versions_and_the_system() -> None:
    said = told(Book.find().root)
    assert said["python"].startswith(platform.python_version())
    assert said["system"].startswith(platform.system())
    assert re.fullmatch(r"\d+\.\d+.*", said["anthropic"])
    assert list(said)[:3] == ["commit", "python", "system"]


def test_it_tells_no_path_no_name_and_no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
    root = Book.find().root
    whole = "\n".join(report.lines(root))
    private = (str(root), str(Path.home()), platform.node(), "sk-ant", os.environ["PATH"])
    assert [each for each in private if each and each in whole] == []


def test_the_commit_is_told_with_its_printing_and_with_changes(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("1", encoding="utf-8")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-qm", "one")
    assert re.fullmatch(r"[0-9a-f]{7,} of \d{4}-\d\d-\d\d", told(tmp_path)["commit"])
    git(tmp_path, "tag", "edition-1.0")
    assert told(tmp_path)["commit"].endswith(", edition-1.0")
    (tmp_path / "a").write_text("2", encoding="utf-8")
    assert told(tmp_path)["commit"].endswith(", edition-1.0, with changes of your own")


def test_what_is_not_there_is_told_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(report, "PACKAGES", ("no-such-package",))
    said = told(tmp_path)
    assert said["commit"] == "unknown: no git here, or no clone"
    assert said["make"] == "not found"
    assert said["no-such-package"] == "not installed"
