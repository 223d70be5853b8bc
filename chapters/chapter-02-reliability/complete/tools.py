"""The agent's tools: web search, weather, arithmetic and notes.

A tool returns text for Claude, or raises. Whoever needs to know more about a tool (may its call be
repeated, may its text be believed) asks the :class:`Tool`.
"""

import ast
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from operator import add, floordiv, mod, mul, pow, sub, truediv
from typing import Any

import httpx
from anthropic.types import ToolParam

from reliability import in_thread

from config import Settings

OPERATORS: dict[type, Callable[[float, float], float]] = {ast.Add: add, ast.Sub: sub, ast.Pow: pow}
OPERATORS |= {ast.Mult: mul, ast.Div: truediv, ast.FloorDiv: floordiv, ast.Mod: mod}
MAX_DIGITS = 1000  # of a power, so that 9**9**9 is refused instead of computed


class ToolError(Exception):
    """A tool cannot do what it was asked; the text tells Claude why."""


@dataclass(frozen=True)
class Tool:
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
        tools = (
            Tool(_schema(self.search_web), self.search_web, read_only=True, untrusted=True),
            Tool(_schema(self.get_weather), self.get_weather, read_only=True, untrusted=True),
            Tool(_schema(self.calculate), self.calculate, read_only=True, untrusted=False),
            Tool(_schema(self.save_note), self.save_note, read_only=False, untrusted=False),
            Tool(_schema(self.read_notes), self.read_notes, read_only=True, untrusted=True),
        )
        self.schemas = [tool.schema for tool in tools]
        self.by_name = {tool.schema["name"]: tool for tool in tools}

    def read_only(self, name: str) -> bool:
        return name in self.by_name and self.by_name[name].read_only

    async def search_web(self, query: str) -> str:
        """Search the web for facts; gives the beginnings of the articles that fit best."""
        question = {"generator": "search", "gsrsearch": query, "gsrlimit": "3"}
        wanted = {"prop": "extracts", "exintro": "1", "explaintext": "1", "formatversion": "2"}
        params = {"action": "query", "format": "json"} | question | wanted
        found = await self._get_json(self.settings.search_url, params)
        if "error" in found:  # MediaWiki reports its errors with status 200
            raise ToolError(f"the search failed: {found['error'].get('info')}")
        pages = sorted(found.get("query", {}).get("pages", []), key=lambda page: page["index"])
        return "\n".join(f"{p['title']}: {p.get('extract', '')}" for p in pages) or "nothing found"

    async def get_weather(self, city: str) -> str:
        """Get the weather in a city now: temperature and wind."""
        found = await self._get_json(self.settings.geocoding_url, {"name": city, "count": 1})
        if not found.get("results"):
            raise ToolError(f"no place is called {city!r}")
        place = found["results"][0]
        params = {each: place[each] for each in ("latitude", "longitude")}
        params["current"] = "temperature_2m,wind_speed_10m"
        now = (await self._get_json(self.settings.forecast_url, params))["current"]
        return f"{place['name']}: {now['temperature_2m']} °C, wind {now['wind_speed_10m']} km/h"

    async def calculate(self, expression: str) -> str:
        """Calculate an arithmetic expression such as (2 + 3) * 4."""
        try:
            value = _value(ast.parse(expression.strip(), mode="eval").body)
        except (SyntaxError, ValueError, ArithmeticError) as error:
            raise ToolError(f"cannot calculate {expression!r}: {error}") from error
        return f"{value:.12g}" if isinstance(value, float) else str(value)

    @in_thread
    def save_note(self, text: str) -> str:
        """Save a note for later."""
        with self.settings.notes_file.open("a", encoding="utf-8") as notes:
            notes.write(json.dumps(text) + "\n")
        return "saved"

    @in_thread
    def read_notes(self) -> str:
        """Read all notes saved so far."""
        file = self.settings.notes_file
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return "\n".join(f"- {json.loads(line)}" for line in lines) or "there are no notes yet"

    async def _get_json(self, url: str, params: Mapping[str, str | int | float]) -> dict[str, Any]:
        headers = {"User-Agent": "production-agents/1.0"}
        async with httpx.AsyncClient(verify=self.tls, headers=headers) as client:
            response = await client.get(url, params=params)
            return dict(response.raise_for_status().json())


def _schema(function: Callable[..., Awaitable[str]]) -> ToolParam:
    """A tool is described by its docstring; its arguments are texts."""
    texts = {name: {"type": "string"} for name in inspect.signature(function).parameters}
    inputs: dict[str, object] = {"type": "object", "properties": texts, "required": list(texts)}
    return ToolParam(name=function.__name__, description=str(function.__doc__), input_schema=inputs)


def _value(node: ast.expr) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_value(operand)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            a, b = _value(left), _value(right)
            if isinstance(op, ast.Pow) and (abs(b) * len(str(a)) > MAX_DIGITS or (a < 0 and b % 1)):
                raise ArithmeticError("the power is too large, or not a real number")
            return OPERATORS[type(op)](a, b)
    raise ArithmeticError("only numbers, + - * / // % ** and parentheses are known")
