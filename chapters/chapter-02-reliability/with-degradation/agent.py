"""A small agent: Claude plans, calls tools and answers.

Run: python agent.py "What is 23*19, and what is the weather in Lisbon?"
Need: ANTHROPIC_API_KEY in the environment or in .env (see .env.example).
"""

import asyncio
import os
import re
import sys
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, replace
from json import dumps, loads
from typing import Any

try:
    from anthropic import APIError, APIResponseValidationError, AsyncAnthropic, Timeout
    from anthropic.types import Message, MessageParam, ToolResultBlockParam, ToolUseBlock
except ModuleNotFoundError as missing:
    sys.exit(f"{missing}: take .venv/bin/python of the repository's top, or make agent there")

from reliability import (
    LoopGuard,
    ReliabilityError,
    SessionEnded,
    Tokens,
    circuit_breaker,
    closing,
    collect_notes,
    fallback_model,
    last_known_good,
    protect,
    reading_reply,
    remaining_s,
    request_deadline,
    retry,
    stop_task_of,
    timeout,
    tokens_by_model,
)

from config import Settings, SettingsError
from tools import Tools

SYSTEM = "You are a helpful assistant. Take facts from your tools, and say when a tool failed."
NO_KEY = """ANTHROPIC_API_KEY is not set: put it into .env. A variable wins over it, even empty.
Or run offline, without a key, at the top of the repository: make agent TASK="your task"."""
KEPT = ("text", "thinking", "redacted_thinking", "tool_use")  # blocks; others may be new
COUNTS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


class UnfinishedAnswer(Exception):
    """Claude stopped before its answer was complete."""


# Told in a line, not as a traceback. ImportError: a SOCKS proxy, and no socksio installed.
EXPECTED = (ValueError, UnfinishedAnswer, APIError, ImportError, ReliabilityError)


@dataclass(frozen=True)
class Answer:
    """What a task came to, and what it took."""

    text: str
    turns: int
    input_tokens: int  # fresh: neither written to the prompt cache nor read from it
    output_tokens: int
    cache_write_tokens: int
    cache_read_tokens: int
    all_input_tokens: int
    stopped: str | None = None  # the limit that ended the task early
    tokens: dict[str, Tokens] | None = None  # by the model that served
    degraded: bool = False  # something is old, missing, or from another model: the text says what


@dataclass
class Run:
    """A task under way, in JSON values and messages: `go_on` needs no more to finish it."""

    task: str
    session: str | None
    messages: list[MessageParam]  # of this task alone
    replies: list[Message]
    guard: LoopGuard


class Agent(AbstractAsyncContextManager["Agent"]):
    """One per process; any number of tasks may run at once."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        key = "".join(settings.anthropic_api_key.get_secret_value().split())  # as it is pasted
        url = re.sub("/v1/?$", "", settings.anthropic_base_url)  # which the SDK adds
        limits = settings.timeouts
        patience = Timeout(limits.model_call_s, connect=limits.connect_s)
        self.client = AsyncAnthropic(api_key=key, base_url=url, max_retries=0, timeout=patience)
        self.tools = Tools(settings)
        self.sessions: dict[str, list[MessageParam]] = {}
        self.run = protect(self.run, request_deadline(limits))
        breaker = circuit_breaker(settings.breaker)
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
            last_known_good(settings.degradation, read_only=self.tools.read_only),
            retry(settings.retry, idempotent=self.tools.read_only, remaining_s=remaining_s),
            breaker,
            timeout(limits.tool_call_s, floor_s=limits.floor_s),
            dependency=lambda name, arguments: name,
        )

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
        begun: list[MessageParam] = [{"role": "user", "content": mend(task)}]
        return await self.go_on(Run(task, session, begun, [], LoopGuard(self.settings.loop)))

    async def go_on(self, run: Run) -> Answer:
        """Finish a task from where it stands; raises what `run` does."""
        past = [] if run.session is None else list(self.sessions.get(run.session, []))
        stopped = None
        while True:
            if run.messages[-1]["role"] == "user":  # else what Claude asked for is still to be done
                run.replies += [await self.ask_claude([*past, *run.messages], self.settings.model)]
                run.messages.append(mend(run.replies[-1].to_param()))
            message, history = run.replies[-1], mend([*past, *run.messages])
            calls = [block for block in message.content if block.type == "tool_use"]
            ids = [block["id"] for each in history for block in each["content"] if "input" in block]
            # The API takes ids and names of these characters alone, and no id twice.
            fit = all(re.fullmatch(r"(?a)[\w-]+ [\w-]{1,200}", f"{c.id} {c.name}") for c in calls)
            if message.stop_reason != "tool_use" or not calls or not fit or len({*ids}) < len(ids):
                break
            if run.guard.turns < len(run.replies) and (stopped := run.guard.admit(calls)):
                break
            results = mend([await self.result_of(call) for call in calls])
            run.messages.append({"role": "user", "content": results})
        text = "".join(block.text for block in message.content if block.type == "text")
        if stopped:
            text, ending = closing(run.messages, message, stopped, self.settings.loop)
            run.messages += ending
        elif calls or not text.strip() or message.stop_reason not in ("end_turn", "stop_sequence"):
            hint = "raise AGENT_MAX_TOKENS" if message.stop_reason == "max_tokens" else "no answer"
            raise UnfinishedAnswer(f"Claude stopped early: {message.stop_reason} ({hint})")
        if run.session is not None:  # only a finished task becomes history
            self.sessions.setdefault(run.session, []).extend(run.messages)
        usages = [each.usage for each in run.replies]
        fresh, output, written, read = (sum(getattr(u, k) or 0 for u in usages) for k in COUNTS)
        total = fresh + written + read
        tokens = tokens_by_model(run.replies)
        return Answer(text, len(usages), fresh, output, written, read, total, stopped, tokens)

    async def ask_claude(self, messages: list[MessageParam], model: str) -> Message:
        """One model call. Raises APIError, also for a reply that is no message."""
        most = self.settings.max_tokens
        response = await self.client.messages.with_raw_response.create(
            model=model, messages=messages, system=SYSTEM, tools=self.tools.schemas, max_tokens=most
        )
        return read(response.http_response)

    async def use_tool(self, name: str, arguments: dict[str, object]) -> str:
        """One tool call."""
        with reading_reply():
            return await self.tools.call(name, arguments)

    async def result_of(self, call: ToolUseBlock) -> ToolResultBlockParam:
        """The tool's text, or its error: Claude reads both."""
        try:
            text, failed = await self.use_tool(call.name, call.input), False
        except Exception as error:  # a tool may fail in any way; Claude is told how
            if stop := stop_task_of(error):
                raise stop from error
            text, failed = f"{type(error).__name__}: {error}", True
        return {"type": "tool_result", "tool_use_id": call.id, "content": text, "is_error": failed}


def read(response: Any) -> Message:
    """The message in a response, without what is new or blank: the API would not take it back.

    Raises APIResponseValidationError where there is none.
    """
    try:
        body = mend(response.json())
        body["usage"] = {kind: body["usage"].get(kind) for kind in COUNTS}
        kept = [b for b in body["content"] if b["type"] in KEPT and b.get("text", "-").strip()]
        return Message.model_validate(body | {"content": kept}, extra="ignore")
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise APIResponseValidationError(response, None) from error


def mend(value: Any) -> Any:
    """A JSON value, or blocks, with each half character (a lone surrogate) replaced, to be sent."""
    raw = dumps(value, ensure_ascii=False, default=Message.to_dict).encode("utf16", "surrogatepass")
    return loads(raw.decode("utf16", "replace"), parse_constant=str)


async def main(task: str | None) -> None:
    settings = Settings.from_env()
    if not settings.anthropic_api_key.get_secret_value():
        raise SettingsError(NO_KEY)
    async with Agent(settings) as agent:
        if task is not None:
            print((await agent.run(task)).text)
        with suppress(EOFError):
            while task is None and sys.stdin:  # the prompt: one session, until the end of input
                try:
                    print((await agent.run(input("> "), session="prompt")).text)  # noqa: ASYNC250
                except SessionEnded as error:
                    print(error, "(begun: nothing is remembered)", file=sys.stderr)
                    await main(None)  # with an agent that knows no session
                    break
                except EXPECTED as error:
                    print(getattr(error, "api_message", None) or error, file=sys.stderr)


if __name__ == "__main__":
    (sys.stdout or sys.stderr).reconfigure(errors="replace", line_buffering=True)  # type: ignore[union-attr]
    try:
        asyncio.run(main(" ".join(sys.argv[1:]) if sys.argv[1:] else None))
    except EXPECTED as error:
        print(getattr(error, "api_message", None) or error, file=sys.stderr)
        sys.exit(2 if isinstance(error, ValueError) else 1)
    except (KeyboardInterrupt, BrokenPipeError):  # who read the answers has gone
        os._exit(130)
