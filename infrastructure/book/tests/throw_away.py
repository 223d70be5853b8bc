"""Steps that are made for one test: small agents without a model, and the incidents they meet."""

from dataclasses import replace
from pathlib import Path

from book.chain.chain import Book, Step
from book.stage.waiting import Waited
from book.story.incident import Headline, Incident, Service, Workload
from mock_claude import FaultScript

CONFIG = """
import os


class Settings:
    @classmethod
    def variables(cls):
        return {"ANTHROPIC_BASE_URL", "AGENT_LISTEN__PORT", "AGENT_EXIT_CODE"}

    @classmethod
    def from_env(cls):
        return os.environ["ANTHROPIC_BASE_URL"]
"""
# What each task makes this agent do is its own text.
AGENT = """
import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import httpx


@dataclass
class Answer:
    text: str
    turns: int = 1


class Agent:
    def __init__(self, url):
        self.url = url
        self.left = []

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc_info):
        pass

    async def run(self, task, session=None):
        match task.split(": ")[0]:
            case "leave a request":
                self.left.append(asyncio.create_task(self.ask()))
                await asyncio.sleep(0.1)
            case "leave two tasks":
                self.left += [asyncio.create_task(asyncio.sleep(60)) for _ in range(2)]
            case "cancel what was begun":
                asyncio.create_task(asyncio.sleep(60)).cancel()
            case "sleep":
                await asyncio.sleep(60)
            case "swallow":
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    pass
            case "block":
                time.sleep(1.0)
            case "raise":
                raise KeyError("no such luck")
            case "sign":
                book = Path(__file__).parent / "book"
                for word in ("begins", "ends"):
                    with book.open("a") as file:
                        file.write(f"{task[6:]} {word}\\n")
                    await asyncio.sleep(0.05)
        return Answer(task)

    async def ask(self):
        async with httpx.AsyncClient() as client:
            await client.post(self.url + "/v1/messages", timeout=60)
"""


def step(book: Book, folder: Path, name: str = "thrown-away", **files: str) -> Step:
    """A step in this folder; ``files`` (names without .py) replace config and agent, or add."""
    for file, text in ({"config": CONFIG, "agent": AGENT} | files).items():
        (folder / f"{file}.py").write_text(text, encoding="utf-8")
    return replace(book.step("reference-agent"), name=name, path=folder)


def incident(
    workload: Workload,
    script: str = "",
    *,
    service: Service | None = None,
    trials_at_once: int = 8,
    **settings: str,
) -> Incident:
    """An incident that judges nothing."""
    return Incident(
        name="a-storm",
        story="",
        faults=FaultScript.parse(script, source="test"),
        workload=lambda seed: workload,
        settings=settings,
        promise=lambda run: [],
        symptom="something is slow",
        headline=Headline("tasks done", "%", "higher", lambda run: run.success),
        cure=lambda seen: [],
        service=service,
        trials_at_once=trials_at_once,
    )


def on_any_machine(waited: Waited) -> bool:
    """Never too busy: for a test that looks at what no clock decides."""
    return False
