"""`perpscope telegram` beside the lab's Bot API as a process of its own, as a person would try it at a terminal."""

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
import structlog

from perpscope.cli.main import run
from tests.acceptance.conftest import Ran

Here = Callable[..., tuple[int, str, str]]
WRONG = "4839574812:" + "Z" * 35


class Lab:
    """`python -m perpscope.lab.telegram`, with a person at its input."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.ready = self.seen()

    def seen(self) -> dict[str, Any]:
        """The next line it prints."""
        found: dict[str, Any] = json.loads(_pipe(self._process.stdout).readline())
        return found

    def types(self, line: str) -> None:
        """A line of the person's."""
        _pipe(self._process.stdin).write(f"{line}\n")
        _pipe(self._process.stdin).flush()

    @property
    def settings(self) -> dict[str, str]:
        """For a program that is to write there."""
        return {"PERPSCOPE_TELEGRAM__TOKEN": self.ready["token"], "PERPSCOPE_TELEGRAM__API": self.ready["api"]}


def _pipe(of: IO[str] | None) -> IO[str]:
    assert of is not None
    return of


@pytest.fixture
def lab() -> Iterator[Lab]:
    """It runs, and ends when nobody types any more."""
    words = [sys.executable, "-m", "perpscope.lab.telegram"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as process:
        yield Lab(process)
        _pipe(process.stdin).close()
        assert process.wait(10) == 0


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Here]:
    """Run a command in this process, with an empty home; its exit code and what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    def run_here(*words: str, **variables: str) -> tuple[int, str, str]:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return (run(words), *capsys.readouterr())

    yield run_here
    structlog.reset_defaults()


def test_setup_finds_the_chat_that_sends_the_code(lab: Lab, tmp_path: Path, environment: dict[str, str]) -> None:
    """Somebody who does not know the code is passed over; whoever sends it is the chat, and gets a message."""
    lab.types("hello")
    lab.types("/start 000000")
    with subprocess.Popen(
        [sys.executable, "-m", "perpscope", "telegram", "setup", "--json", "--wait", "60"],
        cwd=tmp_path,
        env={**environment, **lab.settings, "PERPSCOPE_TELEGRAM__CHATS": "7"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as setup:
        code = re.search(r"/start (\d{6})", _pipe(setup.stderr).readline())
        assert code is not None
        lab.types(f"/start {code[1]}")
        out, err = setup.communicate(timeout=60)
    assert setup.returncode == 0, err
    assert json.loads(out) == {
        "bot": "perpscope_lab_bot",
        "chat": 42,
        "kind": "private",
        "name": "Ada",
        "config": "[telegram]\nchats = [7, 42]\n",
    }
    assert lab.seen()["text"] == "📨 This is a test: messages of perpscope arrive here."


def test_a_test_says_of_each_chat_whether_it_arrived(lab: Lab, perpscope: Callable[..., Ran]) -> None:
    """One that cannot be written to costs the exit code, not the others' message."""
    done = perpscope("telegram", "test", "--json", **lab.settings, PERPSCOPE_TELEGRAM__CHATS="42,777")
    assert done.code == 4
    first, second = done.json["chats"]
    assert (first["chat"], first["is_sent"], first["why"]) == (42, True, None)
    assert (second["is_sent"], second["why"]) == (False, "telegram-chat: sendMessage: Bad Request: chat not found")
    assert lab.seen()["is_edit"] is False
    told = perpscope("telegram", "test", **lab.settings, PERPSCOPE_TELEGRAM__CHATS="42")
    assert (told.code, told.out) == (0, "@perpscope_lab_bot → 42: sent\n")


@pytest.mark.parametrize(
    ("variables", "code", "says"),
    [
        ({"PERPSCOPE_TELEGRAM__TOKEN": ""}, 2, "telegram-no-token"),
        ({"PERPSCOPE_TELEGRAM__TOKEN": "12"}, 2, "telegram-token"),
        ({"PERPSCOPE_TELEGRAM__TOKEN": WRONG}, 4, "telegram-unauthorized"),
        ({"PERPSCOPE_TELEGRAM__CHATS": ""}, 2, "telegram-no-chat"),
        ({"PERPSCOPE_TELEGRAM__API": "http://127.0.0.1:1"}, 4, "telegram-unreachable"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_wrong_is_said_by_name(lab: Lab, here: Here, variables: dict[str, str], code: int, says: str) -> None:
    """Each mistake has its code, a way out, and no token in it."""
    found, out, err = here("telegram", "test", **{**lab.settings, "PERPSCOPE_TELEGRAM__CHATS": "42", **variables})
    assert found == code
    assert err.startswith(f"error {says}: ")
    assert f"docs/errors.md#{says}" in err
    assert "Z" * 35 not in err + out
    assert lab.ready["token"].partition(":")[2] not in err + out


def test_nobody_sends_the_code(lab: Lab, here: Here) -> None:
    """After the time that was given, it is said that nobody did."""
    code, _, err = here("telegram", "setup", "--wait", "1", **lab.settings)
    assert code == 4
    assert "error telegram-no-code: nobody sent the code to @perpscope_lab_bot within 1 s" in err
