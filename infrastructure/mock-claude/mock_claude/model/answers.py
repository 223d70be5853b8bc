"""Words the answer: one sentence for each wish, from what the tools said.

Prevents an answer that claims more than was found out. Rule: results are quoted word for word;
an error, a missing tool and a thing not done are each said plainly.
"""

from __future__ import annotations

import re

from mock_claude.model.wishes import (
    Calculate,
    CapitalWeather,
    Fact,
    Read,
    Save,
    Search,
    Weather,
    Wish,
)

_MOST = 2000
"""Characters of a search result without recognisable articles that go into an answer."""

_ARTICLE_LINE = re.compile(r"[^:\n]{1,150}: \S.{20,}")


def sentence(text: str) -> str:
    """The text with a full stop at its end, unless it ends a sentence already."""
    text = text.strip()
    return text if text.endswith((".", "!", "?", "\u2026", ":")) else f"{text}."


def first_article(result: str) -> str:
    """The first article of a search result of lines ``Title: extract``, else all of it."""
    lines = [line for line in result.splitlines() if line.strip()]
    if len(lines) > 1 and all(_ARTICLE_LINE.fullmatch(line.strip()) for line in lines):
        return lines[0].strip()
    if len(result) <= _MOST:
        return result.strip()
    kept = ""
    for line in result.strip().splitlines():
        if kept and len(kept) + len(line) > _MOST:
            break
        kept += line + "\n"
    return kept.strip()


def known(wish: Fact | Read, result: str) -> str:
    """A result as it stands in a note."""
    if isinstance(wish, Calculate):
        return result if "=" in result else f"{wish.expression} = {result}"
    return first_article(result) if isinstance(wish, Search) else result


def told(wish: Wish, result: str) -> str:
    """The sentence for a wish whose tool succeeded."""
    match wish:
        case Calculate():
            return sentence(known(wish, result))
        case Weather():
            if result.casefold().startswith(wish.city.casefold()):
                return sentence(f"The weather in {result}")
            return sentence(f"The weather in {wish.city}: {result}")
        case CapitalWeather():
            return sentence(result)
        case Search():
            return sentence(first_article(result) or f"I found nothing about {wish.query}")
        case Save():
            what = f'"{wish.text}"' if wish.text is not None else "that"
            return sentence(f"I saved {what} as a note" + (f": {result}" if result else ""))
        case Read():
            break_ = "\n" if "\n" in result else " "
            return sentence(f"Your notes:{break_}{result}" if result else "You have no notes yet")


def deed(wish: Wish) -> str:
    """What a wish asks for, as in "I could not ..."."""
    match wish:
        case Calculate():
            return f"calculate {wish.expression}"
        case Weather():
            return f"get the weather in {wish.city}"
        case CapitalWeather():
            return f"get the weather in the capital of {wish.country}"
        case Search():
            return f'look up "{wish.query}"'
        case Save():
            return "save the note"
        case Read():
            return "read your notes"


def failed(wish: Wish, message: str) -> str:
    """The sentence for a wish whose tool reported an error."""
    return sentence(
        f"I could not {deed(wish)}: {message}" if message else f"I could not {deed(wish)}"
    )


def no_tool(wish: Wish) -> str:
    """The sentence for a wish that no offered tool serves."""
    return sentence(f"I have no tool to {deed(wish)}")


_ECHO = re.compile(
    r"(?:please\s+|just\s+|only\s+|now\s+)*(?:say|reply|respond|answer|repeat|echo|output|print|return|"
    r"write)\b(?:\s+(?:back|to\s+me|with|only|exactly|just|after\s+me|me|in))*(?:\s+(?:the|one|this|a|an))?"
    r"(?:\s+(?:single|exact|following|same|one))*(?:\s+(?:word|words|phrase|sentence|text|string|message|"
    r"letter|number))?\s*[:,]?\s+(?P<words>\S.*)",
    re.IGNORECASE | re.DOTALL,
)
_ONLY = re.compile(
    r"[,\s]+(?:and\s+)?(?:nothing\s+else|only|exactly|please|to\s+me)\W*$", re.IGNORECASE
)
_GREETING = re.compile(
    r"(?:hi|hello|hey|howdy|greetings|good\s(?:morning|afternoon|evening|day))\b", re.IGNORECASE
)
_THANKS = re.compile(r"(?:many\s)?(?:thanks|thank\syou|thx|cheers)\b", re.IGNORECASE)


def small_talk(task: str, *, has_tools: bool) -> str:
    """The answer to a text that holds no wish."""
    task = task.strip()
    if match := _ECHO.fullmatch(task):
        words = _ONLY.sub("", match["words"]).strip(" .!?\"'`\u201c\u201d\u2018\u2019\n")
        if words:
            return f"{words.capitalize()}!" if _GREETING.fullmatch(words) else words
    if _THANKS.match(task):
        return "You are welcome."
    hello = "Hello! " if _GREETING.match(task) else ""
    if not has_tools:
        return f"{hello}I answer with the help of tools, and this request offers none."
    return f"{hello}I can calculate, look things up, tell the weather, and save and read notes."
