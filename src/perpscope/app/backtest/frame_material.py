"""Materials of recordings: normalised rows of one instrument, and frames through the real decoders."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from perpscope.app.backtest.asking import Asked
from perpscope.app.backtest.candle_material import stored_instruments
from perpscope.app.backtest.contracts import specified
from perpscope.app.backtest.frames import FrameSource, Heard, stepped
from perpscope.app.backtest.material import Facts, Kind, Material, Source, Span, made
from perpscope.app.backtest.row_columns import Rows, read_rows
from perpscope.app.backtest.shared import Within
from perpscope.app.backtest.told import RowSource
from perpscope.app.replay_cast import Cast
from perpscope.errors import DataError
from perpscope.feeds.tape import Tape
from perpscope.model.instrument import Instrument
from perpscope.model.market import Candle, Trade
from perpscope.trading.strategy import Needs

_NEED: Final = {"trades": Needs.TRADES | Needs.CANDLES, "books": Needs.BOOK}
_MINUTE: Final = 60_000_000_000
#: Forms of recordings that do not tell when a frame was received.
_UNRECEIVED: Final = ("captures", "frames", "groups")


def rows_of(
    files: Sequence[tuple[Path, Tape]], instrument: Instrument, asked: Asked, database: Path | None, notes: list[str]
) -> Material:
    """The material of normalised rows.

    Raises:
        DataError: there are neither trades nor books, or none are left of the time asked for.
    """
    read = read_rows([tape for _, tape in files], instrument)
    notes = [*notes, *(note for rows in read for note in rows.notes)]
    found = [rows.between(asked.from_ns, asked.to_ns) for rows in read]
    found = [rows for rows in found if rows.ts.size]
    kinds = [rows.kind for rows in found]
    if "trades" not in kinds and "books" not in kinds:
        raise DataError(
            "backtest-empty",
            f"of {instrument.id} there are neither trades nor books{' in the time asked for' if read else ''}",
            hint="look at --from and --to, or name the files of trades or books too",
        )
    span, said = _span(found, asked)
    whole, told = specified(instrument, stored_instruments(database), *_row_figures(found))
    offers = Needs(0)
    for rows in found:
        offers |= _NEED.get(rows.kind, Needs(0))
    if "contexts" in kinds:
        notes.append(f"funding: every {whole.funding_interval_h or 8:g} h at the rate and mark last told before it")
    else:
        notes.append("no funding rates are given: positions pay and receive none")
    facts = Facts(
        kind=Kind.BOOKS if "books" in kinds else Kind.TRADES,
        offers=offers | (Needs.MAP if Needs.TRADES in offers else Needs(0)),
        span=span,
        sources=[path.name for path, _ in files],
        notes=[*notes, told, *said],
    )
    return made(RowSource(instrument=whole, rows=found), whole, facts, database)


def _span(found: Sequence[Rows], asked: Asked) -> tuple[Span, list[str]]:
    """From the first row to the last, and the least share of a kind that is looked at."""
    priced = [rows for rows in found if rows.kind != "contexts"]
    wanted = [rows for rows in priced if _NEED[rows.kind] & asked.needs] or priced
    begin = min(int(rows.ts[0]) for rows in priced)
    end = max(int(rows.ts[-1]) for rows in priced)
    begin, end = min(begin, asked.from_ns or begin), max(end, asked.to_ns or end)
    notes = []
    for rows in found:
        share, missed = rows.seen(begin, end), rows.missed(begin, end)
        if missed:
            longest = max(to - since for since, to in missed) / _MINUTE
            holes = "one hole of" if len(missed) == 1 else f"{len(missed):,} holes, the longest"
            notes.append(f"{rows.kind}: {share:.2%} of the time seen, {holes} {longest:,.1f} min")
    return Span(from_ns=begin, to_ns=end, coverage=min(rows.seen(begin, end) for rows in wanted)), notes


def _row_figures(found: Sequence[Rows]) -> tuple[list[float], list[float]]:
    """Some prices and sizes, for the steps of a contract nobody lists."""
    prices: list[float] = []
    sizes: list[float] = []
    for rows in found:
        some = rows.values[:5_000]
        if rows.kind == "trades":
            prices += some[:, 0].tolist()
            sizes += np.abs(some[:, 1]).tolist()
        elif rows.kind == "books":
            prices += some[:, 0, 0][np.isfinite(some[:, 0, 0])].tolist()
            sizes += some[:, 1, 0][np.isfinite(some[:, 1, 0])].tolist()
    return prices, sizes


def heard_in(casts: Sequence[Cast]) -> list[Instrument]:
    """Every perpetual that recordings tell of."""
    found: dict[str, Instrument] = {}
    for cast in casts:
        feed = cast.feed()
        for _ in stepped(feed.batches()):
            pass
        found.update({instrument.id: instrument for instrument in feed.instruments if instrument.is_perpetual})
    return [*found.values()]


def frames_of(
    casts: Sequence[Cast], instrument: Instrument, asked: Asked, database: Path | None, notes: list[str]
) -> Material:
    """The material of recorded frames.

    Raises:
        DataError: no price of the instrument is told in the time asked for.
    """
    casts = [msgspec.structs.replace(cast, only=frozenset({instrument.id})) for cast in casts]
    casts = sorted(casts, key=lambda cast: next((record.ts_recv for record in cast.tape.records()), 0))
    heard = Heard()
    prices: list[float] = []
    sizes: list[float] = []
    for event in FrameSource(instrument=instrument, casts=casts).judged(heard):
        if isinstance(event, Trade) and len(prices) < 5_000:
            prices.append(event.price)
            sizes.append(event.size)
    if not heard.offers:
        raise DataError(
            "backtest-empty", f"the frames tell no price of {instrument.id}", hint="choose another with --symbol"
        )
    whole, told = specified(instrument, stored_instruments(database), prices, sizes)
    source: Source = FrameSource(instrument=whole, casts=casts)
    from_ns, to_ns = heard.ts_first, heard.ts_last
    if asked.from_ns is not None or asked.to_ns is not None:
        source = Within(source, asked.from_ns or 0, (asked.to_ns or to_ns) + 1)
        from_ns, to_ns = max(from_ns, asked.from_ns or 0), min(to_ns, asked.to_ns or to_ns)
    if heard.rejected:
        notes = [*notes, f"{heard.rejected:,} of {heard.frames:,} frames were not the venue's, left out"]
    if torn := [cast.tape.path.name for cast in casts if cast.tape.torn]:
        notes = [*notes, f"{', '.join(torn)} breaks off in the middle: what was whole is taken"]
    facts = Facts(
        kind=Kind.FRAMES,
        offers=heard.offers | Needs.MAP,
        span=Span(from_ns=from_ns, to_ns=to_ns, coverage=heard.coverage(asked.needs)),
        sources=[cast.tape.path.name for cast in casts],
        notes=[*notes, told],
        data=casts[0].tape.data,
        has_receipts=all(cast.tape.form not in _UNRECEIVED for cast in casts),
        interval_ns=_MINUTE if heard.counts.get(Candle) else 0,
    )
    return made(source, whole, facts, database)
