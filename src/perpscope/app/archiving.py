"""The heart's archive: raw events and coverage to Parquet as they come, and the same folder opened for other commands.

Without `archive.folder` nothing of this is imported or done. Whatever happens to the archive, the heart goes on: its
trouble is told, and what was not kept is a hole in the archive's own coverage.
"""

import asyncio
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from perpscope.engine.state import MarketState
from perpscope.errors import ConfigError, StoreError
from perpscope.model.market import BookSnapshot, InstrumentEvent, MarketEvent
from perpscope.model.order import Arrival
from perpscope.settings import Archive
from perpscope.stores.status import StoreKind, Trouble

if TYPE_CHECKING:
    from perpscope.stores.archive.parquet import ParquetArchive

DAY_NS: Final = 86_400_000_000_000
_INSTALL = 'pip install "perpscope[archive]"'
_log = structlog.get_logger()


class Archiving:
    """An archive beside the store, or none. A `Sink` besides.

    Args:
        settings: `[archive]`.
        kind: of the data.
        announce: told what a person should know, one line at a time.

    Raises:
        ConfigError: pyarrow is not installed.
        StoreError: the folder cannot be used.
    """

    def __init__(self, settings: Archive, kind: StoreKind, announce: Callable[[str], None] = lambda _: None) -> None:
        self._announce = announce
        self._trouble: Trouble | None = None
        self._told = 0
        self._dropped = 0
        self._day: int | None = None
        self._archive: ParquetArchive | None = None
        if settings.folder:
            require()
            from perpscope.stores.archive import parquet  # noqa: PLC0415 -- pyarrow takes 0.2 s to import
            from perpscope.stores.archive.upkeep import Keep  # noqa: PLC0415 -- beside it

            folder = Path(settings.folder).expanduser()
            keep = Keep(settings.days, round(settings.quota_gb * 1e9))
            self._archive = parquet.ParquetArchive.open(
                folder, kind=kind, file_s=settings.file_s, books=settings.books, keep=keep
            )
            announce(f"keeping ticks in {folder}")

    def take(self, batch: Sequence[Arrival]) -> None:
        """Take what the feeds decoded."""
        if self._archive is not None:
            self._archive.take(batch)

    def take_past(self, events: Sequence[InstrumentEvent]) -> None:
        """Take what was asked for afterwards; the `Covered` that vouches for it comes after it."""
        if self._archive is not None:
            self._archive.take_past(events)

    def accept(self, event: MarketEvent) -> None:
        """Take one event of the engine's."""
        if self._archive is not None:
            self._archive.accept(event)

    def tick(self, now_ns: int, market: MarketState) -> None:
        """At each Tick: a day begins with the books as they stand, and trouble is told once."""
        if self._archive is None:
            return
        day = now_ns // DAY_NS
        if self._day is not None and day != self._day:
            self._archive.take_states(states(market, now_ns))
        self._day = day
        trouble = self._archive.trouble
        if (trouble is None) != (self._trouble is None):
            then = (
                "trying again" if trouble is not None and trouble.code == "archive-trouble" else "nothing more is kept"
            )
            self._announce("the archive takes rows again" if trouble is None else f"archive: {trouble.what}; {then}")
        self._trouble = trouble
        if self._archive.dropped and not self._dropped:
            self._announce("archive: it cannot keep up, and ticks are dropped; its coverage has the hole")
        self._dropped = self._archive.dropped
        for finding in self._archive.findings[self._told :]:
            _log.warning("archive put right", what=finding)
        self._told = len(self._archive.findings)

    async def aclose(self) -> None:
        """Write what is left; a failure is told, not raised."""
        if self._archive is not None:
            try:
                await asyncio.to_thread(self._archive.close)
            except StoreError as error:
                self._announce(f"{error.code}: {error.message}")


def states(market: MarketState, now_ns: int) -> list[BookSnapshot]:
    """Every book that is known whole, at the time of its last change but not before the UTC day that has begun."""
    midnight = now_ns // DAY_NS * DAY_NS
    found = []
    for state in market:
        bids, asks, last_id = state.book.bids(), state.book.asks(), state.book.last_update_id
        if bids is not None and asks is not None and last_id is not None and state.book.is_whole:
            ts = max(state.book.ts_last, midnight)
            found.append(BookSnapshot(state.instrument, ts, ts, last_id, bids, asks, is_stream=True))
    return found


def require() -> None:
    """Refuse where pyarrow or DuckDB is not installed.

    Raises:
        ConfigError: the hint has the command.
    """
    for name in ("pyarrow", "duckdb"):
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise ConfigError(
                "extra-missing", f"the archive needs {name}, which is not installed", hint=_INSTALL
            ) from error


def folder_of(given: Path | None, settings: Archive) -> Path:
    """The archive a command is about.

    Raises:
        ConfigError: neither the command line nor the settings name one.
    """
    if given is None and not settings.folder:
        raise ConfigError(
            "option-value",
            "no archive is named",
            hint="--folder FOLDER, or archive.folder in the settings",
        )
    return given if given is not None else Path(settings.folder).expanduser()
