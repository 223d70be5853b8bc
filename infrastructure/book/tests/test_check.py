"""Each rule catches its mutation, names the file and says how to mend it."""

import shutil
from pathlib import Path

import pytest
from damaged import Copy, Damage, caught, edit, git

from book.chain import generate
from book.chain.chain import Book
from book.check import imports, inventory, links, models, names, readmes, steps, texts
from book.check.finding import Rule
from book.testing.units import changed

STEP = "chapters/chapter-02-reliability/with-retries"
STEPS_TOML = "chapters/chapter-02-reliability/steps.toml"
PACKAGE = "chapters/chapter-01-production-mindset/readiness"


def inherited_line(root: Path) -> None:
    edit(root / STEP / "tools.py", "nothing found", "no luck")


def declared_but_equal(root: Path) -> None:
    edit(root / STEPS_TOML, '".env.example"]', '".env.example", "tools.py"]')


def later_import(root: Path) -> None:
    edit(root / PACKAGE / "pricing.py", "from decimal", "import reliability\nfrom decimal")


def retired_model(root: Path) -> None:
    edit(root / "README.md", "Try an agent\n", "Try an agent\n\nIt is claude-3-opus-20240229.\n")


def undeclared_file(root: Path) -> None:
    (root / STEP / "helpers.py").write_text("x = 1\n", encoding="utf-8")


def forty_one_lines(root: Path) -> None:
    counted = sum(generate.wiring_changes(Book(root), Book(root).steps[1]).values())
    path = root / STEP / "agent.py"
    text = path.read_text(encoding="utf-8")
    more = "".join(f"A{n} = {n}\n" for n in range(41 - counted))
    path.write_text(text.replace('NO_KEY = """', f'{more}NO_KEY = """', 1), encoding="utf-8")


def broken_link(root: Path) -> None:
    edit(root / STEP / "README.md", "../reliability/retries.py", "../reliability/retrys.py")


def stale_block(root: Path) -> None:
    edit(root / STEP / "README.md", "| [`config.py`]", "| [`confg.py`]")


def missing_target(root: Path) -> None:
    edit(root / "README.md", "$ make chapter-02\n", "$ make chapters\n")


def empty_section(root: Path) -> None:
    path = root / STEP / "README.md"
    text = path.read_text(encoding="utf-8")
    start = text.index("## What it costs") + len("## What it costs\n")
    end = text.index("## What can still")
    path.write_text(f"{text[:start]}\n{text[end:]}", encoding="utf-8")


def unnamed_step(root: Path) -> None:
    shutil.copytree(root / STEP, root / f"{STEP}-twice")


def unnamed_module(root: Path) -> None:
    (root / PACKAGE / "unnamed.py").write_text('"""New."""\n', encoding="utf-8")


def unsolved_incident(root: Path) -> None:
    folder = root / "chapters/chapter-02-reliability/incidents"
    (folder / "new_trouble.py").write_text('"""New."""\n', encoding="utf-8")


@pytest.mark.parametrize(
    ("rule", "damage", "where", "mend"),
    [
        (steps.drift, inherited_line, f"{STEP}/tools.py", "book propagate"),
        (steps.drift, declared_but_equal, STEPS_TOML, 'remove "tools.py"'),
        (imports.imports, later_import, f"{PACKAGE}/pricing.py:", "earlier chapters"),
        (models.model_ids, retired_model, "README.md:", "claude-sonnet-5-5"),
        (steps.drift, undeclared_file, f"{STEP}/helpers.py", "changes of with-retries"),
        (steps.size_of_lessons, forty_one_lines, f"{STEP}/agent.py", "book diff"),
        (links.links, broken_link, f"{STEP}/README.md:", "path"),
        (texts.generated, stale_block, f"{STEP}/README.md:", "book generate"),
        (names.commands, missing_target, "README.md:", "make help"),
        (readmes.readme_sections, empty_section, f"{STEP}/README.md", "write it"),
        (inventory.inventory, unnamed_step, STEPS_TOML, "with-retries-twice"),
        (inventory.inventory, unnamed_module, f"{PACKAGE}/unnamed.py", "steps.toml"),
        (inventory.inventory, unsolved_incident, STEPS_TOML, "new-trouble"),
    ],
)
def test_a_mutation_is_caught_with_the_file_and_the_mend(
    copy: Copy, rule: Rule, damage: Damage, where: str, mend: str
) -> None:
    caught(copy, rule, damage, where, mend)


def test_forty_changed_lines_are_allowed(copy: Copy) -> None:
    forty_one_lines(copy.root)
    edit(copy.root / STEP / "agent.py", "A0 = 0\n", "")
    found = [each.where for each in steps.size_of_lessons(Book(copy.root))]
    assert not [where for where in found if where.startswith(f"{STEP}/")]  # the next differs now


def test_generating_mends_a_stale_block_and_nothing_else(copy: Copy) -> None:
    stale_block(copy.root)
    assert generate.write(Book(copy.root), {}) == [copy.root / STEP / "README.md"]
    assert git(copy.root, "status", "--short") == ""


def test_a_change_touches_the_units_that_it_can_break(copy: Copy) -> None:

    def after(name: str) -> list[str]:
        with (copy.root / name).open("a", encoding="utf-8") as file:
            file.write("\n")
        git(copy.root, "commit", "-qam", name)
        return [unit.name for unit in changed(Book(copy.root), "HEAD~1")]

    assert after(f"{STEP}/README.md") == ["chapter-02/with-retries", "repository"]
    assert after("README.md") == ["repository"]
    touched = after("chapters/chapter-02-reliability/reliability/retries.py")
    assert "chapter-02/reliability" in touched
    assert "chapter-02/with-retries" in touched
    assert "reference-agent" not in touched
    assert "reference-agent" in after("infrastructure/mock-claude/README.md")
