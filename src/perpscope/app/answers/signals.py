"""Signals of strategies and models, page by page, newest first.

In: a store and what is wanted of it. Out: `SignalTold`s, as the API, the command line and push connections tell them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from perpscope.app.answers.known import meant
from perpscope.app.status import market_now
from perpscope.errors import ConfigError
from perpscope.model.instrument import Instrument
from perpscope.model.order import Signal
from perpscope.settings import Settings
from perpscope.stores.pages import Position
from perpscope.stores.reader import SqliteReader
from perpscope.stores.signals import FLAT, Kind, SignalsWanted, read_signals, strategies_told
from perpscope.stores.status import StoreKind

_MS_NS: Final = 1_000_000


class SignalTold(msgspec.Struct, frozen=True, kw_only=True):
    """One opinion of one strategy or model: no order. null = it does not say."""

    at_ms: int  #: close of the candle, or the second, it is of; market time
    received_ms: int  #: when it was thought
    strategy: str  #: "forecast" = a model's own word
    instrument: str
    venue: str
    coin: str
    side: str  #: LONG, SHORT or FLAT; of a near miss the side that was looked at
    p_up: float | None  #: calibrated probability of a net gain held long
    p_down: float | None  #: of one held short
    edge: str | None  #: of a model: none (it has not shown any) or promoted
    edge_bps: float | None  #: expected net return of the better side, basis points
    confidence: float | None  #: in [0, 1]
    why: str
    failed: list[str]  #: entry rules that were not met
    is_near_miss: bool  #: exactly one entry rule was not met: nothing was wished
    refusal: str  #: why risk did not let it pass; empty = it did, or nothing was wished
    values: dict[str, float]  #: what the rules looked at, by name


class SignalsAsked(msgspec.Struct, frozen=True, kw_only=True):
    """Which signals, as people ask."""

    name: str | None = None  #: coin, symbol or id; None = all
    strategy: str | None = None
    side: str | None = None  #: LONG, SHORT or FLAT
    kind: Kind = "all"
    from_ms: int | None = None
    to_ms: int | None = None  #: not included; None = up to the newest


class SignalsPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of them, and where the next begin."""

    data: StoreKind
    at_ms: int  #: market time
    signals: list[SignalTold]
    strategies: list[str]  #: that have any signal here
    after: Position | None  #: None = these were the last


def read_page(
    path: Path, settings: Settings, asked: SignalsAsked, limit: int, after: Position | None = None
) -> SignalsPage:
    """The newest signals that are wanted, newest first.

    Args:
        path: the store.
        settings: what is collected.
        asked: which.
        limit: rows at most, above 0.
        after: where the page before ended.

    Raises:
        ConfigError: nobody knows the name, or the time ends before it begins.
        DataError: there is no such store.
        StoreError: it cannot be read.
    """
    with SqliteReader.open(path) as reader:
        kind = reader.kind
        now = market_now(reader.heart(), kind)
        instruments = reader.instruments()
    rows = read_signals(path, _wanted(instruments, settings, asked), limit + 1, after)
    coins = {instrument.id: instrument.asset for instrument in instruments}
    return SignalsPage(
        data=kind,
        at_ms=now // _MS_NS,
        signals=[told(row.signal, row.venue, coins.get(row.signal.instrument)) for row in rows[:limit]],
        strategies=strategies_told(path),
        after=rows[limit - 1].position if len(rows) > limit else None,
    )


def told(signal: Signal, venue: str, coin: str | None) -> SignalTold:
    """A signal as it is told; without a known coin, its instrument's base."""
    return SignalTold(
        at_ms=signal.ts_event // _MS_NS,
        received_ms=signal.ts_recv // _MS_NS,
        strategy=signal.strategy,
        instrument=signal.instrument,
        venue=venue,
        coin=coin or signal.instrument.partition("-")[0],
        side=FLAT if signal.side is None else signal.side.value,
        p_up=signal.p_up,
        p_down=signal.p_down,
        edge=None if signal.edge is None else signal.edge.value,
        edge_bps=signal.edge_bps,
        confidence=signal.confidence,
        why=signal.why,
        failed=list(signal.failed),
        is_near_miss=len(signal.failed) == 1,
        refusal=signal.refusal,
        values={name: value for name, value in signal.values.items() if value - value == 0.0},
    )


def _wanted(instruments: Sequence[Instrument], settings: Settings, asked: SignalsAsked) -> SignalsWanted:
    names = None if asked.name is None else [(i.symbol, i.id) for i in meant(instruments, settings, asked.name)]
    start, end = asked.from_ms or 0, asked.to_ms
    if end is not None and end <= start:
        raise ConfigError("option-value", f"the time asked about ends at {end} ms, before it begins at {start} ms")
    return SignalsWanted(
        names=names,
        strategy=asked.strategy,
        side=asked.side,
        kind=asked.kind,
        from_ns=start * _MS_NS,
        to_ns=2**62 if end is None else end * _MS_NS,
    )
