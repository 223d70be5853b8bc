"""``book diff --html``: a chapter's lessons as one page that needs nothing but itself.

Prevents pages that go stale or leak: nothing in one is fetched, no time or machine path is in it,
so the same repository gives the same bytes. Colour never speaks alone: added and removed lines
carry their sign, and the token colours keep a contrast of 4.5 to 1 in light and dark. What is read
whole is folded, with its lines counted, so that the lessons of a chapter are seen at once.
"""

from __future__ import annotations

import re
import tempfile
from html import escape
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import (
    TextLexer,
    find_lexer_class_for_filename,
)

from book.chain.chain import Book, ChainError, Chapter
from book.lessons.diff import FileDiff, Hunk, Lesson, Line, Module, lesson

FOLDED = 80  # shown lines: a longer diff is a new file, or as good as new
LIGHT, DARK = "xcode", "github-dark"  # Pygments' styles
LAYOUT = """
:root { color-scheme: light dark; --page: #fff; --text: #24292f; --box: #fff; --line: #d0d7de;
  --quiet: #57606a; --link: #0550ae; --add: #e6ffec; --del: #ffebe9; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --text: #e6edf3; --box: #0d1117;
  --line: #3d444d; --quiet: #9198a1; --link: #79c0ff; --add: #12261e; --del: #2d1517; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1rem; background: var(--page);
  color: var(--text); font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
a { color: var(--link); }
section { margin-top: 3rem; }
summary { cursor: pointer; margin: .5rem 0; } summary h4 { display: inline; }
h4, .box { scroll-margin-top: 3.5rem; } small { color: var(--quiet); font-weight: 400; }
nav p { margin: 0; } nav ol > li { margin-bottom: .75rem; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; padding: 0; list-style: none; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.lesson { font-size: 1.15rem; }
.box { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px;
  background: var(--box); margin: .5rem 0 1.5rem; }
pre, table { margin: 0; font: .8125rem/1.45 ui-monospace, Consolas, monospace;
  overflow-wrap: normal; tab-size: 4; }
pre { padding: .75rem; }
code { font-family: ui-monospace, Consolas, monospace; overflow-wrap: anywhere; }
pre code, td code { font: inherit; white-space: pre; overflow-wrap: normal; }
table { border-collapse: collapse; min-width: 100%; }
caption { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
td { padding: 0 .5rem; vertical-align: top; white-space: pre; }
td:last-child { width: 100%; }
.number { color: var(--quiet); text-align: right; user-select: none; }
.place td { color: var(--quiet); border-block: 1px solid var(--line); }
tbody:first-of-type .place td { border-top: 0; }
.added { background: var(--add); }
.removed { background: var(--del); }
ins, del { text-decoration: none; }
@media (max-width: 40rem) { .number { padding: 0 .25rem; } pre, table { font-size: .75rem; } }
"""
KINDS = {"+": ("added", "ins"), "-": ("removed", "del")}


def write(book: Book, chapter: Chapter, target: Path) -> Path:
    """Write the page to ``target``, or into it where it is a folder; where the page is now.

    A page is there whole or not at all. Raises ChainError where it cannot be written, and as
    :func:`book.lessons.diff.lesson` does.
    """
    page = target / f"{chapter.name}.html" if target.is_dir() else target
    text = html(book, chapter)
    try:
        page.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".book-page-", dir=page.parent) as scratch:
            unfinished = Path(scratch) / page.name
            unfinished.write_text(text, encoding="utf-8", newline="\n")
            unfinished.replace(page)
    except OSError as error:
        raise ChainError(f"{page} cannot be written: {error.strerror}") from error
    return page


def html(book: Book, chapter: Chapter) -> str:
    """The whole page."""
    lessons = [lesson(book, book.before(step), step) for step in chapter.steps]
    heading = escape(f"Chapter {chapter.number}: {chapter.title}")
    sections = "".join(_section(each) for each in lessons)
    contents = "".join(_contents(each) for each in lessons)
    nav = f'<nav aria-label="Contents"><h2>Contents</h2><ol>{contents}</ol></nav>'
    body = nav + sections if lessons else "<p>This chapter adds no step to the chain.</p>"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{heading}</title>
<style>{LAYOUT}{_colours("light", LIGHT)}{_colours("dark", DARK)}</style>
</head>
<body>
<header><h1>{heading}</h1>
<p>What each step changes in the step before it, then each new module, folded.</p></header>
<main>{body}</main>
</body>
</html>
"""


def _colours(scheme: str, style: str) -> str:
    """Each scheme on its own: a token that one style leaves uncoloured must not inherit it."""
    made = HtmlFormatter(style=style).get_token_style_defs("code")  # type: ignore[no-untyped-call]
    rules = "\n".join(made)
    return f"@media (prefers-color-scheme: {scheme}) {{\n{rules}\n}}\n"


def _id(told: Lesson, *words: str) -> str:
    return "-".join(re.sub(r"[^a-z0-9]+", "-", w.lower()) for w in (told.steps[-1].short, *words))


def _contents(told: Lesson) -> str:
    step = told.steps[-1]
    parts = [(_id(told, "file", each.name), each.name, each.summary) for each in told.files]
    for each in told.modules:
        parts.append((_id(told, "module", each.shown), each.path.name, _count(each.path)))
    links = "".join(
        f'<li><a href="#{id_}">{escape(name)}</a> <small>{escape(size)}</small></li>'
        for id_, name, size in parts
    )
    link = f'<a href="#{_id(told)}">{escape(step.name)}</a>'
    return f"<li>{link}<p>{escape(step.lesson)}</p><ul>{links}</ul></li>\n"


def _section(told: Lesson) -> str:
    step = told.steps[-1]
    files = "".join(_file(told, each) for each in told.files) or "<p>No inherited file.</p>"
    modules = "".join(_module(told, each) for each in told.modules)
    name = escape(step.name)
    return (
        f'<section id="{_id(told)}" aria-label="{name}"><h2>{name}</h2>\n'
        f'<p class="lesson">{escape(step.lesson)}</p>\n'
        f"<h3>Changed since {escape(told.before.name)}</h3>\n{files}"
        f"{'<h3>New modules</h3>' if modules else ''}\n{modules}</section>\n"
    )


def _file(told: Lesson, each: FileDiff) -> str:
    name, id_ = escape(each.name), _id(told, "file", each.name)
    shown = f"{name} <small>{escape(each.summary)}</small>"
    if not each.hunks:
        return f'<h4 id="{id_}">{shown}</h4>\n'
    sides = _coloured(each.before), _coloured(each.after)
    rows = "".join(_hunk(hunk, *sides) for hunk in each.hunks)
    columns = "old line, new line, sign, text"
    table = f"<table><caption>Changes in {name}: {columns}</caption>\n{rows}</table>"
    label = f"Changes in {name}, {escape(told.steps[-1].name)}"
    if sum(len(hunk.lines) for hunk in each.hunks) > FOLDED:
        return _folded(f"<h4>{shown}</h4>", _box(label, table, id_))
    return f'<h4 id="{id_}">{shown}</h4>\n{_box(label, table)}'


def _hunk(hunk: Hunk, before: list[str], after: list[str]) -> str:
    rows = [f'<tr class="place"><td colspan="4">{escape(hunk.place)}</td></tr>\n']
    for line in hunk.lines:
        kind, tag = KINDS.get(line.sign, ("same", "span"))
        cells = "".join(f'<td class="number">{n or ""}</td>' for n in (line.old, line.new))
        code = f"<td><{tag}><code>{_text(line, before, after)}</code></{tag}></td>"
        rows.append(f'<tr class="{kind}">{cells}<td>{escape(line.sign)}</td>{code}</tr>\n')
    return f"<tbody>{''.join(rows)}</tbody>"


def _text(line: Line, before: list[str], after: list[str]) -> str:
    """The line as it is coloured in its whole file: a docstring's middle looks like code alone."""
    for number, lines in ((line.new, after), (line.old, before)):
        if number is not None and number <= len(lines):
            return lines[number - 1]
    return escape(line.text)


def _module(told: Lesson, module: Module) -> str:
    shown, step = escape(module.shown), escape(told.steps[-1].name)
    heading = f"<h4><code>{shown}</code> <small>{_count(module.path)}</small></h4>"
    code = f"<pre><code>{chr(10).join(_coloured(module.path))}</code></pre>"
    return _folded(heading, _box(f"{shown}, {step}", code, _id(told, "module", module.shown)))


def _count(path: Path) -> str:
    lines = len(path.read_bytes().splitlines())
    return f"{lines} line{'s' * (lines != 1)}"


def _folded(heading: str, content: str) -> str:
    """Opens by a click, with the keyboard, and where a link leads to an id in its content."""
    return f"<details><summary>{heading}</summary>\n{content}</details>\n"


def _box(label: str, content: str, id_: str = "") -> str:
    """Scrolls by itself, with the keyboard too. ``label`` is escaped already.

    It is a group and no landmark: of those a page has one a step.
    """
    named = f'id="{id_}" ' if id_ else ""
    group = f'role="group" aria-label="{label}" tabindex="0"'
    return f'<div {named}class="box" {group}>{content}</div>\n'


def _coloured(path: Path) -> list[str]:
    """The lines of a file as HTML, its tokens in Pygments' classes; none if there is no file."""
    if not path.is_file():
        return []
    lexer = (find_lexer_class_for_filename(path.name) or TextLexer)(stripnl=False)
    text = path.read_bytes().decode("utf-8", errors="replace").replace("\r", "")
    coloured = str(highlight(text, lexer, HtmlFormatter(nowrap=True)))
    return coloured.removesuffix("\n").split("\n")
