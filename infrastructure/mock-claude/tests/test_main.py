"""The simulator as a process."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from mock_claude.__main__ import DEFAULT_PORT, main

STORM = '[[rule]]\nname = "r"\npath = "*"\nfault = "status"\nstatus = 503\n'
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    running = subprocess.Popen(
        [sys.executable, "-m", "mock_claude", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A job in the background of a script is started with SIGINT ignored, and passes that on.
        preexec_fn=listen_to_ctrl_c if os.name == "posix" else None,
    )
    try:
        yield running
    finally:
        running.kill()
        running.communicate()


def listen_to_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def next_line(running: subprocess.Popen[str]) -> str:
    assert running.stdout is not None
    return running.stdout.readline()


@POSIX
def test_it_says_where_it_listens_serves_its_script_and_ends_quietly_on_ctrl_c(
    tmp_path: Path,
) -> None:
    (tmp_path / "storm.toml").write_text(STORM, encoding="utf-8")
    script = str(tmp_path / "storm.toml")
    with process("--port", "0", "--seed", "3", "--faults", script) as running:
        line = next_line(running)
        assert line.startswith("mock-claude listening on http://127.0.0.1:")
        assert line.endswith(" (seed 3)\n")
        url = line.split()[3]
        assert f"ANTHROPIC_BASE_URL={url}" in next_line(running)
        assert httpx.get(url).status_code == 503
        running.send_signal(signal.SIGINT)
        errors = running.communicate(timeout=10)[1]
        assert (running.returncode, errors) == (130, "")


@POSIX
def test_a_taken_default_port_moves_on_and_sigterm_ends_cleanly() -> None:
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            taken.bind(("127.0.0.1", DEFAULT_PORT))
            taken.listen()
        except OSError:
            pass  # someone else has it: as good
        with process() as running:
            assert next_line(running) == (
                f"mock-claude: port {DEFAULT_PORT} is in use, trying {DEFAULT_PORT + 1}\n"
            )
            while not (line := next_line(running)).startswith("mock-claude listening on "):
                assert "is in use, trying" in line
            running.send_signal(signal.SIGTERM)
            assert running.communicate(timeout=10)[1] == ""
            assert running.returncode == 0


@contextmanager
def collector() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Takes exports of spans in a thread of its own: its address, and what it got."""
    got = list[dict[str, Any]]()

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200 if self.path == "/v1/traces" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Stay quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", got
        server.shutdown()
        thread.join()


@POSIX
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_log_and_spans_of_the_services_are_whole_when_it_ends(tmp_path: Path, sign: int) -> None:
    file = tmp_path / "services.log"
    with (
        collector() as (url, got),
        process("--port", "0", "--log", str(file), "--otlp", url) as running,
    ):
        at = next_line(running).split()[3]
        for name in ("Porto", "Oslo"):
            assert httpx.get(f"{at}/v1/search", params={"name": name}).status_code == 200
        running.send_signal(sign)
        assert running.communicate(timeout=10)[1] == ""
    spans = [span for each in got for span in each["resourceSpans"][0]["scopeSpans"][0]["spans"]]
    told = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert len(spans) == 10
    assert [line["trace_id"] for line in told] == [spans[0]["traceId"], spans[5]["traceId"]]


@POSIX
def test_what_no_collector_took_is_said_at_the_end() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        with process("--port", "0", "--otlp", url) as running:
            at = next_line(running).split()[3]
            assert httpx.get(f"{at}/v1/search", params={"name": "Porto"}).status_code == 200
            running.send_signal(signal.SIGINT)
            errors = running.communicate(timeout=10)[1]
    assert errors == "mock-claude: 5 spans or lines were not delivered\n"


def test_a_log_or_a_collector_that_cannot_be_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "none" / "services.log"
    assert main(["--log", str(file)]) == 2
    told = capsys.readouterr().err
    assert told == f"mock-claude: --log {file}: cannot be written: No such file or directory\n"
    assert main(["--otlp", "localhost:4318"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("mock-claude: --otlp: 'localhost:4318' is no address such as http://")


def test_an_explicit_port_that_is_taken_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    assert capsys.readouterr().err == (
        f"mock-claude: cannot listen on 127.0.0.1 port {port}: is in use\n"
    )


def test_a_wrong_script_fails_with_file_line_and_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "storm.toml"
    script.write_text(STORM + "chance = 1\n", encoding="utf-8")
    assert main(["--faults", str(script)]) == 2
    assert f"{script}:6: rule.chance: unknown key" in capsys.readouterr().err
    assert main(["--faults", str(tmp_path / "none.toml")]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err


@pytest.mark.parametrize("port", ["x", "-1", "65536"])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([f"--port={port}"])
    assert stop.value.code == 2
    assert f"invalid port (0 to 65535) value: '{port}'" in capsys.readouterr().err
