"""What is typed at `make agent` and `make service`, each in a process of its own.

Proxies, keys, locales, pipes, and the signal that ends a service.
"""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from typed import DEAD, PROXIES, TASK, WITH_PASSWORD, environment, own_key

from book.stage.ports import free_port
from mock_claude import Simulator


def book(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "book", *words],
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=100,
    )


@pytest.mark.parametrize(("task", "times"), [("Who wrote Hamlet?", 1), ("6*7?", 0)])
def test_an_offline_answer_from_the_web_is_told_to_be_invented_once_beside_it(
    task: str, times: int
) -> None:
    done = book("agent", task)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("invented") == done.stderr.count("LIVE=1") == times
    assert "invented" not in done.stdout


def live(
    simulator: Simulator, task: str = TASK, **variables: str
) -> "subprocess.CompletedProcess[str]":
    return book("agent", "--live", task, **{**own_key(simulator), **variables})


@pytest.mark.parametrize("proxies", PROXIES, ids=lambda each: next(iter(each)))
def test_what_is_offline_asks_no_proxy(proxies: dict[str, str]) -> None:
    done = book("agent", TASK, **proxies)
    assert done.returncode == 0, done.stderr
    assert "437" in done.stdout
    assert "°C" in done.stdout


@pytest.mark.parametrize("task", ["-5+3", "--help", "--"])
def test_a_task_may_begin_like_an_option(task: str) -> None:
    done = book("agent", "--", task)
    assert done.returncode == 0, done.stderr
    assert "usage" not in (done.stdout + done.stderr).lower()
    assert done.stdout.strip()


@pytest.mark.parametrize("key", ["sk-ant-mine\n", " sk ant\r\n-mine"])
def test_a_key_is_taken_without_the_white_space_that_was_pasted_with_it(
    simulator: Simulator, key: str
) -> None:
    # And of an address, without the version that the SDK adds.
    done = live(simulator, ANTHROPIC_API_KEY=key, ANTHROPIC_BASE_URL=f"{simulator.url}/v1")
    assert done.returncode == 0, done.stderr
    assert "437" in done.stdout


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"ANTHROPIC_API_KEY": "sk-ant-invalid-mine"}, "invalid x-api-key"),
        ({"ANTHROPIC_BASE_URL": WITH_PASSWORD}, "Connection error"),
    ],
)
def test_a_live_run_that_is_refused_says_why_in_one_sentence_and_whom_it_asked(
    simulator: Simulator, wrong: dict[str, str], says: str
) -> None:
    done = live(simulator, **wrong)
    assert done.returncode == 1
    why, asked = done.stderr.strip().splitlines()
    assert says in why
    assert "{" not in why
    assert "127.0.0.1" in asked
    assert "ANTHROPIC_API_KEY of the environment" in asked
    assert "sk-ant" not in done.stderr
    assert "secret" not in done.stderr


def test_a_live_run_uses_the_proxy_and_names_it(simulator: Simulator) -> None:
    done = live(simulator, HTTP_PROXY=DEAD)
    assert done.returncode == 1
    assert "through HTTP_PROXY" in done.stderr


posix = pytest.mark.skipif(os.name != "posix", reason="make and a POSIX shell are needed")


def shell(line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """``line`` in bash, where $BOOK is the command."""
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail\n{line}"],
        env=environment(BOOK=f"{sys.executable} -m book", **variables),
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=100,
    )


@posix
@pytest.mark.parametrize(
    "line",
    [
        "$BOOK agent <&-",
        "$BOOK agent '6*7?' <&- >&-",
        "$BOOK agent '6*7?' | head -c 0",
        "$BOOK list | head -n 1",
        "$BOOK diff 02 | head -c 0",
    ],
)
def test_closed_streams_end_a_command_quietly(line: str) -> None:
    done = shell(line)
    assert done.returncode == 0, done.stderr
    told = [each for each in done.stderr.splitlines() if "invented" not in each]
    assert told == []


@posix
def test_a_command_that_judges_does_not_say_well_done_when_nobody_read_it() -> None:
    done = shell("$BOOK check --fast | head -c 0")
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


@posix
@pytest.mark.parametrize(
    "locale",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    ],
    ids=["ascii", "C"],
)
def test_what_a_locale_cannot_print_is_replaced_and_the_rest_is_there(
    locale: dict[str, str],
) -> None:
    done = shell("$BOOK agent 'Weather in Málaga 😀? And what is 23*19?'; $BOOK list", **locale)
    assert done.returncode == 0, done.stderr
    assert "437" in done.stdout
    assert "codec" not in done.stderr
    assert "chapter-02/complete" in done.stdout


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def service(port: int) -> Iterator["subprocess.Popen[str]"]:
    proxies = {**PROXIES[0], **PROXIES[2], "ANTHROPIC_API_KEY": "sk-ant-invalid-mine"}
    with subprocess.Popen(
        [sys.executable, "-m", "book", "service", "--port", str(port)],
        env=environment(**proxies),
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        yield running
        running.kill()


@posix
def test_the_service_says_where_it_listens_answers_offline_and_leaves_in_order(
    service: "subprocess.Popen[str]", port: int
) -> None:
    assert service.stderr is not None
    told = []
    for line in service.stderr:
        told.append(line)
        if line == f"listening on http://127.0.0.1:{port}\n":
            break
    else:
        pytest.fail("".join(told))
    assert f"curl localhost:{port}/v1/tasks" in "".join(told)
    asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    headers = {"content-type": "application/json"}
    with contextlib.closing(asked):
        asked.request("POST", "/v1/tasks", json.dumps({"task": TASK}), headers)
        answer = asked.getresponse()
        text = json.loads(answer.read())["text"]
    assert answer.status == 200
    assert "437" in text
    assert "°C" in text
    service.send_signal(signal.SIGTERM)
    assert service.wait(30) == 0
