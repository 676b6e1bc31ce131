"""A material of tables: candles, with the funding rates and mark prices that were given, or lie, beside them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from perpscope.app.backtest import candle_files
from perpscope.app.backtest.asking import Asked
from perpscope.app.backtest.bars import Bars, Times, joined, ordered
from perpscope.app.backtest.candle_files import CandleFile, Holds
from perpscope.app.backtest.contracts import specified
from perpscope.app.backtest.material import Facts, Kind, Material, Span, made
from perpscope.app.backtest.told import CandleSource
from perpscope.errors import DataError
from perpscope.model.instrument import Instrument
from perpscope.model.market import FundingPaid, Interval
from perpscope.stores.reader import SqliteReader
from perpscope.trading.strategy import Needs

_MINUTE: Final = 60_000_000_000
#: A mark price is of the moment of a payment if its candle begins so close to it.
_SAME_NS: Final = _MINUTE


class Table(NamedTuple):
    """A file that holds a table, and whose it is."""

    path: Path
    instrument: Instrument
    notes: list[str]


def candles_of(tables: Sequence[Table], asked: Asked, database: Path | None, notes: list[str]) -> Material:
    """The material of an instrument's tables.

    Raises:
        DataError: one cannot be read, none holds candles, or none are left of the time asked for.
    """
    files = [candle_files.read(table.path) for table in tables]
    notes = [*notes, *dict.fromkeys(note for table in tables for note in table.notes)]
    bars, used, more = _bars([file for file in files if file.holds is Holds.CANDLES])
    notes += more
    holes = bars.holes
    bars = bars.between(asked.from_ns, asked.to_ns)
    if not len(bars):
        raise DataError("backtest-empty", "no candle is left of the time asked for", hint="look at --from and --to")
    instrument, told = specified(tables[0].instrument, stored_instruments(database), *_figures(bars))
    fundings, beside = _fundings(files, instrument, bars)
    source = CandleSource(instrument=instrument, bars=bars, fundings=fundings)
    notes += [told, *beside, *candle_notes(bars, len(holes))]
    facts = Facts(
        kind=Kind.CANDLES,
        offers=Needs.CANDLES | Needs.MAP,
        span=span_of(bars, asked),
        sources=[*used, *[file.path.name for file in files if file.holds is not Holds.CANDLES]],
        notes=notes,
        interval_ns=bars.interval_ns,
        candles=interval_called(bars.interval_ns),
    )
    return made(source, instrument, facts, database)


def interval_called(interval_ns: int) -> Interval:
    """What candles of a length are called in events: the longest the model knows that is not longer."""
    return next((i for i in (Interval.H1, Interval.M15) if i.ns <= interval_ns), Interval.M1)


def span_of(bars: Bars, asked: Asked) -> Span:
    """From the first open to the last close, or as far as was asked for beyond them, and the share that is there."""
    first, last = int(bars.ts_open[0]), int(bars.ts_open[-1]) + bars.interval_ns
    from_ns, to_ns = min(first, asked.from_ns or first), max(last, asked.to_ns or last)
    return Span(from_ns=from_ns, to_ns=to_ns, coverage=min(1.0, len(bars) * bars.interval_ns / (to_ns - from_ns)))


def candle_notes(bars: Bars, holes: int) -> list[str]:
    """What a person should know of them."""
    notes = ["prices within a candle are not known: the adverse extreme comes first, and there is no book"]
    if bars.interval_ns > _MINUTE:
        length = bars.interval_ns / _MINUTE
        notes.append(f"candles of {length:g} minutes: the strategy is asked at each of them, not each minute")
    if holes:
        notes.append(f"candles are missing in {holes:,} places: nothing is filled in")
    return notes


def stored_instruments(database: Path | None) -> list[Instrument]:
    """A store's catalogue; none without a store."""
    if database is None:
        return []
    with SqliteReader.open(database) as reader:
        return reader.instruments()


def _bars(files: list[CandleFile]) -> tuple[Bars, list[str], list[str]]:
    """The candles of the shortest interval, the files they are from, and what was done."""
    if not files:
        raise DataError(
            "backtest-file", "the data hold funding rates or mark prices, but no candles", hint="name the candles too"
        )
    notes: list[str] = []
    pieces: dict[int, list[tuple[str, Bars]]] = {}
    for file in files:
        bars, said = ordered(file.ts, file.columns, file.path.name)
        notes += said
        pieces.setdefault(bars.interval_ns, []).append((file.path.name, bars))
    shortest = min(pieces)
    for interval, others in pieces.items():
        if interval != shortest:
            names = ", ".join(name for name, _ in others)
            notes.append(f"{names}: candles of {interval / _MINUTE:g} min left aside, shorter ones are there")
    chosen = pieces[shortest]
    whole, said = joined([bars for _, bars in chosen], chosen[0][0])
    return whole, [name for name, _ in chosen], [*notes, *said]


def _figures(bars: Bars) -> tuple[list[float], list[float]]:
    """Some prices and sizes, for the steps of a contract nobody lists."""
    some = slice(0, 5_000)
    return np.concatenate([bars.open[some], bars.close[some]]).tolist(), bars.volume[some].tolist()


def _fundings(files: list[CandleFile], instrument: Instrument, bars: Bars) -> tuple[list[FundingPaid], list[str]]:
    """Payments within the candles, each at the mark of its moment where one is told."""
    rates = [file for file in files if file.holds is Holds.FUNDING]
    if not rates:
        return [], ["no funding rates are given: positions pay and receive none"]
    ts = np.concatenate([file.ts for file in rates])
    rate = np.concatenate([file.columns["rate"] for file in rates])
    ts, first = np.unique(ts, return_index=True)
    rate = rate[first]
    begin, end = int(bars.ts_open[0]), int(bars.ts_open[-1]) + bars.interval_ns
    inside = (ts > begin) & (ts <= end) & np.isfinite(rate)
    marks = _marks([file for file in files if file.holds is Holds.MARKS], ts)
    paid = [
        FundingPaid(instrument.id, at, at, told, mark if mark > 0.0 else None)
        for at, told, mark in zip(ts[inside].tolist(), rate[inside].tolist(), marks[inside].tolist(), strict=True)
    ]
    at_mark = sum(one.mark is not None for one in paid)
    others = f", {len(paid) - at_mark:,} of them at the last price" if at_mark < len(paid) else ""
    return paid, [f"funding: {len(paid):,} payments of {rates[0].path.name}{others}"]


def _marks(files: list[CandleFile], wanted: Times) -> np.typing.NDArray[np.float64]:
    """The mark price of each moment, quote per base; 0 where none is told."""
    found = np.zeros(wanted.size)
    for file in files:
        order = np.argsort(file.ts)
        ts, opened = file.ts[order], file.columns["open"][order]
        at = np.clip(np.searchsorted(ts, wanted + _SAME_NS) - 1, 0, ts.size - 1)
        is_close = np.abs(ts[at] - wanted) <= _SAME_NS
        found = np.where(is_close & np.isfinite(opened[at]), opened[at], found)
    return found
