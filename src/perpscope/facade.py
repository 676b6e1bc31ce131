"""What `perpscope.open` gives to a Python program or a notebook: a store to read, analyse, clean up and back up.

Synchronous and typed; each call reads what is committed, beside whoever collects. What a call needs is imported when
it is made, so that `import perpscope` costs nothing.
"""
# ruff: noqa: PLC0415 -- imports wait until they are needed: that is what this module is for

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

from perpscope.app import places
from perpscope.config import load
from perpscope.model.market import Liquidation
from perpscope.stores.reader import SqliteReader

if TYPE_CHECKING:
    from perpscope.app.backups import Backup
    from perpscope.app.coverage import CoverageReport
    from perpscope.app.liqmap.answer import HeatAnswer, MapAnswer
    from perpscope.app.sentiment.reading import Answer as Sentiment
    from perpscope.app.status import Status
    from perpscope.app.totals.reading import TotalsReport
    from perpscope.reports.report import Report

_HOUR_NS = 3_600_000_000_000


class Perpscope:
    """One store. Use it in a `with`, or close it; from one thread at a time."""

    def __init__(self, path: Path, reader: SqliteReader) -> None:
        self.path = path
        self._reader: SqliteReader | None = reader

    @classmethod
    def open(cls, path: str | os.PathLike[str] | None = None) -> Self:
        """Open a store.

        Args:
            path: the file; None = the one the commands use: the setting `database.path`, else
                `./data/liquidations.db` where it exists, else the user's data folder.

        Raises:
            DataError: there is no such store ("store-missing").
            StoreError: it cannot be trusted or read.
            ConfigError: a setting is wrong.
        """
        if path is None:
            found, _ = places.database(load().settings.database.path)
        else:
            found = Path(path).expanduser()
        return cls(found, SqliteReader.open(found))

    def close(self) -> None:
        """Let go of the file. Harmless when repeated."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def liquidations(self, symbol: str | None = None, hours: float = 48, limit: int = 1000) -> list[Liquidation]:
        """The newest liquidations, oldest first.

        Args:
            symbol: the venue's own, e.g. "BTCUSDT"; None = all.
            hours: of market time before now, above 0.
            limit: rows at most.

        Raises:
            ValueError: `hours` or `limit` is not above 0, or this is closed.
            StoreError: the store cannot be read.
        """
        if not (hours > 0 and limit > 0):
            raise ValueError(f"hours and limit must be above 0, were {hours} and {limit}")
        from perpscope.app.status import market_now

        reader = self._opened()
        now_ns = market_now(reader.heart(), reader.kind)
        return reader.liquidations(symbol, max(0, now_ns - round(hours * _HOUR_NS)), limit)

    def status(self) -> "Status":
        """Feeds, counts and the file, as `perpscope status` shows them.

        Raises:
            ConfigError: a setting is wrong.
            StoreError: the store cannot be read.
        """
        from perpscope.app.status import read_status

        self._opened()
        return read_status(self.path, load().settings)

    def coverage(
        self,
        venue: str | None = None,
        channel: str | None = None,
        symbol: str | None = None,
        hours: float = 24,
        *,
        limit: int = 10_000,
    ) -> "CoverageReport":
        """What was seen of each stream, what was missed, and what of that was filled, as `perpscope coverage` has it.

        Args:
            venue: one venue's, e.g. "binance"; None = all.
            channel: one channel's, e.g. "liquidations"; None = all.
            symbol: coin, symbol or id; None = all.
            hours: of market time before now, above 0.
            limit: intervals at most, the newest.

        Raises:
            ConfigError: no such channel, or a number is not above 0.
            StoreError: the store cannot be read.
        """
        from perpscope.app.coverage import read_coverage

        self._opened()
        return read_coverage(self.path, venue=venue, channel=channel, symbol=symbol, hours=hours, limit=limit)

    def analyze(
        self,
        symbol: str | None = None,
        hours: float = 24,
        *,
        out: str | os.PathLike[str] | None = None,
        wanted: Sequence[str] = ("all",),
    ) -> "Report":
        """The comprehensive report of one symbol; and, with `out`, charts and reports as files.

        Args:
            symbol: in any spelling the store knows; None = the one with most liquidations.
            hours: length of the window, above 0; cut to the data.
            out: folder for files; None = none are written.
            wanted: "trends", "intensity", "distribution", "report" or "all".

        Raises:
            ConfigError: `hours` is not above 0, or nothing of this symbol is stored.
            DataError: there is nothing in the window.
            StoreError: the store cannot be read, or the folder not be written.
        """
        from perpscope.app import analyze

        self._opened()
        if out is None:
            return analyze.read_report(self.path, symbol=symbol, hours=hours)
        _, report = analyze.analyze(self.path, wanted=wanted, symbol=symbol, hours=hours, out=Path(out))
        return report

    def totals(self, symbol: str | None = None, hours: float = 24, *, last: int = 0) -> "TotalsReport":
        """What was liquidated, observed beside estimated with its interval and coverage, as `perpscope tape` has it.

        Args:
            symbol: coin (all its instruments), symbol or id; None = everything.
            hours: length of the window, above 0; cut to the data.
            last: how many of the newest liquidations to list, 0 or more.

        Raises:
            ConfigError: a number makes no sense, or nothing of this symbol is stored.
            DataError: nothing is stored.
            StoreError: the store cannot be read.
        """
        from perpscope.app.totals.reading import read_totals

        self._opened()
        return read_totals(self.path, symbol=symbol, hours=hours, last=last)

    def liquidation_map(
        self,
        symbol: str,
        profile: str = "calibrated",
        *,
        lookback_hours: float = 72,
        horizon_minutes: float = 60,
        width: float | None = None,
        prices: Sequence[float] = (),
    ) -> "MapAnswer":
        """Where open positions would be closed by force, an estimate in dollars by price, as `perpscope map` has it.

        Args:
            symbol: coin (all venues together), symbol or id.
            profile: leverage that is assumed; docs/map.md lists them.
            lookback_hours: positions are followed from so long ago, 1 or more.
            horizon_minutes: the blend with distance is for so long ahead; 0 = the map alone.
            width: of a bin, quote units; None = by the price.
            prices: what if the price goes there; none = 3 % down and up.

        Raises:
            ConfigError: an argument makes no sense, or the store knows no such perpetual.
            DataError: too little is stored for a map ("map-too-little").
            StoreError: the store cannot be read.
        """
        from perpscope.app.liqmap.parts import Question
        from perpscope.app.liqmap.reading import read_map

        self._opened()
        question = Question(
            name=symbol,
            profile=profile,
            lookback_h=lookback_hours,
            horizon_min=horizon_minutes,
            width=width,
            prices=tuple(prices),
            moves=() if prices else (-0.03, 0.03),
        )
        return read_map(self.path, question)

    def heatmap(
        self,
        symbol: str,
        hours: float = 24,
        every_minutes: float = 15,
        *,
        profile: str = "calibrated",
        lookback_hours: float = 72,
        width: float | None = None,
    ) -> "HeatAnswer":
        """The liquidation map as it was over the last hours, time by price, as `perpscope heatmap` has it.

        `perpscope.app.liqmap.answer.cells` gives its arrays: `time_ms`, `edges`, `usd`.

        Args:
            symbol: coin (all venues together), symbol or id.
            hours: that are shown, above 0.
            every_minutes: between columns, 5 or more.
            profile: leverage that is assumed.
            lookback_hours: positions are followed from so long before now, 1 or more.
            width: of a bin, quote units; None = by the price.

        Raises:
            As `liquidation_map`.
        """
        from perpscope.app.liqmap.parts import Question
        from perpscope.app.liqmap.reading import read_heatmap

        self._opened()
        question = Question(name=symbol, profile=profile, lookback_h=lookback_hours, width=width)
        return read_heatmap(self.path, question, hours=hours, every_min=every_minutes)

    def sentiment(self, symbol: str, *, events: bool = False) -> "Sentiment":
        """How the market is positioned, 0–100, with its parts and the risk score, as `perpscope sentiment` has it.

        Args:
            symbol: coin (all venues together), symbol or id.
            events: the cascades of the last 24 h, too.

        Raises:
            ConfigError: the store knows no such perpetual.
            DataError: no mark price of it is stored.
            StoreError: the store cannot be read.
        """
        from perpscope.app.sentiment.reading import read_sentiment

        self._opened()
        return read_sentiment(self.path, symbol, events=events)

    def cleanup(self, days: int = 30) -> int:
        """Delete what is older than so many days of market time, from every table; the number of rows deleted.

        Where a collector writes the store, it does so.

        Raises:
            ValueError: `days` is not above 0, or this is closed.
            StoreError: the store cannot be written.
        """
        if days <= 0:
            raise ValueError(f"days must be above 0, was {days}")
        from perpscope.app import upkeep

        self._opened()
        return upkeep.cleanup(self.path, days * upkeep.DAY_NS).total

    def backup(self, to: str | os.PathLike[str] | None = None, *, keep: int | None = None) -> "Backup":
        """Back the store up while it may be written.

        Args:
            to: a folder that exists, or a file that does not; None = the user's own folder for backups.
            keep: let older backups of this store in that folder go, so that so many are left.

        Raises:
            DataError: the file exists.
            StoreError: it could not be made; nothing is left behind.
        """
        from perpscope.app import backups
        from perpscope.feeds.clock import wall_ns

        self._opened()
        return backups.backup(self.path, None if to is None else Path(to), keep=keep, now_ns=wall_ns())

    def _opened(self) -> SqliteReader:
        if self._reader is None:
            raise ValueError(f"{self.path} was closed")
        return self._reader
