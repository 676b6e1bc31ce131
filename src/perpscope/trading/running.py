"""A whole tape through the steps, in compiled code.

In: a rule, a desk, a `Tape`. Out: fills, decisions and equity curve. The loop stops where a log is full, and is
called again where it stopped, with a longer one. A book told level by level is kept on a ladder, and read when
somebody is about to look: at seconds, closing candles and forecasts, and when an order is due.
"""

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.margin_arrays import Floats
from perpscope.trading import halting, ladder, steps
from perpscope.trading.asking import Asked, Place, at, placed
from perpscope.trading.compiling import apart, inlined, inner, loops
from perpscope.trading.deciding import decide
from perpscope.trading.ladder import IS_NEW, TS_EVENT, TS_RECV, Rungs
from perpscope.trading.layout import (
    DECIDED,
    DECISION,
    FILL,
    FILLED,
    HALF,
    KEPT_DECISIONS,
    KEPT_FILLS,
    KEPT_POINTS,
    POINT,
)
from perpscope.trading.logs import Log, roomier, rooms, told
from perpscope.trading.strategy import Record
from perpscope.trading.tape import (
    BOOK,
    CANDLE,
    CLEAR,
    CLUSTERS,
    FORECAST,
    FUNDING,
    KINDS,
    LAST_LEVEL,
    LEVEL,
    LIQUIDATION,
    MARK,
    OPEN_INTEREST,
    SECOND,
    TRADE,
    Tables,
    Tape,
    Times,
)
from perpscope.trading.watch import MINUTE

Rows: TypeAlias = tuple[NDArray[np.uint8], Times, Times]
#: Fills, decisions and points, as far as there is room.
Logged: TypeAlias = tuple[Log, Log, Log]

#: Rows of a log to begin with; of the equity curve one a minute more, up to so many, of the others one in eight
#: minutes. What is not written to is not there: to make a log longer takes as long as a rule's answers to all its bars.
ROOM: Final = 1 << 14
MOST: Final = 1 << 22
SELDOM: Final = 8

# Fields of the cursor after the rows taken of each kind.
ROW: Final = KINDS
SEEN_FILLS: Final = KINDS + 1  #: of the desk's rings, how much was written down
SEEN_DECISIONS: Final = KINDS + 2
SEEN_POINTS: Final = KINDS + 3
FILLS: Final = KINDS + 4  #: rows of the logs that are written
DECISIONS: Final = KINDS + 5
POINTS: Final = KINDS + 6
FIELDS: Final = KINDS + 7


def run(rule: Asked, desk: NDArray[np.void], tape: Tape) -> Logged:
    """Walk a tape; what was filled, decided, and held at each candle and fill."""
    place = placed(desk)
    rungs = ladder.empty(tape.lowest, max(tape.ticks, 1))
    cursor = np.zeros(FIELDS, np.int64)
    d = desk[0]
    cursor[SEEN_FILLS], cursor[SEEN_DECISIONS], cursor[SEEN_POINTS] = d["fills"], d["decisions"], d["points"]
    minutes = int(tape.ts_recv[-1] - tape.ts_recv[0]) // MINUTE if len(tape) else 0
    points = ROOM + min(max(minutes, tape.tables.opens.size), MOST)
    others = ROOM + (points - ROOM) // SELDOM
    fills, decisions, points_ = rooms((FILL, others), (DECISION, others), (POINT, points))
    logs = fills, decisions, points_
    is_over, has_candles_alone = False, bool((tape.kind == CANDLE).all())
    while not is_over:
        if has_candles_alone:
            is_over = _walk_candles(rule, place, tape.ts_event, tape.ts_recv, tape.tables, cursor, logs)
        else:
            is_over = _walk(rule, place, (tape.kind, tape.ts_event, tape.ts_recv), tape.tables, rungs, cursor, logs)
        if not is_over:
            fills, decisions, points_ = logs
            logs = (
                _roomier(fills, cursor[FILLS]),
                _roomier(decisions, cursor[DECISIONS]),
                _roomier(points_, cursor[POINTS]),
            )
    return logs[0][: cursor[FILLS]], logs[1][: cursor[DECISIONS]], logs[2][: cursor[POINTS]]


def _roomier(log: Log, used: int) -> Log:
    """The log, or where it is nearly full a longer one."""
    return log if used <= log.size - KEPT_POINTS else roomier(log, used)


@loops
def _walk(
    rule: Asked, desk: Place, rows: Rows, tables: Tables, rungs: tuple[Rungs, Rungs, Rungs], cursor: Times, logs: Logged
) -> bool:
    """Take rows until the last, or until a log is full; True = the last was taken."""
    kinds, ts_events, ts_recvs = rows
    d = at(desk)
    bids, asks, state = rungs
    candles, opens, trades, levels = tables.candles, tables.opens, tables.trades, tables.levels
    row, is_full = cursor[ROW], False
    candle_row, trade_row, level_row = cursor[CANDLE], cursor[TRADE], cursor[LEVEL]
    while row < kinds.size and not is_full:
        kind, ts_event, ts_recv = kinds[row], ts_events[row], ts_recvs[row]
        row += 1
        bits = 0
        if kind == CANDLE:
            if state[IS_NEW] == 1:
                bits |= _read(desk, rungs)
            bits |= _candle(rule, desk, ts_event, ts_recv, opens[candle_row], candles, candle_row)
            candle_row += 1
        elif kind in (LEVEL, LAST_LEVEL):
            ladder.put(bids, asks, state, levels[level_row, 0], levels[level_row, 1])
            level_row += 1
            if kind == LAST_LEVEL:
                state[IS_NEW], state[TS_EVENT], state[TS_RECV] = 1, ts_event, ts_recv
                if steps.is_wanted(desk, ts_event):
                    bits |= _read(desk, rungs)
        elif kind == TRADE:
            if state[IS_NEW] == 1 and steps.is_wanted(desk, ts_event):
                bits |= _read(desk, rungs)
            size = trades[trade_row, 1]
            bits |= steps.trade(rule, desk, ts_event, ts_recv, trades[trade_row, 0], abs(size), 1 if size > 0.0 else -1)
            trade_row += 1
        else:
            bits |= _told(rule, desk, kind, ts_event, ts_recv, tables, rungs, cursor)
        if bits != 0:
            is_full = _log(d, bits, cursor, logs)
    is_over = row == kinds.size
    if is_over and not is_full:
        is_full = _log(d, HALF, cursor, logs)
    cursor[ROW], cursor[CANDLE], cursor[TRADE], cursor[LEVEL] = row, candle_row, trade_row, level_row
    return bool(is_over and not is_full)


@loops
def _walk_candles(
    rule: Asked, desk: Place, ts_events: Times, ts_recvs: Times, tables: Tables, cursor: Times, logs: Logged
) -> bool:
    """`_walk` of a tape that holds candles alone: nothing else is looked for, or has to be compiled.

    What is held at a candle goes into its log at once, and from there into the desk's ring when all is over.
    """
    d = at(desk)
    opens, candles, points = tables.opens, tables.candles, logs[2]
    row, rows, is_full = cursor[ROW], ts_events.size, False
    shift = cursor[POINTS] - cursor[SEEN_POINTS]
    while row < rows and not is_full:
        n = np.uintp(row)  # what has no sign is not counted from the end
        row += 1
        if not steps.is_next(d, opens[n]):
            continue
        bar, seen = candles[n], d.points
        bits = steps.met(d, ts_events[n], ts_recvs[n], opens[n], (bar[0], bar[1], bar[2], bar[3], bar[4], bar[5]))
        for number in range(seen, d.points):
            kept, point = d.kept_points[number % KEPT_POINTS], points[np.uintp(number + shift)]
            point.ts, point.equity, point.position = kept.ts, kept.equity, kept.position
        worth, point = halting.equity_now(d), points[np.uintp(d.points + shift)]
        point.ts, point.equity, point.position = d.watch.bar_at, worth, d.account.size
        d.points += 1
        bits |= decide(rule, d, 1, worth)
        if bits != 0 and _is_half(d, cursor):
            is_full = _log(d, FILLED | DECIDED, cursor, logs)
        is_full |= d.points + shift > points.size - KEPT_POINTS
    is_full |= _log(d, FILLED | DECIDED, cursor, logs)
    for number in range(max(d.points - KEPT_POINTS, -shift), d.points):
        d.kept_points[number % KEPT_POINTS] = points[number + shift]
    cursor[ROW], cursor[POINTS], cursor[SEEN_POINTS] = row, d.points + shift, d.points
    halting.reckoned(d)
    return bool(row == rows and not is_full)


@inlined
def _is_half(d: Record, cursor: Times) -> bool:
    """True if half of a ring is to be written down; a row just written is not ready to be copied whole."""
    fills, decisions = d.fills - cursor[SEEN_FILLS], d.decisions - cursor[SEEN_DECISIONS]
    return bool(fills > KEPT_FILLS // 2 or decisions > KEPT_DECISIONS // 2)


@inner
def _candle(rule: Asked, desk: Place, ts_event: int, ts_recv: int, ts_open: int, candles: Floats, n: int) -> int:
    """Take the n-th candle."""
    return steps.candle(
        rule,
        desk,
        ts_event,
        ts_recv,
        ts_open,
        candles[n, 0],
        candles[n, 1],
        candles[n, 2],
        candles[n, 3],
        candles[n, 4],
        candles[n, 5],
    )


@inner
def _read(desk: Place, rungs: tuple[Rungs, Rungs, Rungs]) -> int:
    """Read the ladder's best into the desk's book."""
    bids, asks, state = rungs
    ladder.read(bids, asks, state, at(desk).book)
    return steps.booked(desk, state[TS_EVENT], state[TS_RECV])


@inner
def _told(
    rule: Asked,
    desk: Place,
    kind: int,
    ts_event: int,
    ts_recv: int,
    tables: Tables,
    rungs: tuple[Rungs, Rungs, Rungs],
    cursor: Times,
) -> int:
    """Take a row of the rarer kinds."""
    n = cursor[kind]
    cursor[kind] += 1
    bits = 0
    if kind == SECOND:
        if rungs[2][IS_NEW] == 1:
            bits = _read(desk, rungs)
        return bits | steps.second(rule, desk, ts_recv)
    if kind == BOOK:
        levels, bids, asks = tables.books[n], tables.depths[n, 0], tables.depths[n, 1]
        return steps.book(
            desk, ts_event, ts_recv, levels[0, :bids], levels[1, :bids], levels[2, :asks], levels[3, :asks]
        )
    if kind == CLEAR:
        ladder.clear(rungs[0], rungs[1], rungs[2])
        at(desk).book.bids = at(desk).book.asks = 0
        return steps.booked(desk, ts_event, ts_recv)
    if kind == MARK:
        if rungs[2][IS_NEW] == 1 and steps.is_wanted(desk, ts_event):
            bits = _read(desk, rungs)
        told = tables.marks[n]
        return bits | steps.mark(desk, ts_event, ts_recv, told[0], told[1], told[2], tables.next_fundings[n])
    if kind == FUNDING:
        return steps.funding(desk, ts_event, ts_recv, tables.fundings[n, 0], tables.fundings[n, 1])
    return bits | _said(rule, desk, kind, ts_event, ts_recv, tables, rungs, n)


@inner
def _said(
    rule: Asked,
    desk: Place,
    kind: int,
    ts_event: int,
    ts_recv: int,
    tables: Tables,
    rungs: tuple[Rungs, Rungs, Rungs],
    n: int,
) -> int:
    """Take a row that no order meets: what is told of the market, or by workers."""
    bits = 0
    if kind == LIQUIDATION:
        return steps.liquidation(desk, ts_event, ts_recv, int(tables.liquidations[n, 0]), tables.liquidations[n, 1])
    if kind == OPEN_INTEREST:
        return steps.open_interest(desk, ts_recv, tables.open_interests[n])
    if kind == CLUSTERS:
        near = tables.clusters[n]
        return steps.clusters(desk, ts_recv, near[0], near[1], near[2], near[3], near[4])
    if kind == FORECAST:
        if rungs[2][IS_NEW] == 1:
            bits = _read(desk, rungs)
        said = tables.forecasts[n]
        return bits | steps.forecast(
            rule, desk, ts_recv, tables.forecasts_for[n], said[0], said[1], said[2], int(said[3])
        )
    return steps.gap(desk, ts_recv, int(tables.gaps[n]))


@apart
def _log(d: Record, bits: int, cursor: Times, logs: Logged) -> bool:
    """Write down what is new; True if a log could not take as much again."""
    fills, decisions, points = logs
    if bits & FILLED:
        cursor[FILLS] = told(d.kept_fills, KEPT_FILLS, cursor[SEEN_FILLS], d.fills, fills, cursor[FILLS])
        cursor[SEEN_FILLS] = d.fills
    if bits & DECIDED:
        seen, to = cursor[SEEN_DECISIONS], cursor[DECISIONS]
        cursor[DECISIONS] = told(d.kept_decisions, KEPT_DECISIONS, seen, d.decisions, decisions, to)
        cursor[SEEN_DECISIONS] = d.decisions
    if bits & HALF:
        cursor[POINTS] = told(d.kept_points, KEPT_POINTS, cursor[SEEN_POINTS], d.points, points, cursor[POINTS])
        cursor[SEEN_POINTS] = d.points
    return bool(
        cursor[FILLS] > fills.size - KEPT_POINTS
        or cursor[DECISIONS] > decisions.size - KEPT_POINTS
        or cursor[POINTS] > points.size - KEPT_POINTS
    )
