"""Prose on demand: as long as asked for, the same every time, and said to be filler."""

from __future__ import annotations

import re

import pytest
from anthropic import Anthropic
from anthropic.types import MessageParam

from mock_claude.api.fitting import reply_to
from mock_claude.model.prose import prose
from mock_claude.server import Simulator

MODEL = "claude-sonnet-5-5"


def written(task: str, *, has_tools: bool = False) -> str:
    text = prose(task, has_tools=has_tools)
    assert text is not None
    return text


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("Write 200 words about rain.", 200),
        ("Please write an essay of about 150 words on the topic of trains.", 150),
        ("Write a story in fifty words about a dog", 50),
        ("Write 3 paragraphs about bees, 40 words each", 120),
        ("Compose 1,500 words on the history of Rome", 1_500),
        ("write 10 words about tea", 10),
        ("Write an essay on why we sleep", 300),
        ("Write 900000 words about nothing", 20_000),
        ("In 120 words, describe the sea.", 120),
        ("Using about 80 words, tell me about bees", 80),
        ("Use 200 words to describe rain.", 200),
        ("In 60 words or less explain gravity", 60),
    ],
)
def test_a_text_has_about_as_many_words_as_asked_for(task: str, words: int) -> None:
    assert abs(len(written(task).split()) - words) <= 3


def test_a_length_that_comes_first_leaves_the_task_to_tools_if_there_are_any() -> None:
    assert prose("In 120 words, describe the weather in Oslo.", has_tools=True) is None
    assert prose("In 2019 the sea rose. Describe it.", has_tools=False) is None


def test_sentences_paragraphs_and_points_are_counted() -> None:
    assert written("Write exactly 5 sentences about the sea.").count(".") == 5
    assert written("Write 4 paragraphs about dogs").count("\n\n") == 3
    assert written("Give me 6 bullet points about bees").count("\n- ") == 6
    assert written("Explain rain in two sentences").count(".") == 2


def test_the_text_is_about_its_topic_and_says_that_it_is_filler() -> None:
    text = written("Write 60 words about the Marlow Clock.")
    assert text.startswith(
        "This is filler by the offline stand-in, not by Claude, about the Marlow Clock."
    )
    assert text.count("the Marlow Clock") > 2
    assert text == written("Write 60 words about the Marlow Clock.")


@pytest.mark.parametrize(
    "task",
    [
        "Write a poem of 100 words about rain",
        "Write 20 lines of Python code",
        'Write "cheese"',
        "Write down that the essay has 300 words",
        "Write a note: 3 sentences are due",
        "How many words does an essay have?",
        "What is the weather in Oslo?",
    ],
)
def test_verse_code_notes_and_questions_are_not_prose(task: str) -> None:
    assert prose(task, has_tools=False) is None


def test_what_tools_can_look_up_is_not_made_up() -> None:
    assert prose("Explain tea in 3 sentences", has_tools=True) is None
    tools = [{"name": "search_web", "input_schema": {"properties": {"query": {"type": "string"}}}}]
    asked = {"messages": [{"role": "user", "content": "Tell me about tea"}], "tools": tools}
    assert [call.name for call in reply_to(asked).calls] == ["search_web"]


def test_prose_is_streamed_in_many_deltas_and_cut_at_max_tokens(simulator: Simulator) -> None:
    task: MessageParam = {"role": "user", "content": "Write 200 words about rain."}
    with Anthropic(base_url=simulator.url, api_key="sk-ant-test", max_retries=0) as client:
        with client.messages.stream(model=MODEL, max_tokens=1_000, messages=[task]) as stream:
            deltas = list(stream.text_stream)
            whole = stream.get_final_message()
        cut = client.messages.create(model=MODEL, max_tokens=50, messages=[task])
    assert len(deltas) > 20
    assert whole.stop_reason == "end_turn"
    assert (cut.stop_reason, cut.usage.output_tokens) == ("max_tokens", 50)
    assert cut.content[0].type == "text"
    assert "".join(deltas).startswith(cut.content[0].text)
    assert re.search(r"\brain\b", cut.content[0].text)
