"""What a run is over: one instrument's market, cleaned, measured and hashed, whatever it was kept in.

In: a source of events (`gather` finds it). Out: a `Material`, which gives the same rows twice: as events for the event
path, and as a `Tape` for the compiled one.
"""

import enum
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import msgspec
import numpy as np

from perpscope.analytics.margin_tiers import TierTable
from perpscope.app.margin_tables import find_table
from perpscope.app.margin_tiers import Quality
from perpscope.engine.taping import tape_of
from perpscope.errors import DataError
from perpscope.model.instrument import Instrument
from perpscope.model.market import Interval, MarketEvent
from perpscope.model.order import DerivedEvent
from perpscope.trading.strategy import Needs
from perpscope.trading.tape import CANDLE, TRADE, Tape
from perpscope.trading.units import Units

Event: TypeAlias = MarketEvent | DerivedEvent
#: Prices looked at for how many are no whole ticks.
_LOOKED_AT: Final = 20_000


class Kind(enum.Enum):
    """What a material was kept as."""

    CANDLES = "candles"
    TRADES = "trades"
    BOOKS = "books"
    FRAMES = "frames"


class Source(Protocol):
    """Where a material's events come from; can be read again and again."""

    def events(self) -> Iterator[Event]:
        """Every event in the order it was received, with Ticks each second where trades or books are told."""
        ...


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """A time, and how much of it was seen."""

    from_ns: int  #: ns UTC
    to_ns: int
    coverage: float  #: fraction


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument's market over a time."""

    instrument: Instrument  #: with tick, step and smallest order
    tiers: TierTable
    kind: Kind
    offers: Needs
    source: Source
    tape: Tape  #: the same rows
    from_ns: int  #: ns UTC
    to_ns: int
    coverage: float  #: fraction of the time that was seen
    data: str  #: observed, demo or replay
    data_hash: str  #: sha256 of instrument and rows
    has_receipts: bool  #: the data tell when each row was received
    interval_ns: int  #: length of its candles; 0 = none come by themselves
    candles: Interval  #: what its candles are called in its events
    sources: list[str]  #: names of the files without folders, or "store"
    notes: list[str] = []  #: what was assumed, dropped and sorted

    def events(self) -> Iterator[Event]:
        """Its events, from the first on."""
        return self.source.events()

    @property
    def units(self) -> Units:
        """Ticks and steps of its contract."""
        return Units.of(self.instrument)


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What whoever found a source knows of it; see `Material`."""

    kind: Kind
    offers: Needs
    span: Span
    sources: list[str]
    notes: list[str]
    data: str = "observed"
    has_receipts: bool = False
    interval_ns: int = 0
    candles: Interval = Interval.M1


def made(source: Source, instrument: Instrument, facts: Facts, database: Path | None) -> Material:
    """A material of a source: its tape, margin tiers and hash.

    Args:
        source: its events.
        instrument: with tick, step and smallest order.
        facts: what is known of it.
        database: a store that may keep its margin tiers; None = none.

    Raises:
        DataError: it holds nothing ("backtest-empty"), or its contract cannot be traded in whole ticks and steps.
    """
    units = Units.of(instrument)
    tape = tape_of(source.events(), units, instrument.id, candles=facts.candles)
    if not _prices(tape).size:
        raise DataError("backtest-empty", "nothing is left of the data", hint="look at --from, --to and --symbol")
    table, tiers = find_table(instrument, None, database)
    dated = "" if table.quality is Quality.ASSUMED else f", {table.as_of}"
    return Material(
        instrument=instrument,
        tiers=tiers,
        kind=facts.kind,
        offers=facts.offers,
        source=source,
        tape=tape,
        from_ns=facts.span.from_ns,
        to_ns=facts.span.to_ns,
        coverage=facts.span.coverage,
        data=facts.data,
        data_hash=named(instrument, tape),
        has_receipts=facts.has_receipts,
        interval_ns=facts.interval_ns,
        candles=facts.candles,
        sources=facts.sources,
        notes=[*facts.notes, f"margin tiers: {table.source}{dated}", *_rounded(tape, float(units.tick))],
    )


def retold(material: Material, source: Source, notes: list[str]) -> Material:
    """The same material told by another source, with more to be said of it."""
    tape = tape_of(source.events(), material.units, material.instrument.id, candles=material.candles)
    return msgspec.structs.replace(
        material,
        source=source,
        tape=tape,
        data_hash=named(material.instrument, tape),
        notes=[*material.notes, *notes],
    )


def named(instrument: Instrument, tape: Tape) -> str:
    """sha256 of an instrument's name and its rows."""
    return hashlib.sha256(f"{instrument.id} {tape.sha256}".encode()).hexdigest()


def _prices(tape: Tape) -> np.typing.NDArray[np.float64]:
    """Some of its prices: closes, trades and marks, or best bids, quote per base."""
    tables = tape.tables
    told = [tables.candles[:, 3], tables.trades[:, 0], tables.marks[:, 0]]
    if not (tables.candles.size or tables.trades.size) and (tables.books.size or tables.levels.size):
        told.append(np.ones(1))
    return np.concatenate([column[:_LOOKED_AT] for column in told])


def _rounded(tape: Tape, tick: float) -> list[str]:
    """A note where prices are no whole ticks."""
    if not np.isin(tape.kind, (CANDLE, TRADE)).any():
        return []
    prices = np.concatenate([tape.tables.candles[:_LOOKED_AT, 3], tape.tables.trades[:_LOOKED_AT, 0]])
    off = float(np.mean(np.abs(prices / tick - np.rint(prices / tick)) > 1e-3))
    return (
        [f"{off:.0%} of the prices are no whole ticks of {tick:g}: orders are filled at whole ones"] if off > 0 else []
    )
