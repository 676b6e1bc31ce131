"""A material of a store: its closed candles of a minute, and all that it keeps beside them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import numpy as np

from perpscope.app.backtest.asking import Asked
from perpscope.app.backtest.bars import Bars
from perpscope.app.backtest.candle_material import candle_notes, span_of
from perpscope.app.backtest.contracts import specified
from perpscope.app.backtest.material import Facts, Kind, Material, made
from perpscope.app.backtest.settlements import settled
from perpscope.app.backtest.told import CandleSource
from perpscope.app.perpetuals import perpetuals
from perpscope.errors import ConfigError, DataError
from perpscope.model.instrument import Contract, Instrument
from perpscope.model.market import Candle, FundingPaid, Interval, Liquidation, MarkPrice, OpenInterest
from perpscope.stores.reader import SqliteReader
from perpscope.stores.status import StoreKind
from perpscope.trading.strategy import Needs

_EVERYTHING: Final = 2**40
_MINUTE: Final = 60_000_000_000
T = TypeVar("T", FundingPaid, MarkPrice, OpenInterest, Liquidation)


def of_store(path: Path, asked: Asked) -> Material:
    """The material of a store.

    Raises:
        DataError: there is no store, or no candle of the time asked for in it.
        ConfigError: nothing tells which of several instruments is meant.
        StoreError: it cannot be read.
    """
    with SqliteReader.open(path) as reader:
        source, told = _source(reader, _chosen(reader, asked), asked)
        kind = reader.kind
    bars = source.bars
    notes = [*told, *candle_notes(bars, len(bars.holes))]
    facts = Facts(
        kind=Kind.CANDLES,
        offers=Needs.CANDLES | Needs.MAP,
        span=span_of(bars, asked),
        sources=["store"],
        notes=[*notes, "DEMO DATA: no real market"] if kind is StoreKind.DEMO else notes,
        data=kind.value,
        interval_ns=_MINUTE,
    )
    return made(source, source.instrument, facts, path)


def _source(reader: SqliteReader, instrument: Instrument, asked: Asked) -> tuple[CandleSource, list[str]]:
    """Everything that is kept of an instrument, and where contract and funding are from."""
    bars = _bars(reader.candles(instrument.id, Interval.M1, asked.from_ns, _EVERYTHING)).between(None, asked.to_ns)
    if not len(bars):
        raise DataError(
            "backtest-empty",
            f"{reader.path.name} holds no closed candles of {instrument.id} of that time",
            hint="collect for a while, or bring the past in with perpscope backfill",
        )
    begin, end = int(bars.ts_open[0]), int(bars.ts_open[-1]) + _MINUTE
    marks = [mark for mark in reader.marks(instrument.id, begin, _EVERYTHING) if mark.ts_event <= end]
    whole, told = specified(instrument, [], bars.close[:5_000].tolist(), bars.volume[:5_000].tolist())
    fundings, how = _fundings(reader, whole, marks, begin, end)
    forced = reader.liquidations(whole.symbol, begin, _EVERYTHING)
    source = CandleSource(
        instrument=whole,
        bars=bars,
        fundings=_timely(fundings),
        marks=_timely(marks),
        open_interest=_timely(reader.open_interest(whole.venue, whole.symbol, begin, end, _EVERYTHING)),
        liquidations=_timely([one for one in forced if one.instrument == whole.id and one.ts_event <= end]),
    )
    return source, [told, how]


def _chosen(reader: SqliteReader, asked: Asked) -> Instrument:
    listed = [i for i in reader.instruments(asked.venue) if i.is_perpetual and i.contract is Contract.LINEAR]
    found = listed if asked.symbol is None else perpetuals(asked.symbol, listed, multiplied=False)
    with_candles = [i for i in found if reader.candles(i.id, Interval.M1, None, 1)]
    if len(with_candles) == 1:
        return with_candles[0]
    if not with_candles:
        what = f"of {asked.symbol!r}" if asked.symbol is not None else "of any instrument"
        raise DataError(
            "backtest-empty",
            f"{reader.path.name} holds no closed candles {what}",
            hint="collect for a while, or name files to run over",
        )
    names = ", ".join(i.id for i in with_candles[:8])
    raise ConfigError(
        "backtest-several",
        f"{reader.path.name} holds candles of several instruments: {names}",
        hint="choose one with --symbol and --venue",
    )


def _bars(candles: list[Candle]) -> Bars:
    def column(name: str) -> "np.typing.NDArray[np.float64]":
        return np.array([getattr(candle, name) for candle in candles], np.float64)

    return Bars(
        ts_open=np.array([candle.ts_open for candle in candles], np.int64),
        open=column("open"),
        high=column("high"),
        low=column("low"),
        close=column("close"),
        volume=column("volume"),
        taker_buy=column("taker_buy_volume"),
        interval_ns=_MINUTE,
    )


def _fundings(
    reader: SqliteReader, instrument: Instrument, marks: list[MarkPrice], begin: int, end: int
) -> tuple[list[FundingPaid], str]:
    """Payments as they were published, else as the mark prices told them before they were due."""
    told = reader.funding_rates(instrument.venue, instrument.symbol, begin, end, _EVERYTHING)
    due = list(settled(marks, instrument.id, instrument.funding_interval_h))
    if len(told) >= len(due):
        return sorted(told, key=lambda paid: paid.ts_event), f"funding: {len(told):,} payments as published"
    return due, f"funding: {len(due):,} payments at the rate and mark last told before each"


def _timely(events: Sequence[T]) -> list[T]:
    """In the order of receipt; what was asked for afterwards is taken as received when it happened."""
    told = [
        event if event.ts_recv - event.ts_event < _MINUTE else msgspec.structs.replace(event, ts_recv=event.ts_event)
        for event in events
    ]
    return sorted(told, key=lambda event: event.ts_recv)
