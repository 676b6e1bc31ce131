"""Signals as rows, and read back page by page, newest first."""

import contextlib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import PositionSide
from perpscope.model.order import Edge, Signal
from perpscope.stores.access import open_for_reading, trusting
from perpscope.stores.pages import Position
from perpscope.stores.rows import Row, never_written, text_of

#: Every opinion; those that wish something, or would rather hold nothing; entries that failed in one rule alone.
Kind = Literal["all", "signals", "near-misses"]
FLAT: Final = "FLAT"

INSERT_SIGNAL: Final = """
INSERT INTO signals (venue, symbol, instrument, timestamp, strategy, side, p_up, p_down, edge, edge_bps, confidence,
    why, failed, refusal, "values", ts_event, ts_recv)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (venue, symbol, ts_event, strategy, instrument) DO NOTHING
"""
_KINDS: Final = {"all": "1", "signals": "failed = '[]'", "near-misses": "json_array_length(failed) = 1"}
_encode = msgspec.json.Encoder(order="sorted").encode
_names = msgspec.json.Decoder(tuple[str, ...]).decode
_values = msgspec.json.Decoder(dict[str, float]).decode


class SignalsWanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which signals."""

    names: Sequence[tuple[str, str]] | None = None  #: symbol and id of each instrument; None = all
    strategy: str | None = None
    side: str | None = None  #: LONG, SHORT or FLAT
    kind: Kind = "all"
    from_ns: int = 0
    to_ns: int = 2**62  #: not included


class SignalRow(msgspec.Struct, frozen=True):
    """A signal, and where it stands."""

    position: Position
    venue: str
    symbol: str
    signal: Signal


def signal_row(signal: Signal, venue: str, symbol: str) -> Row:
    """Row of `signals`."""
    finite = {name: value for name, value in signal.values.items() if value - value == 0.0}
    return (
        venue,
        symbol,
        signal.instrument,
        text_of(signal.ts_event),
        signal.strategy,
        FLAT if signal.side is None else signal.side.value,
        signal.p_up,
        signal.p_down,
        None if signal.edge is None else signal.edge.value,
        signal.edge_bps,
        signal.confidence,
        signal.why,
        _encode(signal.failed).decode(),
        signal.refusal,
        _encode(finite).decode(),
        signal.ts_event,
        signal.ts_recv,
    )


def read_signals(path: Path, wanted: SignalsWanted, limit: int, after: Position | None = None) -> list[SignalRow]:
    """The newest signals before a position, newest first.

    Args:
        path: the store.
        wanted: which.
        limit: rows at most.
        after: where the page before ended; None = begin with the newest.

    Raises:
        DataError: there is no such store.
        StoreError: it cannot be read.
    """
    where, values = _where(wanted)
    if after is not None:
        where, values = f"{where} AND (ts_event, id) < (?, ?)", [*values, *after]
    query = f"""SELECT id, venue, symbol, instrument, strategy, side, p_up, p_down, edge, edge_bps, confidence, why,
        failed, refusal, "values", ts_event, ts_recv FROM signals WHERE {where}
        ORDER BY ts_event DESC, id DESC LIMIT ?"""  # noqa: S608 -- ours
    with contextlib.closing(open_for_reading(path)) as connection, trusting(path):
        try:
            return [_row(row) for row in connection.execute(query, (*values, limit))]
        except ValueError as error:
            raise never_written(error) from error


def strategies_told(path: Path) -> list[str]:
    """Names of the strategies that have a signal, in order. Raises as `read_signals`."""
    with contextlib.closing(open_for_reading(path)) as connection, trusting(path):
        rows = connection.execute("SELECT DISTINCT strategy FROM signals ORDER BY strategy LIMIT 100")
        return [str(name) for (name,) in rows]


def _where(wanted: SignalsWanted) -> tuple[str, list[Any]]:
    conditions, values = ["ts_event >= ?", "ts_event < ?", _KINDS[wanted.kind]], [wanted.from_ns, wanted.to_ns]
    told: list[Any] = [*values]
    if wanted.names is not None:
        conditions.append(f"symbol IN ({_marks(wanted.names)}) AND instrument IN ({_marks(wanted.names)})")
        told += [symbol for symbol, _ in wanted.names] + [name for _, name in wanted.names]
    if wanted.strategy is not None:
        conditions.append("strategy = ?")
        told.append(wanted.strategy)
    if wanted.side is not None:
        conditions.append("side = ?")
        told.append(wanted.side)
    return " AND ".join(conditions), told


def _row(row: tuple[Any, ...]) -> SignalRow:
    identity, venue, symbol, instrument, strategy, side, p_up, p_down, edge, edge_bps, confidence, why = row[:12]
    failed, refusal, values, ts_event, ts_recv = row[12:]
    signal = Signal(
        instrument=InstrumentId(instrument),
        ts_event=ts_event,
        ts_recv=ts_recv,
        strategy=strategy,
        side=None if side == FLAT else PositionSide(side),
        why=why,
        failed=_names(failed),
        p_up=p_up,
        p_down=p_down,
        edge_bps=edge_bps,
        confidence=confidence,
        edge=None if edge is None else Edge(edge),
        refusal=refusal,
        values=_values(values),
    )
    return SignalRow((ts_event, identity), venue, symbol, signal)


def _marks(values: Collection[Any]) -> str:
    return ", ".join("?" * len(values))
