"""Ticks as Parquet: one folder, written by one process, read by anybody who trusts its manifest.

`<venue>/<channel>/<symbol>/<day>/<HHMMSS>-<writer>-<n>.parquet`, days by the venue's UTC time. The way in is the same
as the store's: events on the event loop, a bounded queue, a writer thread. Nothing here ever ends the heart: what
cannot be written is told in `trouble`, dropped by a stated rule, and a hole in the archive's own coverage.
"""

import uuid
from collections.abc import Sequence
from pathlib import Path

from perpscope.model.market import BookSnapshot, InstrumentEvent, MarketEvent
from perpscope.model.order import Arrival
from perpscope.stores.archive.intake import ArchiveIntake
from perpscope.stores.archive.manifest import Manifest
from perpscope.stores.archive.upkeep import Keep
from perpscope.stores.archive.writer import ArchiveWriter
from perpscope.stores.status import StoreKind, Trouble


class ParquetArchive:
    """An archive open for writing. A `Sink` besides."""

    def __init__(self, writer: ArchiveWriter) -> None:
        self._writer = writer
        self._intake = ArchiveIntake(writer)

    @classmethod
    def open(
        cls, folder: Path, *, kind: StoreKind, file_s: float = 300.0, books: bool = True, keep: Keep | None = None
    ) -> "ParquetArchive":
        """Take the folder for writing; what a crash left there is put right by the writer, in the background.

        Args:
            folder: made if it is not there.
            kind: what the data are; kinds are never mixed.
            file_s: market seconds of a stream in one file at most.
            books: keep order books too.
            keep: how long, and how much; None = all.

        Raises:
            StoreError: another process writes it, it is of another kind, or cannot be made or read.
        """
        manifest = Manifest.writing(folder, kind)
        return cls(ArchiveWriter(manifest, uuid.uuid4().hex[:8], file_s=file_s, books=books, keep=keep or Keep()))

    def take(self, batch: Sequence[Arrival]) -> None:
        """Take what the feeds decoded; see `ArchiveIntake.take`."""
        self._intake.take(batch)

    def take_past(self, events: Sequence[InstrumentEvent]) -> None:
        """Take what was asked for afterwards; the `Covered` that vouches for it comes after it."""
        self._intake.take_past(events)

    def take_states(self, books: Sequence[BookSnapshot]) -> None:
        """Take books as the engine keeps them, at the beginning of a UTC day."""
        self._intake.take_states(books)

    def accept(self, event: MarketEvent) -> None:
        """Take one event of the engine's."""
        self._intake.accept(event)

    @property
    def trouble(self) -> Trouble | None:
        """Why nothing is written at the moment; None while all is well."""
        return self._writer.trouble

    @property
    def dropped(self) -> int:
        """Events lost because the writer was behind."""
        return self._intake.dropped

    @property
    def waiting(self) -> int:
        """Events that the writer has not looked at yet."""
        return self._writer.waiting

    @property
    def rows(self) -> int:
        """Rows in files since the start."""
        return self._writer.rows

    @property
    def findings(self) -> list[str]:
        """What a crash or the disk had left behind, and what was done about it."""
        return self._writer.findings

    def close(self) -> None:
        """Write what is left.

        Raises:
            StoreError: it could not be written; the missing time is a gap of the archive's coverage.
        """
        self._intake.finish()
        self._writer.close()
