"""Words the answer: one sentence for each wish, from what the tools said.

Prevents an answer that claims more than was found out. Rule: results are quoted word for word;
an error, a missing tool and a thing not done are each said plainly.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from mock_claude.model.toolbox import ARGUMENTS
from mock_claude.model.wishes import (
    Calculate,
    CapitalWeather,
    Fact,
    Read,
    Save,
    Search,
    Unable,
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
            return sentence(f"{known(wish, result)} {wish.unit}".strip())
        case Weather():
            if result.casefold().startswith(wish.city.casefold()):
                return sentence(f"The weather in {result}")
            return sentence(f"The weather in {wish.city}: {result}")
        case CapitalWeather():
            return sentence(result)
        case Search():
            lead = f'The search for "{wish.query}" found: ' if wish.asked else ""
            article = first_article(result)
            return sentence(lead + article if article else f"I found nothing about {wish.query}")
        case Save():
            what = f'"{wish.text}"' if wish.text is not None else "that"
            return sentence(f"I saved {what} as a note" + (f": {result}" if result else ""))
        case Unable(said):
            return said
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
        case Unable():
            return "do that"


def failed(wish: Wish, message: str) -> str:
    """The sentence for a wish whose tool reported an error."""
    return sentence(
        f"I could not {deed(wish)}: {message}" if message else f"I could not {deed(wish)}"
    )


def no_tool(wish: Wish) -> str:
    """The sentence for a wish that no offered tool serves."""
    return sentence(f"I have no tool to {deed(wish)}")


NOW = (
    "I only know the temperature (in °C) and the wind now; "
    "I do not convert, compare or reckon with them."
)
ALL_NOTES = "I only read out all notes; I do not search, count, change or delete them."
_CAN = (
    "I can calculate, look things up, tell the weather now, and save and read notes; "
    "offline I am a set of rules, not Claude."
)
_OTHERS = "I can use these tools: {}; offline I am a set of rules, not Claude."
_QUOTE = r"[\"'`\u201c\u201d\u2018\u2019]"
_ECHO = re.compile(
    r"(?:please\s+|just\s+|only\s+|now\s+)*(?:say|reply|respond|answer|repeat|echo)\b"
    r"(?:\s+(?:back|to\s+me|after\s+me|with|only|just|in))*"
    r"(?:\s+(?:the\s+)?(?:exactly|(?:single\s+|exact\s+|one\s+)?words?|phrase|following|"
    r"sentence|text))*\s*(?P<colon>[:,])?"
    rf"\s*(?P<words>{_QUOTE}[^\"`\u201c\u201d\n]{{1,2000}}{_QUOTE}|[^\s\"]{{1,100}}|"
    rf"(?<=[:,]\s)[^\"\n]{{1,2000}})",
    re.IGNORECASE,
)
_ONLY = re.compile(
    r"[,\s]+(?:and\s+)?(?:nothing\s+else|only|exactly|please|to\s+me)\W*$", re.IGNORECASE
)
_GREETING = re.compile(
    r"(?:hi|hello|hey|howdy|greetings|good\s(?:morning|afternoon|evening|day))\b", re.IGNORECASE
)
_THANKS = re.compile(
    r"(?:many\s)?(?:thanks|thank\syou|thx|cheers)\b(?:[\s,.!]+(?!now|and|what|then)[\w'\u2019]+){0"
    r",4}[\s.!]*",
    re.IGNORECASE,
)
_FAREWELL = re.compile(
    r"(?:good\s?)?(?:bye|night)(?:\s(?:bye|for\snow|claude))?\W*|see\s(?:you|ya)(?:\slater|"
    r"\ssoon)?\W*",
    re.IGNORECASE,
)
_ASKS_WHAT_I_CAN = re.compile(
    r"(?:(?:hi|hello|hey|so|ok|please)[\s,!.]+)*(?:help(?:\sme)?|(?:and\s)?what\s(?:else\s)?"
    r"(?:can|could|do)\s(?:you|u)"
    r"\s(?:do|help(?:\sme)?\s?(?:with)?)|(?:and\s)?how\scan\syou\shelp(?:\sme)?|what\sare\s"
    r"you\s(?:able\sto\sdo|capable\sof|"
    r"good\s(?:at|for))|what\stools\sdo\syou\shave|what\sare\syour\s(?:tools|capabilities))\W*",
    re.IGNORECASE,
)
_OF_ITSELF = re.compile(r"(?:I|Name\sa\scity|Hello|You\sare\swelcome)\b")


def facts_in(answer: str) -> str:
    """The lines of an answer that hold facts, without those in which the model speaks of itself."""
    lines = (line for line in answer.splitlines() if not _OF_ITSELF.match(line))
    return "\n".join(lines).strip()


def small_talk(task: str, tools: Collection[str]) -> str:
    """The answer to a text that holds no wish, with the tools of this request."""
    has_tools = bool(tools)
    can = _CAN if not tools or {*ARGUMENTS} <= {*tools} else _OTHERS.format(", ".join(tools))
    task = task.strip()
    echo = _ECHO.fullmatch(_ONLY.sub("", task[:2500]).rstrip(" .!"))
    if echo:
        words = echo["words"].strip(" .!?\"'`\u201c\u201d\u2018\u2019\n")
        if words:
            return f"{words.capitalize()}!" if _GREETING.fullmatch(words) else words
    if _THANKS.fullmatch(task):
        return "You are welcome."
    if _FAREWELL.fullmatch(task):
        return "Goodbye!"
    if has_tools and _ASKS_WHAT_I_CAN.fullmatch(task):
        return can
    greets = _GREETING.match(task)
    if not has_tools:
        hello = "Hello! " if greets else ""
        return f"{hello}I answer with the help of tools, and this request offers none."
    if greets and len(task.split()) <= 3:
        return f"Hello! {can}"
    return f"I cannot do that, or do not understand it. {can}"
