"""Questions to a journal, asked alike by whoever writes it and by whoever only reads."""

import sqlite3
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import msgspec

from perpscope.errors import StoreError
from perpscope.model.exchange import FundingReport, TradeReport
from perpscope.model.instrument import InstrumentId
from perpscope.model.order import OrderRequest
from perpscope.model.run import RunKind
from perpscope.model.trade_status import TradeStatus
from perpscope.stores import journal_acts
from perpscope.stores.journal_rows import (
    INTENDED,
    Body,
    JournalFill,
    JournalOrder,
    JournalRun,
    NumberedFill,
    check,
    is_own,
    number_of,
    unpacked,
)

_RUN: Final = "id, kind, account, strategy, instrument, parameters, begun_ms, data, ended_ms"
#: Tables whose rows are bodies.
_BODIES: Final[dict[str, type[Body]]] = {"orders": OrderRequest, "fills": TradeReport, "fundings": FundingReport}


class _Decided(msgspec.Struct, frozen=True):
    """What a `SmallerOrder` has besides."""

    wished: Decimal | None = None
    bound: str = ""


_read_decided: Final = msgspec.json.Decoder(_Decided).decode
#: No limit, to SQLite.
ALL: Final = -1


def run(connection: sqlite3.Connection, run_id: str) -> JournalRun | None:
    """A run by its id."""
    row = connection.execute(f"SELECT {_RUN} FROM runs WHERE id = ?", (run_id,)).fetchone()  # noqa: S608 -- ours
    return None if row is None else _run(row)


def runs(connection: sqlite3.Connection, limit: int = ALL) -> list[JournalRun]:
    """Runs, newest first."""
    rows = connection.execute(f"SELECT {_RUN} FROM runs ORDER BY begun_ms DESC, id LIMIT ?", (limit,))  # noqa: S608
    return [_run(row) for row in rows]


def unfinished(
    connection: sqlite3.Connection, account: str, instrument: InstrumentId, strategy: str
) -> JournalRun | None:
    """The newest such run, unless it was ended."""
    row = connection.execute(
        f"SELECT {_RUN} FROM runs WHERE account = ? AND instrument = ? AND strategy = ?"  # noqa: S608 -- ours
        " ORDER BY begun_ms DESC, id LIMIT 1",
        (account, instrument, strategy),
    ).fetchone()
    found = None if row is None else _run(row)
    return found if found is not None and found.ended_ms is None else None


def orders(connection: sqlite3.Connection, run_id: str, limit: int = ALL) -> list[JournalOrder]:
    """Orders of a run, the newest so many, oldest first."""
    sizes = connection.execute("SELECT id, size FROM fills WHERE run = ?", (run_id,))
    filled: dict[str, Decimal] = {}
    for order, size in sizes:
        filled[order] = filled.get(order, Decimal(0)) + Decimal(size)
    rows = connection.execute(
        "SELECT o.id, o.body, o.crc, n.state, n.ts, n.venue_id, n.why FROM orders AS o LEFT JOIN notes AS n"
        " ON n.number = (SELECT max(number) FROM notes WHERE id = o.id)"
        " WHERE o.run = ? ORDER BY o.number DESC LIMIT ?",
        (run_id, limit),
    ).fetchall()
    return [_order(row, filled.get(row[0], Decimal(0))) for row in reversed(rows)]


def fills(connection: sqlite3.Connection, run_id: str, limit: int = ALL) -> list[JournalFill]:
    """Fills of a run, the newest so many, in the order they became known."""
    rows = connection.execute(
        "SELECT run, id, body, crc FROM fills WHERE run = ? ORDER BY number DESC LIMIT ?", (run_id, limit)
    ).fetchall()
    return [_fill(row) for row in reversed(rows)]


def fills_after(connection: sqlite3.Connection, number: int, limit: int) -> list[NumberedFill]:
    """Fills of all runs after a place in the journal, in order, with what their orders were for."""
    rows = connection.execute(
        "SELECT f.number, f.run, f.id, f.body, f.crc, o.body, o.crc FROM fills AS f"
        " LEFT JOIN orders AS o ON o.id = f.id WHERE f.number > ? ORDER BY f.number LIMIT ?",
        (number, limit),
    )
    return [
        NumberedFill(
            number=at,
            fill=_fill((run_id, order, body, crc)),
            role="" if asked is None else unpacked(asked, asked_crc, OrderRequest).role.value,
        )
        for at, run_id, order, body, crc, asked, asked_crc in rows
    ]


def last_fill(connection: sqlite3.Connection) -> int:
    """The place of the newest fill; 0 without any."""
    (found,) = connection.execute("SELECT coalesce(max(number), 0) FROM fills").fetchone()
    return int(found)


def fundings(connection: sqlite3.Connection, run_id: str, limit: int = ALL) -> list[FundingReport]:
    """Fundings of a run, the newest so many, in the order they became known."""
    rows = connection.execute(
        "SELECT body, crc FROM fundings WHERE run = ? ORDER BY number DESC LIMIT ?", (run_id, limit)
    ).fetchall()
    return [unpacked(body, crc, FundingReport) for body, crc in reversed(rows)]


def last_number(connection: sqlite3.Connection, run_id: str, prefix: str) -> int:
    """The highest number that an order's id of a run has used up, see `number_of`; 0 = none."""
    ids = connection.execute("SELECT id FROM orders WHERE run = ?", (run_id,))
    return max((number_of(order, prefix) for (order,) in ids), default=0)


def last_trade_id(connection: sqlite3.Connection, run_id: str) -> int | None:
    """The highest trade id among a run's fills; None without any."""
    (found,) = connection.execute("SELECT max(trade_id) FROM fills WHERE run = ?", (run_id,)).fetchone()
    return None if found is None else int(found)


def remembered(connection: sqlite3.Connection, run_id: str) -> dict[str, float]:
    """What was last remembered of a run."""
    row = connection.execute("SELECT body FROM memory WHERE run = ?", (run_id,)).fetchone()
    return {} if row is None else msgspec.json.decode(row[0], type=dict[str, float])


def statuses(connection: sqlite3.Connection, limit: int = ALL) -> list[TradeStatus]:
    """The last page of each run, newest first."""
    rows = connection.execute("SELECT body, crc FROM statuses ORDER BY at_ms DESC, run LIMIT ?", (limit,))
    return [unpacked(body, crc, TradeStatus) for body, crc in rows]


def fault(connection: sqlite3.Connection) -> str | None:
    """What is wrong with what the rows say; None if each is what was written, and what is not over can be read."""
    try:
        left = {told.id for told in runs(connection) if told.ended_ms is None}
        for table, kind in _BODIES.items():
            for run_id, body, crc in connection.execute(f"SELECT run, body, crc FROM {table}"):  # noqa: S608 -- ours
                if run_id in left:
                    unpacked(body, crc, kind)
                else:
                    check(body, crc, kind)
        return journal_acts.fault(connection)
    except StoreError as error:
        return error.message
    except (ValueError, TypeError) as error:
        return f"a row cannot be read: {error}"


def _run(row: Iterable[object]) -> JournalRun:
    told = dict(zip(_RUN.split(", "), row, strict=True))
    told["parameters"] = msgspec.json.decode(str(told["parameters"]), type=dict[str, float])
    told["kind"] = RunKind(told["kind"])
    return msgspec.convert(told, JournalRun)


def _order(
    row: tuple[str, bytes, int, str | None, int | None, str | None, str | None], filled: Decimal
) -> JournalOrder:
    order, body, crc, state, ts, venue_id, why = row
    request = unpacked(body, crc, OrderRequest)
    decided = _read_decided(body)
    return JournalOrder(
        request=request,
        state=state or INTENDED,
        filled=filled,
        venue_id=venue_id or "",
        why=why or "",
        is_own=is_own(order),
        ts=ts or request.ts_recv,
        wished=decided.wished,
        bound=decided.bound,
    )


def _fill(row: tuple[str, str, bytes, int]) -> JournalFill:
    run_id, order, body, crc = row
    return JournalFill(run=run_id, order=order, trade=unpacked(body, crc, TradeReport))
