"""A face in a process of its own, as `perpscope serve` starts it, and a heart, as `perpscope demo --headless` does."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

_END_S = 15.0


@contextmanager
def face(database: Path, *words: str, **environment: str) -> Iterator[str]:
    """Its URL, once it serves; it is gone afterwards.

    Args:
        database: the store it serves.
        words: more of the command line.
        environment: variables beside this process's own.
    """
    with _serving(database.parent, ("--db", str(database), *words), environment) as url:
        yield url


@contextmanager
def replica(folder: Path, redis: str) -> Iterator[str]:
    """The URL of a face without a store, in an empty folder, that hears its heart by Redis."""
    with _serving(folder, (), {"PERPSCOPE_REDIS": redis}) as url:
        yield url


@contextmanager
def _serving(folder: Path, words: tuple[str, ...], environment: Mapping[str, str]) -> Iterator[str]:
    with subprocess.Popen(
        [sys.executable, "-m", "perpscope", "serve", "--port", "0", "--no-open", *words],
        cwd=folder,
        env={**inherited(folder), **environment},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url.startswith("http"), f"the face ended with {process.wait()}"
            yield url
        finally:
            ended(process, signal.SIGTERM)


class Heart:
    """A demo's heart that runs; `said` is the file of what it tells people."""

    def __init__(self, process: "subprocess.Popen[bytes]", said: Path) -> None:
        self.process = process
        self.said = said

    def end(self) -> int:
        """Ctrl-C; its exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(_END_S)


@contextmanager
def heart(database: Path, *words: str, **environment: str) -> Iterator[Heart]:
    """A demo's heart without a face, from its start on; it is gone afterwards. Arguments as for `face`."""
    said = database.with_suffix(".said")
    with (
        said.open("wb") as file,
        subprocess.Popen(
            [sys.executable, "-m", "perpscope", "demo", "--headless", "--db", str(database), *words],
            env={**inherited(database.parent), "PERPSCOPE_BACKFILL__DAYS": "0", **environment},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
        ) as process,
    ):
        try:
            yield Heart(process, said)
        finally:
            ended(process, signal.SIGINT)


def inherited(folder: Path) -> dict[str, str]:
    """Our environment without any settings, and another home."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PERPSCOPE_", "XDG_")) and k != "PORT"}
    return {**kept, "HOME": str(folder)}


def ended(process: "subprocess.Popen[str] | subprocess.Popen[bytes]", number: int) -> None:
    """Signal it and wait; it is killed if it does not heed."""
    process.send_signal(number)
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
