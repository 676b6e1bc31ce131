"""Keeping a store in order: what is old goes, by command or daily by itself; room, structure, and rows for others.

All of it runs in the store's market time: a demo or a replay that has stopped does not grow old.
"""

import re
from concurrent.futures import Future
from pathlib import Path

import msgspec
import structlog

from perpscope.app.status import market_now
from perpscope.errors import ConfigError, StoreError
from perpscope.stores import handover
from perpscope.stores.access import StoreLock, open_for_reading, owning, trusting
from perpscope.stores.export import iso_of
from perpscope.stores.footprint import Footprint, measure
from perpscope.stores.handover import Answer, Request
from perpscope.stores.reader import SqliteReader
from perpscope.stores.retention import Swept, count_older, sweep
from perpscope.stores.sqlite import SqliteStore

DAY_NS = 86_400_000_000_000
_UNITS_NS = {"h": DAY_NS // 24, "d": DAY_NS, "w": 7 * DAY_NS}

_log = structlog.get_logger()


class Cleanup(msgspec.Struct, frozen=True):
    """What `perpscope cleanup --json` prints."""

    older_than: str  #: the instant, ISO 8601 UTC; what happened then or later stays
    dry_run: bool
    rows: dict[str, int]  #: per table, deleted or, if `dry_run`, to be deleted
    total: int
    coverage_cut: int  #: intervals that reached over the instant and begin there now
    by_collector: bool  #: done by the process that writes the store


def duration_ns(text: str) -> int:
    """Read a duration: hours, days or weeks.

    Raises:
        ConfigError: it is something else, or nothing.

    >>> duration_ns("12h"), duration_ns("30d"), duration_ns("2w") == 14 * DAY_NS
    (43200000000000, 2592000000000000, True)
    """
    match = re.fullmatch(r"([1-9]\d{0,4})([hdw])", text.strip().lower(), re.ASCII)
    if match is None:
        raise ConfigError(
            "option-value",
            f"--older-than {text!r} must be a number of hours, days or weeks",
            hint="e.g. 30d, 12h or 2w",
        )
    return int(match[1]) * _UNITS_NS[match[2]]


def now_of(path: Path) -> int:
    """Market time of a store, ns UTC.

    Raises:
        DataError: there is none.
        StoreError: it cannot be read.
    """
    with SqliteReader.open(path) as reader:
        return market_now(reader.heart(), reader.kind)


def preview(path: Path, age_ns: int) -> Cleanup:
    """Count what a cleanup would take out."""
    cutoff_ns = now_of(path) - age_ns
    connection = open_for_reading(path)
    try:
        with trusting(path):
            return _report(cutoff_ns, count_older(connection, cutoff_ns), dry_run=True)
    finally:
        connection.close()


def cleanup(path: Path, age_ns: int) -> Cleanup:
    """Take out what is older; where a collector writes the store, it does so.

    Raises:
        DataError: there is no such store.
        StoreError: it cannot be written; "store-locked" if whoever writes it does not answer. What was already taken
            out stays out.
    """
    cutoff_ns = now_of(path) - age_ns
    try:
        with owning(path) as connection:
            *_, swept = sweep(connection, cutoff_ns)
            return _report(cutoff_ns, swept)
    except StoreError as error:
        if error.code != "store-locked":
            raise
        answer = handover.hand_over(path, cutoff_ns, is_owned=lambda: _is_owned(path))
        if answer is None:
            raise
    if answer.swept is None:
        raise StoreError(
            "cleanup-failed", f"{path}: the collector could not clean up: {answer.error}", hint="try again"
        )
    return _report(cutoff_ns, answer.swept, by_collector=True)


def footprint(path: Path) -> Footprint:
    """Measure a store; see `stores.footprint.measure`."""
    return measure(path, now_of(path))


def _report(cutoff_ns: int, swept: Swept, *, dry_run: bool = False, by_collector: bool = False) -> Cleanup:
    return Cleanup(iso_of(cutoff_ns), dry_run, dict(swept.rows), swept.total, swept.cut, by_collector)


def _is_owned(path: Path) -> bool:
    try:
        StoreLock(path).release()
    except StoreError:
        return True
    return False


class Upkeep:
    """The heart's share: cleanup once a market day, and when another process asks. One for each open store.

    Args:
        store: opened for writing; its writer thread does the work.
        days: rows older than so many days go; 0 = none.
    """

    def __init__(self, store: SqliteStore, days: int) -> None:
        self._store = store
        self._days = days
        self._last_day: int | None = None
        self._doing: Future[Swept | None] | None = None
        self._asked: Request | None = None

    def tick(self, now_ns: int) -> None:
        """Look whether there is anything to do, or done; at each Tick. Never waits."""
        if self._doing is not None:
            if not self._doing.done():
                return
            self._finish(self._doing)
        request = handover.take(self._store.path)
        day = now_ns // DAY_NS
        if request is not None:
            self._begin(request.cutoff_ns, request)
        elif self._days and day != self._last_day:
            self._last_day = day
            self._begin(now_ns - self._days * DAY_NS, None)

    def _begin(self, cutoff_ns: int, request: Request | None) -> None:
        self._asked = request
        self._doing = self._store.ask(lambda connection: sweep(connection, cutoff_ns))

    def _finish(self, doing: "Future[Swept | None]") -> None:
        request, self._doing, self._asked = self._asked, None, None
        error = doing.exception()
        swept = None if error is not None else doing.result()
        if error is not None:
            _log.warning("cleanup failed", error=str(error))
        elif swept is not None and swept.total:
            _log.info("cleaned up", rows=swept.total, **swept.rows)
        if request is not None:
            handover.tell(self._store.path, Answer(request.id, swept, None if error is None else str(error)))
