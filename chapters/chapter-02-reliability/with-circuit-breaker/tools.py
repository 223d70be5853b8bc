"""The agent's tools: web search, weather, arithmetic and notes.

A tool returns text for Claude, or raises. Whoever needs to know more about a tool (may its call be
repeated, may its text be believed) asks the :class:`Tool`.
"""

import ast
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from fractions import Fraction
from inspect import signature
from operator import add, floordiv, mod, mul, neg, pos, pow, sub, truediv
from typing import Any, NamedTuple

import httpx
from anthropic.types import ToolParam

from config import Settings

SIGNS = str.maketrans("×·÷−–", "**/--")  # noqa: RUF001 - as people write them
OPERATORS: dict[type, Any] = {ast.Add: add, ast.Sub: sub, ast.UAdd: pos, ast.USub: neg}
OPERATORS |= {ast.Mult: mul, ast.Div: truediv, ast.FloorDiv: floordiv, ast.Mod: mod, ast.Pow: pow}
TINY = re.compile(r"[1-9][\d_.]*e-0*([3-9]\d|\d{3,})\d", re.IGNORECASE)  # a float takes it for 0
NOTE = re.compile(r'"([^"\\\x00-\x1f]|\\(["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')  # as save_note writes it


class ToolError(Exception):
    """A tool cannot do what it was asked; the text tells Claude why."""

    callers_mistake = True  # the tool is well: nobody need ask it again, or leave it alone


class Tool(NamedTuple):
    """What Claude sees of a tool (``schema``), what runs, and what others must know about it."""

    schema: ToolParam
    function: Callable[..., Awaitable[str]]
    read_only: bool  # a second call changes nothing
    untrusted: bool  # the text comes from outside: facts perhaps, orders never


class Tools:
    """The tools of one agent, by name."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.tls = httpx.create_ssl_context()  # reading the certificates anew costs 30 ms a call
        outside = (self.search_web, self.get_weather, self.read_notes)
        every = (*outside, self.calculate, self.save_note)  # only the last one changes anything
        tools = [Tool(_schema(f), f, f != self.save_note, untrusted=f in outside) for f in every]
        self.schemas = [tool.schema for tool in tools]
        self.by_name = {tool.schema["name"]: tool for tool in tools}
        self.takes = {f.__name__: dict.fromkeys(signature(f).parameters, "str") for f in every}

    def read_only(self, name: str, arguments: Mapping[str, object]) -> bool:
        return name in self.by_name and self.by_name[name].read_only

    async def call(self, name: str, arguments: Mapping[str, object]) -> str:
        """Run a tool. Raises ToolError for a call that no tool can answer, before it runs."""
        given = {each: type(value).__name__ for each, value in arguments.items()}
        if given != self.takes.get(name):
            raise ToolError(f"no tool {name!r} takes {given}. What the tools take: {self.takes}")
        return await self.by_name[name].function(**arguments)

    async def search_web(self, query: str) -> str:
        """Search the web for facts; gives the beginnings of the articles that fit best."""
        question = {"action": "query", "generator": "search", "gsrsearch": query, "gsrlimit": "3"}
        wanted = {"prop": "extracts", "exintro": "1", "explaintext": "1"}
        params = question | wanted | {"format": "json", "formatversion": "2"}
        found = await self._get_json(self.settings.search_url, params)
        hits = sorted(found.get("query", {}).get("pages", []), key=lambda page: page["index"])
        return "\n".join(f"{p['title']}: {p.get('extract') or ''}" for p in hits) or "nothing found"

    async def get_weather(self, city: str) -> str:
        """Get the weather in a city now: temperature and wind."""
        found = await self._get_json(self.settings.geocoding_url, {"name": city, "count": 1})
        if not found.get("results"):
            raise ToolError(f"no place is called {city!r}")
        place = found["results"][0]
        params = {each: place[each] for each in ("latitude", "longitude")}
        params["current"] = "temperature_2m,wind_speed_10m"
        now = (await self._get_json(self.settings.forecast_url, params))["current"]
        where = dict.fromkeys(filter(None, map(place.get, ("name", "admin1", "country"))))
        return f"{', '.join(where)}: {now['temperature_2m']} °C, wind {now['wind_speed_10m']} km/h"

    async def calculate(self, expression: str) -> str:
        """Calculate an arithmetic expression such as (2 + 3) * 4."""
        try:
            value = _value(ast.parse(expression.strip().translate(SIGNS), "text", "eval").body)
            if TINY.search(expression) or (value and not 1e-308 < abs(value) < 1e308):
                raise ArithmeticError("the result is too large or too small")
        except (SyntaxError, ValueError, ArithmeticError, RecursionError, MemoryError) as error:
            raise ToolError(f"cannot calculate {expression[:60]!r}: {error}") from error
        return str(value) if value.denominator == 1 else f"{Decimal(f'{float(value):.15g}'):f}"

    async def save_note(self, text: str) -> str:
        """Save a note for later."""
        with self.settings.notes_file.open("a", encoding="utf-8") as notes:
            notes.write("\n" + json.dumps(text))  # a line of its own, even after a torn one
        return "saved"

    async def read_notes(self) -> str:
        """Read all notes saved so far."""
        file = self.settings.notes_file
        lines = file.read_text("utf-8-sig", "replace").split("\n") if file.exists() else []
        notes = [f"- {json.loads(line)}" for line in lines if NOTE.fullmatch(line.strip())]
        if lost := sum(bool(line.strip()) for line in lines) - len(notes):
            notes.append(f"({lost} of them cannot be read)")
        return "\n".join(notes) or "there are no notes yet"

    async def _get_json(self, url: str, params: Mapping[str, str | int | float]) -> dict[str, Any]:
        headers = {"User-Agent": "production-agents/1.0"}
        async with httpx.AsyncClient(verify=self.tls, headers=headers) as client:
            found = (await client.get(url, params=params)).raise_for_status().json()
        if found is None or "error" in found or None in dict(found).get("current", {}).values():
            raise ConnectionError(f"{httpx.URL(url).host} failed: {str(found)[:200]}")
        return dict(found)


def _schema(function: Callable[..., Awaitable[str]]) -> ToolParam:
    """A tool is described by its docstring; its arguments are texts."""
    texts = {name: {"type": "string"} for name in signature(function).parameters}
    inputs: dict[str, object] = {"type": "object", "properties": texts, "required": list(texts)}
    return ToolParam(name=function.__name__, description=str(function.__doc__), input_schema=inputs)


def _value(node: ast.expr) -> Fraction:
    match node:
        case ast.Constant(value=int() | float() as number) if not isinstance(number, bool):
            return Fraction(str(number))
        case ast.UnaryOp(op=op, operand=operand) if type(op) in OPERATORS:
            return Fraction(OPERATORS[type(op)](_value(operand)))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            a, b = _value(left), _value(right)
            if isinstance(op, ast.Pow) and (abs(b) * len(str(a)) > 5000 or (a < 0 and b % 1)):
                raise ArithmeticError("the power is too large, or not a real number")
            return Fraction(OPERATORS[type(op)](a, b))
    raise ArithmeticError("only numbers, + - * / // % ** and parentheses are known")
