"""The simulator as a process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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
