"""The pages in a real browser: nothing serious for axe-core, nothing fetched, no sideways scroll.

Prevents a page that looks right where it was written: on a phone, in the dark, with a screen
reader. What it needs is no part of the repository; without it the tests are skipped by name.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

from book.chain.chain import Book
from book.pages import board_page, diff_page

MODULES = Book.find().root / ".cache" / "node_modules"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)
NODE = shutil.which("node")
THERE = all((MODULES / name).is_dir() for name in ("axe-core", "playwright-core"))
LOOK = """
const [chromium, modules, ...pages] = process.argv.slice(1), found = {};
const axe = require("fs").readFileSync(modules + "/axe-core/axe.min.js", "utf8");
const look = async () => {
  const run = await axe.run(document), box = document.querySelector(".box");
  const bad = run.violations.filter(each => ["serious", "critical"].includes(each.impact));
  return {
    bad: bad.map(each => each.id + ": " + each.nodes[0].html), rules: run.passes.length,
    page: document.documentElement.scrollWidth - innerWidth,
    box: box.scrollWidth - box.clientWidth,
  };
};
(async () => {
  const { chromium: browsers } = require(modules + "/playwright-core");
  const args = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  const browser = await browsers.launch({ executablePath: chromium, args });
  for (const page of pages) for (const width of [1280, 400]) for (const scheme of SCHEMES) {
    const size = { viewport: { width, height: 900 }, colorScheme: scheme };
    const tab = await (await browser.newContext(size)).newPage(), asked = [];
    tab.on("request", each => asked.push(each.url()));
    await tab.goto(page);
    await tab.evaluate(axe);
    for (const open of [false, true]) {
      await tab.evaluate(open => {
        for (const each of document.querySelectorAll("details")) each.open = open;
      }, open);
      const key = [page.split("/").pop(), width, scheme, open ? "open" : "folded"].join(" ");
      found[key] = { ...await tab.evaluate(look), fetched: asked.slice(1) };
    }
    await tab.context().close();
  }
  console.log(JSON.stringify(found));
  await browser.close();
})().catch(error => { console.error(error); process.exit(1); });
""".replace("SCHEMES", '["light", "dark"]')
WAYS = [
    f"{width} {scheme} {fold}"
    for width in (1280, 400)
    for scheme in ("light", "dark")
    for fold in ("folded", "open")
]

pytestmark = pytest.mark.skipif(
    CHROMIUM is None or NODE is None or not THERE,
    reason="no browser here: apt-get install chromium npm, "
    "npm install --prefix .cache axe-core playwright-core",
)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one browser finds on all pages, in each way."""
    folder, book = tmp_path_factory.mktemp("pages"), Book.find()
    chapter = next(each for each in book.chapters if each.steps)
    pages = {f"board-{count}": board_page.page(board(count)) for count in (2, 12)}
    faint = pages["board-12"].replace("--quiet: #57606a", "--quiet: #d0d7de")
    pages["wrong"] = faint.replace("<h1>", '<p style="width: 900px">wide</p><h1>')
    pages["lessons"] = diff_page.html(book, chapter)
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    addresses = [(folder / f"{name}.html").as_uri() for name in pages]
    ran = subprocess.run(
        [str(NODE), "-e", LOOK, str(CHROMIUM), str(MODULES), *addresses],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=900,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def board(columns: int) -> dict[str, Any]:
    """Every kind of cell, in as many columns."""
    words = {"words": "tasks answered within 8 s", "unit": "%", "better": "higher"}
    figures = [(0.8167, "81.7%"), (1234.5, "$1,234"), (11.9, "11.9 s"), (None, "not measured")]
    check = {"name": "success", "value": 0.8, "limit": 0.99, "at_most": False, "unit": "%"}
    steps = [f"chapter-{number:02}/complete" for number in range(1, columns + 1)]
    names = [f"incident-{number}" for number in range(9)]
    cells: list[dict[str, Any]] = []
    for row, name in enumerate(names):
        for column, step in enumerate(steps):
            value, shown = figures[(row + column) % 4]
            cell = {"incident": name, "step": step, "holds": column > row, "error": None}
            cell |= {"why": "success 80.0% < 99.0%", "checks": [{**check, "ok": column > row}]}
            cell |= {"headline": {**words, "value": value, "shown": shown}, "success": 0.8}
            if (row + column) % 7 == 3:
                cell |= {"error": "TrialError: it fell", "unjudged": row % 2 == 0, "checks": []}
                cell["headline"] = {**words, "value": None, "shown": ""}
            if (row + column) % 11 != 4:
                cells.append(cell)
    told = {"story": "A story.", "before": steps[0], "headline": words}
    return {
        "seed": 7,
        "steps": [{"name": step, "title": f"Chapter {step[8:10]}: A title"} for step in steps],
        "incidents": [{"name": name, **told} for name in names],
        "cells": cells,
    }


def accepted(found: dict[str, Any]) -> None:
    assert found["rules"] > 10
    assert found["bad"] == []
    assert found["fetched"] == []
    assert found["page"] <= 0, "the page scrolls sideways"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("columns", [2, 12])
def test_the_scoreboard_is_read_by_everybody(seen: dict[str, Any], columns: int, way: str) -> None:
    found = seen[f"board-{columns}.html {way}"]
    accepted(found)
    assert found["box"] <= 0, "the columns do not fit"


@pytest.mark.parametrize("way", WAYS)
def test_the_lessons_are_read_by_everybody(seen: dict[str, Any], way: str) -> None:
    accepted(seen[f"lessons.html {way}"])


def test_what_is_wrong_is_found(seen: dict[str, Any]) -> None:
    """The tests above can fail."""
    found = seen["wrong.html 400 light open"]
    assert any("color-contrast" in each for each in found["bad"])
    assert found["page"] > 0
