"""A trading journal as other processes see it: what was committed, without ever disturbing the trader."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Self, TypeVar

from perpscope.model.exchange import FundingReport
from perpscope.model.trade_status import TradeStatus
from perpscope.stores import journal_acts, journal_query
from perpscope.stores.journal_file import opened_to_read, telling
from perpscope.stores.journal_query import ALL
from perpscope.stores.journal_rows import JournalAct, JournalFill, JournalOrder, JournalRun, NumberedFill

T = TypeVar("T")


class JournalReader:
    """Reads a journal, for one thread at a time; where there is none yet, it finds nothing.

    Args:
        path: see `journal_rows.place`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None

    def statuses(self) -> list[TradeStatus]:
        """The last page of each run, newest first.

        Raises:
            StoreError: here and in what follows: the journal cannot be read or trusted.
        """
        return self._asked(journal_query.statuses, [])

    def runs(self, limit: int = ALL) -> list[JournalRun]:
        """Runs, newest first."""
        return self._asked(lambda connection: journal_query.runs(connection, limit), [])

    def orders(self, run: str, limit: int = ALL) -> list[JournalOrder]:
        """Orders of a run, the newest so many, oldest first."""
        return self._asked(lambda connection: journal_query.orders(connection, run, limit), [])

    def fills(self, run: str, limit: int = ALL) -> list[JournalFill]:
        """Fills of a run, the newest so many, in the order they became known."""
        return self._asked(lambda connection: journal_query.fills(connection, run, limit), [])

    def fills_after(self, number: int, limit: int = 200) -> list[NumberedFill]:
        """Fills of all runs after a place in the journal, in order, with what their orders were for."""
        return self._asked(lambda connection: journal_query.fills_after(connection, number, limit), [])

    def last_fill(self) -> int:
        """The place of the newest fill; 0 without any."""
        return self._asked(journal_query.last_fill, 0)

    def fundings(self, run: str, limit: int = ALL) -> list[FundingReport]:
        """Fundings of a run, the newest so many, in the order they became known."""
        return self._asked(lambda connection: journal_query.fundings(connection, run, limit), [])

    def acts(self, limit: int = ALL) -> list[JournalAct]:
        """Lines of the audit, newest first."""
        return self._asked(lambda connection: journal_acts.newest(connection, limit), [])

    def fault(self) -> str | None:
        """What is wrong with the journal, read from end to end; None = nothing."""
        return self._asked(journal_query.fault, None)

    def close(self) -> None:
        """Let go of the file. Harmless when repeated."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _asked(self, question: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        if self._connection is None:
            self._connection = opened_to_read(self.path)
        if self._connection is None:
            return nothing
        with telling(self.path):
            return question(self._connection)
