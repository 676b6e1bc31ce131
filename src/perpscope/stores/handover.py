"""A cleanup asked for by one process is done by another, the one that writes the store.

The asker lays a request beside the store, the writer's process takes it at a Tick and lays the answer there. Both are
files that appear whole; a request nobody takes is withdrawn.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from perpscope.stores.retention import Swept
from perpscope.stores.whole import replace_file

T = TypeVar("T", bound=msgspec.Struct)

TAKEN_WITHIN_S = 10.0  #: a heart looks at every Tick, each second
_LOOK_EVERY_S = 0.02


class Request(msgspec.Struct, frozen=True):
    """What is asked for."""

    id: str
    cutoff_ns: int  #: ns UTC


class Answer(msgspec.Struct, frozen=True):
    """What became of it."""

    id: str
    swept: Swept | None
    error: str | None


def hand_over(
    store: Path, cutoff_ns: int, *, is_owned: Callable[[], bool], taken_within_s: float = TAKEN_WITHIN_S
) -> Answer | None:
    """Have the store's owner take out what is older, and wait for the answer. Blocks.

    Args:
        store: the file.
        cutoff_ns: ns UTC.
        is_owned: whether somebody still writes the store.
        taken_within_s: real seconds the owner has to take the request.

    Returns:
        None if nobody took it, or the owner went away.
    """
    request = Request(f"{os.getpid()}-{time.monotonic_ns()}", cutoff_ns)
    asked, told = _paths(store)
    replace_file(asked, msgspec.json.encode(request), is_synced=False)
    until = time.monotonic() + taken_within_s
    try:
        while asked.exists() and time.monotonic() < until:
            time.sleep(_LOOK_EVERY_S)
        if asked.exists():
            return None
        while True:
            is_alive = is_owned()  # before looking: an answer may be the owner's last word
            answer = _read(told, Answer)
            if answer is not None and answer.id == request.id:
                told.unlink(missing_ok=True)
                return answer
            if not is_alive:
                return None
            time.sleep(_LOOK_EVERY_S)
    finally:
        asked.unlink(missing_ok=True)


def take(store: Path) -> Request | None:
    """A request that lies beside the store, taken; None if there is none. For the store's owner."""
    asked, _ = _paths(store)
    if not asked.exists():
        return None
    request = _read(asked, Request)
    asked.unlink(missing_ok=True)
    return request


def tell(store: Path, answer: Answer) -> None:
    """Lay an answer beside the store."""
    _, told = _paths(store)
    replace_file(told, msgspec.json.encode(answer), is_synced=False)


def _paths(store: Path) -> tuple[Path, Path]:
    return store.with_name(store.name + ".cleanup"), store.with_name(store.name + ".cleaned")


def _read(path: Path, record: type[T]) -> T | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=record)
    except (OSError, msgspec.MsgspecError):
        return None
