"""Frames of Binance's user data stream: what it tells of our orders, fills, positions and money.

https://developers.binance.com/docs/derivatives/usds-margined-futures/user-data-streams
In: one frame, plain or in the combined form. Out: what it means. Nothing is replayed after a disconnect, and frames may
come twice: orders and fills carry ids for whoever listens. A fill comes before the order it is of.
"""

from decimal import Decimal
from typing import Annotated

import msgspec

from perpscope.errors import FrameError
from perpscope.model.exchange import (
    BalanceReport,
    FundingReport,
    KeyExpired,
    OrderReport,
    PositionReport,
    TradeReport,
    UserEvent,
)
from perpscope.venues.binance.account import flat, funding
from perpscope.venues.binance.orders import (
    SIDES,
    STATES,
    Amount,
    NotBelow0,
    NotYet,
    WireCondition,
    WireSide,
    WireState,
    condition_state,
    fee,
    whose,
)
from perpscope.venues.binance.symbols import VENUE
from perpscope.venues.binance.wire import MS, Count, Millis

_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError, OverflowError)
_SHOWN = 120
_ONE_WAY = "BOTH"
_FUNDING = "FUNDING_FEE"
#: What is asked for on the stream, by name: whether it comes unasked is not documented.
EVENTS = ("ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "ALGO_UPDATE", "listenKeyExpired")


class _Head(msgspec.Struct):
    e: str


class _Combined(msgspec.Struct):
    data: msgspec.Raw


class _Acknowledged(msgspec.Struct):
    id: int | str
    result: list[str] | bool | None


class _Order(msgspec.Struct):
    s: str
    c: str  #: our own id
    S: WireSide
    q: NotBelow0
    p: NotBelow0
    x: str  #: what has happened: NEW, TRADE, CALCULATED (by force), CANCELED, EXPIRED, AMENDMENT
    X: WireState
    i: Count
    l: NotBelow0  # noqa: E741 - the venue's own name: size of this fill
    z: NotBelow0  #: filled so far
    L: NotBelow0  #: price of this fill
    T: Millis
    t: Count  #: id of this fill
    m: bool = False
    n: Amount = "0"  #: commission; left out where there is none
    N: str | None = None
    R: bool = False
    cp: bool = False
    rp: Amount = "0"
    er: Annotated[str, msgspec.Meta(max_length=200)] | int = ""  #: why it expired, as a number


class _OrderUpdate(msgspec.Struct):
    o: _Order


class _Algo(msgspec.Struct):
    caid: str
    aid: Count
    s: str
    S: WireSide
    X: WireCondition
    tp: NotBelow0
    q: NotBelow0 = "0"
    ai: str = ""  #: the order it has become; empty until then
    aq: NotYet = ""
    ap: NotYet = ""
    cp: bool = False
    R: bool = False
    rm: str = ""  #: why it was refused, or has expired


class _AlgoUpdate(msgspec.Struct):
    T: Millis
    o: _Algo


class _Balance(msgspec.Struct):
    a: str
    wb: Amount
    bc: Amount = "0"


class _Position(msgspec.Struct):
    s: str
    pa: Amount
    ep: NotBelow0
    mt: str
    iw: Amount
    ps: str


class _Account(msgspec.Struct):
    m: str
    B: list[_Balance] = []
    P: list[_Position] = []


class _AccountUpdate(msgspec.Struct):
    T: Millis
    a: _Account


class _Expired(msgspec.Struct):
    E: Millis


_read_head = msgspec.json.Decoder(_Head).decode
_read_combined = msgspec.json.Decoder(_Combined).decode
_read_acknowledged = msgspec.json.Decoder(_Acknowledged).decode
_read_order = msgspec.json.Decoder(_OrderUpdate).decode
_read_algo = msgspec.json.Decoder(_AlgoUpdate).decode
_read_account = msgspec.json.Decoder(_AccountUpdate).decode
_read_expired = msgspec.json.Decoder(_Expired).decode


def heard(raw: bytes | memoryview) -> list[UserEvent]:
    """Decode one frame; nothing for an event of no use to us (`TRADE_LITE`, `MARGIN_CALL`, …) and acknowledgements.

    Raises:
        FrameError: the frame is not what Binance documents.
    """
    try:
        return _read(raw)
    except _UNREADABLE as error:
        begins = bytes(raw[:_SHOWN])
        raise FrameError(
            f"binance sent a user event we cannot read: {error}; it begins {begins!r}", venue=VENUE
        ) from error


def _read(raw: bytes | memoryview | msgspec.Raw) -> list[UserEvent]:
    try:
        kind = _read_head(raw).e
    except msgspec.ValidationError:
        return _read_other(raw)
    match kind:
        case "ORDER_TRADE_UPDATE":
            return _order(_read_order(raw).o)
        case "ALGO_UPDATE":
            return [_condition(_read_algo(raw))]
        case "ACCOUNT_UPDATE":
            return _account(_read_account(raw))
        case "listenKeyExpired":
            return [KeyExpired(ts_event=_read_expired(raw).E * MS)]
        case _:
            return []


def _read_other(raw: bytes | memoryview | msgspec.Raw) -> list[UserEvent]:
    """The combined form, or an answer to something we said."""
    try:
        inner = _read_combined(raw).data
    except msgspec.ValidationError:
        _read_acknowledged(raw)
        return []
    _read_head(inner)
    return _read(inner)


def _order(order: _Order) -> list[UserEvent]:
    own, why = whose(order.c)
    report = OrderReport(
        id=own,
        venue_id=str(order.i),
        symbol=order.s,
        is_conditional=False,
        state=STATES[order.X],
        side=SIDES[order.S],
        size=Decimal(order.q),
        filled=Decimal(order.z),
        price=Decimal(order.p) or None,
        is_reducing=order.R or order.cp,
        ts_event=order.T * MS,
        why=why or _reason(order.er),
    )
    size = Decimal(order.l)
    if not size or not order.t:
        return [report]
    paid, other = fee(order.n, order.N or "", order.s)
    fill = TradeReport(
        trade_id=order.t,
        venue_id=report.venue_id,
        id=own,
        symbol=order.s,
        side=report.side,
        price=Decimal(order.L),
        size=size,
        fee=paid,
        realised=Decimal(order.rp),
        is_maker=order.m,
        ts_event=report.ts_event,
        other=other,
    )
    return [fill, report]


def _reason(er: str | int) -> str:
    return "" if er in ("", "0", 0) else f"reason {er}"


def _condition(update: _AlgoUpdate) -> OrderReport:
    algo = update.o
    filled = Decimal(algo.aq or 0)
    return OrderReport(
        id=algo.caid,
        venue_id=str(algo.aid),
        symbol=algo.s,
        is_conditional=True,
        state=condition_state(algo.X, filled or Decimal(algo.ap or 0)),
        side=SIDES[algo.S],
        size=None if algo.cp else Decimal(algo.q),
        filled=filled,
        price=Decimal(algo.tp) or None,
        is_reducing=algo.R or algo.cp,
        ts_event=update.T * MS,
        becomes=algo.ai,
        why=algo.rm[:_SHOWN],
    )


def _account(update: _AccountUpdate) -> list[UserEvent]:
    """Balances, positions, and the funding that changed them where its contract is told: of isolated positions."""
    ts = update.T * MS
    changed = update.a
    events: list[UserEvent] = [BalanceReport(asset=row.a, wallet=Decimal(row.wb), ts_event=ts) for row in changed.B]
    one_way = [row for row in changed.P if row.ps == _ONE_WAY]
    events.extend(_position(row, ts) for row in one_way)
    if changed.m == _FUNDING and len(one_way) == 1 and len(changed.B) == 1:
        events.append(_funding(one_way[0].s, changed.B[0], update.T))
    return events


def _funding(symbol: str, balance: _Balance, time_ms: int) -> FundingReport:
    return funding(symbol, Decimal(balance.bc), time_ms)


def _position(row: _Position, ts: int) -> PositionReport:
    size = Decimal(row.pa)
    if not size:
        return flat(row.s, ts)
    return PositionReport(
        symbol=row.s,
        size=size,
        entry_price=Decimal(row.ep) or None,
        margin=Decimal(row.iw) if row.mt == "isolated" else None,
        liquidation_price=None,
        ts_event=ts,
    )
