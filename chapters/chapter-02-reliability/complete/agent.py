"""A small agent: Claude plans, calls tools and answers.

Run: python agent.py "What is 23*19, and what is the weather in Lisbon?"
Need: ANTHROPIC_API_KEY in the environment or in .env (see .env.example).
"""

import argparse
import asyncio
import sys
from dataclasses import dataclass, replace
from typing import Self

from anthropic import APIError, AsyncAnthropic, Timeout
from anthropic.types import Message, MessageParam, ToolResultBlockParam, ToolUseBlock

from reliability import (
    LoopGuard,
    ReliabilityError,
    StopTask,
    Tokens,
    bulkhead,
    circuit_breaker,
    closing,
    collect_notes,
    fallback_model,
    last_known_good,
    protect,
    remaining_s,
    request_deadline,
    retry,
    timeout,
    tokens_by_model,
)

from config import Settings, SettingsError
from tools import ToolError, Tools

SYSTEM = "You are a helpful assistant. Take facts from your tools, and say when a tool failed."
NO_KEY = """ANTHROPIC_API_KEY is not set: put your key into .env (.env.example shows how).
Or run offline, without a key, at the top of the repository: make agent TASK="your task"."""


class UnfinishedAnswer(Exception):
    """Claude stopped before its answer was complete."""


MISTAKES = (ToolError, KeyError, TypeError)  # a call that no tool can answer: the tool is well
# Told in a line, not as a traceback.
EXPECTED = (ValueError, UnfinishedAnswer, APIError, ReliabilityError)


@dataclass(frozen=True)
class Answer:
    """What a task came to, and what it took."""

    text: str
    turns: int
    input_tokens: int
    output_tokens: int
    stopped: str | None = None  # the limit that ended the task early
    tokens: dict[str, Tokens] | None = None  # by the model that served
    degraded: bool = False  # something is old, missing, or from another model: the text says what


class Agent:
    """One per process; any number of tasks may run at once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        key, url = settings.anthropic_api_key.get_secret_value(), settings.anthropic_base_url
        limits = settings.timeouts
        patience = Timeout(limits.model_call_s, connect=limits.connect_s)
        self.client = AsyncAnthropic(api_key=key, base_url=url, max_retries=0, timeout=patience)
        self.tools = Tools(settings)
        self.sessions: dict[str, list[MessageParam]] = {}
        self.run = protect(self.run, request_deadline(limits), bulkhead(settings.bulkhead))
        breaker = circuit_breaker(settings.breaker, excluded=MISTAKES)
        self.ask_claude = protect(
            self.ask_claude,
            retry(settings.retry, remaining_s=remaining_s),
            breaker,
            timeout(limits.model_call_s, floor_s=limits.floor_s),
            dependency=lambda messages, model: model,
        )
        self.ask_claude = fallback_model(settings.degradation)(self.ask_claude)
        self.use_tool = protect(
            self.use_tool,
            last_known_good(
                settings.degradation,
                read_only=lambda name, arguments: self.tools.read_only(name),
                excluded=MISTAKES,
            ),
            retry(
                settings.retry,
                idempotent=lambda name, arguments: self.tools.read_only(name),
                remaining_s=remaining_s,
            ),
            breaker,
            bulkhead(settings.tool_bulkhead),
            timeout(limits.tool_call_s, floor_s=limits.floor_s),
            dependency=lambda name, arguments: name,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.client.close()

    async def run(self, task: str, session: str | None = None) -> Answer:
        """Do one task, as `work` does, and tell what in the answer is old or missing."""
        with collect_notes() as notes:
            answer = await self.work(task, session)
        return replace(answer, text=notes.append_to(answer.text), degraded=notes.degraded)

    async def work(self, task: str, session: str | None = None) -> Answer:
        """Do one task; tasks that name the same session share their history.

        Raises ValueError (a blank task), UnfinishedAnswer, APIError and ReliabilityError.
        """
        if not task.strip():
            raise ValueError("the task is blank: say what the agent should do")
        earlier = [] if session is None else list(self.sessions.get(session, []))
        messages: list[MessageParam] = [{"role": "user", "content": task}]
        replies: list[Message] = []
        guard, stopped = LoopGuard(self.settings.loop), None
        while True:
            message = await self.ask_claude([*earlier, *messages], self.settings.model)
            replies.append(message)
            messages.append(message.to_param())
            if message.stop_reason != "tool_use":
                break
            calls = [block for block in message.content if block.type == "tool_use"]
            if stopped := guard.admit(calls):
                break
            messages.append({"role": "user", "content": [await self.result_of(c) for c in calls]})
        if not stopped and message.stop_reason not in ("end_turn", "stop_sequence"):
            raise UnfinishedAnswer(f"Claude stopped early: {message.stop_reason}")
        text = "".join(block.text for block in message.content if block.type == "text")
        if stopped:
            text, ending = closing(messages, message, stopped, self.settings.loop)
            messages += ending
        if session is not None:  # only a finished task becomes history
            self.sessions.setdefault(session, []).extend(messages)
        input_tokens = sum(reply.usage.input_tokens for reply in replies)
        output_tokens = sum(reply.usage.output_tokens for reply in replies)
        tokens = tokens_by_model(replies)
        return Answer(text, len(replies), input_tokens, output_tokens, stopped, tokens)

    async def ask_claude(self, messages: list[MessageParam], model: str) -> Message:
        """One model call."""
        return await self.client.messages.create(
            model=model,
            max_tokens=self.settings.max_tokens,
            system=SYSTEM,
            tools=self.tools.schemas,
            messages=messages,
        )

    async def use_tool(self, name: str, arguments: dict[str, object]) -> str:
        """One tool call."""
        return await self.tools.by_name[name].function(**arguments)

    async def result_of(self, call: ToolUseBlock) -> ToolResultBlockParam:
        """The tool's text, or its error: Claude reads both."""
        try:
            text, failed = await self.use_tool(call.name, call.input), False
        except StopTask:
            raise
        except Exception as error:  # noqa: BLE001 - a tool may fail in any way; Claude is told how
            text, failed = f"{type(error).__name__}: {error}", True
        return {"type": "tool_result", "tool_use_id": call.id, "content": text, "is_error": failed}


async def main(task: str | None) -> None:
    settings = Settings.from_env()
    if not settings.anthropic_api_key.get_secret_value():
        raise SettingsError(NO_KEY)
    async with Agent(settings) as agent:
        if task is not None:
            print((await agent.run(task)).text)
        while task is None:  # the prompt: one session, until the end of input
            try:
                print((await agent.run(input("> "), session="prompt")).text)  # noqa: ASYNC250
            except EOFError:
                break
            except EXPECTED as error:
                print(error, file=sys.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Ask a small Claude agent.")
    parser.add_argument("task", nargs="?", help="what to do; without it you get a prompt")
    try:
        asyncio.run(main(parser.parse_args().task))
    except EXPECTED as error:
        print(error, file=sys.stderr)
        sys.exit(2 if isinstance(error, ValueError) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
