"""Upkeep done by the writer thread between two batches, so that a store never has two writers.

A chore is a function that takes the connection and returns an iterator; each of its steps is one transaction. Rows
wait for one step at most. A chore that fails is told to whoever asked for it, and the writer goes on.
"""

import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")
Chore: TypeAlias = Callable[[sqlite3.Connection], Iterator[T]]


class _Asked(Generic[T]):
    """One chore on its way; the answer is what its last step yielded."""

    def __init__(self, chore: Chore[T]) -> None:
        self.answer: Future[T | None] = Future()
        self._chore = chore
        self._steps: Iterator[T] | None = None
        self._last: T | None = None

    def step(self, connection: sqlite3.Connection) -> bool:
        """Do one step; False when there is none left."""
        try:
            if self._steps is None:
                self._steps = self._chore(connection)
            self._last = next(self._steps)
        except StopIteration:
            self.answer.set_result(self._last)
            return False
        except Exception as error:
            if connection.in_transaction:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            self.answer.set_exception(error)
            return False
        return True


class Chores:
    """Chores in the order they were asked for. `ask` is called from any thread, the rest by the writer."""

    def __init__(self) -> None:
        self._asked: deque[_Asked[object]] = deque()

    def __bool__(self) -> bool:
        return bool(self._asked)

    def ask(self, chore: Chore[T]) -> "Future[T | None]":
        """Put a chore at the end; the answer is what its last step yields."""
        asked = _Asked(chore)
        self._asked.append(asked)  # type: ignore[arg-type]  # whoever asked knows its type again
        return asked.answer

    def step(self, connection: sqlite3.Connection) -> None:
        """Do one step of the first chore, if there is any."""
        if self._asked and not self._asked[0].step(connection):
            self._asked.popleft()

    def give_up(self) -> None:
        """Tell everyone who waits that nothing more will be done."""
        while self._asked:
            self._asked.popleft().answer.cancel()
