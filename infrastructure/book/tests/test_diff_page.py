"""A chapter's page is whole, needs nothing but itself, and is readable by everybody."""

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from book.chain.chain import Book, ChainError
from book.pages import diff_page

NASTY = "<script>alert('&amp;\"')</script>"
STEPS = f"""
title = '''{NASTY}'''
package = "trials"

[[step]]
name = "one"
lesson = '''Call {NASTY} twice.'''
modules = ["twice"]
changes = ["agent.py", ".env.example", "logo.bin"]

[[step]]
name = "two"
lesson = "Call at last."
modules = ["at_last"]
changes = ["agent.py"]
"""
BEFORE = '"""Opens.\n\nfrom here to there\n"""\n\nkept = 1\nsize = 2 < 3\n'
AFTER = f'"""Opens.\n\nfrom there to here\n"""\n\nkept = 1\nsize = "{NASTY}"\nmore = 1\n'
MODULE = f'\n\n"""Starts with blank lines & {NASTY}."""\n\n\ndef twice() -> int:\n\treturn 1 << 2\n'
VOID = ("meta", "br")


class Page(HTMLParser):
    """What a browser finds: elements with their attributes, and the text of each kind."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.parents: list[tuple[str, ...]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.parents.append(tuple(self.open))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append((" ".join(self.open), data))

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for found, attributes in self.elements if found == tag]

    def text(self, *inside: str) -> str:
        return "".join(t for place, t in self.texts if {*inside} <= {*place.split()})


@pytest.fixture
def book(tmp_path: Path) -> Book:
    root = tmp_path / "repository"
    chapter = root / "chapters" / "chapter-02-a"
    for folder, text in (
        (root / "reference-agent", BEFORE),
        (chapter / "one", AFTER),
        (chapter / "two", AFTER.replace("kept", "gone")),
    ):
        folder.mkdir(parents=True)
        (folder / "agent.py").write_text(text, encoding="utf-8")
        (folder / ".env.example").write_text(f"A={'one' in folder.name}\n", encoding="utf-8")
        (folder / "logo.bin").write_bytes(b"\0" + folder.name[:1].encode())
    (chapter / "trials").mkdir()
    (chapter / "trials" / "twice.py").write_text(MODULE, encoding="utf-8")
    (chapter / "trials" / "at_last.py").write_text("last = 'é'\n", encoding="utf-8")
    (chapter / "steps.toml").write_text(STEPS, encoding="utf-8")
    return Book(root)


def page_of(book: Book) -> Page:
    return Page(diff_page.html(book, book.chapter("2")))


def rows_of(book: Book, step: str, file: str) -> list[list[str]]:
    """The rows of a file's diff: old number, new number, sign, text."""
    text = diff_page.html(book, book.chapter("2"))
    table = text[text.index(f'id="{step}-file-{file}"') :].partition("</table>")[0]
    rows = []
    for row in re.findall(r'<tr class="(?!place)\w+">.*?</tr>', table, re.DOTALL):
        found = Page(row)
        cells = re.findall(r"<td.*?</td>", row, re.DOTALL)
        rows.append([Page(cell).text("td") for cell in cells])
        assert len(found.all("td")) == 4
    return rows


def test_a_page_is_well_formed_and_says_what_it_is(book: Book) -> None:
    page = page_of(book)
    assert page.all("html") == [{"lang": "en"}]
    assert page.text("title") == page.text("h1") == f"Chapter 2: {NASTY}"
    assert {"charset": "utf-8"} in page.all("meta")
    assert {
        "name": "viewport",
        "content": "width=device-width, initial-scale=1",
    } in page.all("meta")
    assert len(page.all("main")) == len(page.all("h1")) == 1


def test_a_page_fetches_nothing(book: Book) -> None:
    text = diff_page.html(book, book.chapter("2"))
    page = Page(text)
    fetching = {"src", "srcset", "action", "data", "background", "poster", "style"}
    assert not [attributes for _, attributes in page.elements if fetching & attributes.keys()]
    assert all(link["href"].startswith("#") for link in page.all("a"))
    assert not {"link", "script", "img", "iframe", "base"} & {tag for tag, _ in page.elements}
    assert not re.search(r"@import|url\(|@font-face", page.text("style"))


def test_nothing_from_the_repository_is_read_as_html(book: Book) -> None:
    text = diff_page.html(book, book.chapter("2"))
    assert "<script" not in text
    page = Page(text)
    assert page.text("p", "section").startswith(f"Call {NASTY} twice.")
    assert f'size = "{NASTY}"' in page.text("ins")


def test_every_entry_of_the_contents_leads_to_its_part(book: Book) -> None:
    page = page_of(book)
    ids = Counter(attributes["id"] for _, attributes in page.elements if "id" in attributes)
    assert set(ids.values()) == {1}
    targets = [link["href"][1:] for link in page.all("a")]
    assert targets == [
        *("one", "one-file-agent-py", "one-file--env-example", "one-file-logo-bin"),
        "one-module-chapters-chapter-02-a-trials-twice-py",
        *("two", "two-file-agent-py", "two-file--env-example", "two-file-logo-bin"),
        "two-module-chapters-chapter-02-a-trials-at-last-py",
    ]
    assert set(targets) == set(ids)


def test_a_line_has_its_numbers_and_its_sign_beside_its_colour(book: Book) -> None:
    assert rows_of(book, "one", "agent-py") == [
        ["1", "1", " ", '"""Opens.'],
        ["2", "2", " ", ""],
        ["3", "", "-", "from here to there"],
        ["", "3", "+", "from there to here"],
        ["4", "4", " ", '"""'],
        ["5", "5", " ", ""],
        ["6", "6", " ", "kept = 1"],
        ["7", "", "-", "size = 2 < 3"],
        ["", "7", "+", f'size = "{NASTY}"'],
        ["", "8", "+", "more = 1"],
    ]


def test_the_middle_of_a_docstring_is_no_code(book: Book) -> None:
    text = diff_page.html(book, book.chapter("2"))
    added = re.search(r"<ins><code>(.*?)</code></ins>", text)
    assert added is not None
    assert added[1] == '<span class="sd">from there to here</span>'


def test_a_new_module_is_shown_whole_and_to_the_letter(book: Book) -> None:
    assert page_of(book).text("pre") == MODULE.removesuffix("\n") + "last = 'é'"


def test_a_module_is_folded_with_its_lines_counted(book: Book) -> None:
    page = page_of(book)
    assert page.all("details") == [{}, {}]  # closed
    assert page.text("summary", "small") == "7 lines1 line"
    assert page.text("summary", "code") == "".join(
        f"chapters/chapter-02-a/trials/{name}.py" for name in ("twice", "at_last")
    )
    parents = [p for (tag, _), p in zip(page.elements, page.parents, strict=True) if tag == "pre"]
    assert [each[-2:] for each in parents] == [("details", "div")] * 2


def test_a_link_leads_into_the_fold_so_that_the_browser_opens_it(book: Book) -> None:
    page = page_of(book)
    links = {link["href"][1:] for link in page.all("a")}
    folded = {
        each["id"]
        for (_, each), parents in zip(page.elements, page.parents, strict=True)
        if "id" in each and "details" in parents
    }
    assert folded == {each for each in links if "-module-" in each}
    inside = [p for p, (tag, _) in zip(page.parents, page.elements, strict=True) if tag == "h4"]
    assert not [p for p in inside if "details" in p and "summary" not in p]


@pytest.mark.parametrize(("lines", "folded"), [(80, False), (81, True), (4000, True)])
def test_a_long_new_file_is_folded_too(book: Book, lines: int, folded: bool) -> None:
    chapter = book.root / "chapters" / "chapter-02-a"
    (chapter / "two" / "service.py").write_text("x = 1\n" * lines, encoding="utf-8")
    toml = chapter / "steps.toml"
    told = toml.read_text(encoding="utf-8")
    toml.write_text(told.replace('["agent.py"]', '["agent.py", "service.py"]'), encoding="utf-8")
    page = page_of(Book(book.root))
    assert (f"service.py new, {lines} lines" in page.text("summary")) is folded
    assert len(rows_of(Book(book.root), "two", "service-py")) == lines
    assert "two-file-service-py" in {each.get("id") for _, each in page.elements}


def test_the_contents_tell_each_lesson_and_how_long_its_parts_are(book: Book) -> None:
    page = page_of(book)
    assert page.text("nav", "p") == f"Call {NASTY} twice.Call at last."
    sizes = page.text("nav", "small")
    assert sizes == "+3 -2+1 -1binary7 lines" + "+1 -1+1 -1binary1 line"


def test_landmarks_and_groups_have_names_of_their_own(book: Book) -> None:
    page = page_of(book)
    sections = [each["aria-label"] for each in page.all("section")]
    assert sections == ["chapter-02/one", "chapter-02/two"]
    groups = [each for each in page.all("div") if each.get("role") == "group"]
    names = Counter(each["aria-label"] for each in groups)
    assert set(names.values()) == {1}
    assert "Changes in agent.py, chapter-02/one" in names
    assert "chapters/chapter-02-a/trials/twice.py, chapter-02/one" in names
    assert len(groups) == len(page.all("div"))
    assert not [each for _, each in page.elements if each.get("role") == "region"]


def test_a_binary_file_is_named_and_not_shown(book: Book) -> None:
    text = diff_page.html(book, book.chapter("2"))
    assert '<h4 id="one-file-logo-bin">logo.bin <small>binary</small></h4>' in text
    assert "\0" not in text


def test_wide_code_scrolls_in_its_box_which_the_keyboard_reaches(book: Book) -> None:
    page = page_of(book)
    for (tag, _), parents in zip(page.elements, page.parents, strict=True):
        if tag in ("pre", "table"):
            assert parents[-1] == "div"
    assert page.all("div")
    assert all(box["class"] == "box" and box["tabindex"] == "0" for box in page.all("div"))
    assert ".box { overflow-x: auto;" in page.text("style")


def test_the_same_repository_gives_the_same_bytes_wherever_it_lies(
    book: Book, tmp_path: Path
) -> None:
    first = diff_page.write(book, book.chapter("2"), tmp_path / "first.html").read_bytes()
    moved = Book(book.root.rename(tmp_path / "elsewhere"))
    assert diff_page.write(moved, moved.chapter("2"), tmp_path / "2.html").read_bytes() == first
    assert str(tmp_path).encode() not in first
    assert b"\r" not in first


def test_a_page_goes_into_a_folder_under_its_chapters_name(book: Book, tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    page = diff_page.write(book, book.chapter("2"), tmp_path / "pages")
    assert page == tmp_path / "pages" / "chapter-02.html"
    assert [each.name for each in page.parent.iterdir()] == ["chapter-02.html"]
    named = diff_page.write(book, book.chapter("2"), tmp_path / "new" / "page.html")
    assert named.read_bytes() == page.read_bytes()


def test_a_page_that_fails_leaves_the_old_one_and_nothing_else(book: Book, tmp_path: Path) -> None:
    old = tmp_path / "pages" / "page.html"
    old.parent.mkdir()
    old.write_text("old", encoding="utf-8")
    (book.root / "chapters/chapter-02-a/trials/at_last.py").unlink()
    with pytest.raises(ChainError, match="at_last"):
        diff_page.write(book, book.chapter("2"), old)
    assert old.read_text(encoding="utf-8") == "old"
    assert list(old.parent.iterdir()) == [old]


def test_a_place_that_cannot_be_written_is_named(book: Book, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ChainError, match=r"page\.html cannot be written"):
        diff_page.write(book, book.chapter("2"), tmp_path / "file" / "page.html")


def test_a_chapter_without_a_step_has_a_page_that_says_so(book: Book) -> None:
    empty = book.root / "chapters" / "chapter-03-b"
    empty.mkdir()
    (empty / "steps.toml").write_text('title = "B"\npackage = "b"\n', encoding="utf-8")
    page = Page(diff_page.html(book, book.chapter("3")))
    assert "adds no step" in page.text("main")


def luminance(colour: str) -> float:
    """Of ``#rgb`` or ``#rrggbb``, as WCAG 2 defines it."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_this_repositorys_code_has_enough_contrast(scheme: str) -> None:
    book = Book.find()
    page = Page(diff_page.html(book, book.chapter("2")))
    style = page.text("style")
    roots = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#\w+);", roots[scheme == "dark"]))
    assert colours.keys() == dict(re.findall(r"--(\w+): (#\w+);", roots[0])).keys()
    blocks = re.findall(
        r"@media \(prefers-color-scheme: (\w+)\) \{\n(code.*?)\n\}", style, re.DOTALL
    )
    tokens = dict(re.findall(r"code \.(\w+) \{ color: (#\w+)", dict(blocks)[scheme]))
    used = {each["class"] for each in page.all("span") if "class" in each} & tokens.keys()
    used -= {"w"}  # white space has no ink
    assert len(used) > 10
    for background in (colours["box"], colours["add"], colours["del"]):
        for ink in (colours["text"], colours["quiet"], *(tokens[each] for each in used)):
            assert contrast(ink, background) >= 4.5, (ink, background)
    assert contrast(colours["link"], colours["page"]) >= 4.5
