"""Orders at Binance USD-M: what to send, and what an answer says has become of one.

https://developers.binance.com/docs/derivatives/usds-margined-futures/trade/rest-api
Market and limit orders go to `/fapi/v1/order`. Since 2025-12-09 whatever waits for a price goes to
`/fapi/v1/algoOrder` instead (-4120 otherwise): a book of its own, which the plain routes do not see. Ours watch the
mark and close whatever is held (`closePosition`). Amounts are strings both ways and become `Decimal`.
"""

import re
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

import msgspec

from perpscope.model.exchange import OrderReport, OrderState, OtherFee, TradeReport
from perpscope.model.instrument import Instrument
from perpscope.model.market import Side
from perpscope.model.order import OrderKind, OrderRequest
from perpscope.model.stream import HttpRequest, Urgency
from perpscope.venues.binance.wire import MS, Count, Millis

ORDER, CONDITION = "/fapi/v1/order", "/fapi/v1/algoOrder"
OPEN_ORDERS, OPEN_CONDITIONS = "/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders"
PAST_ORDERS, PAST_CONDITIONS = "/fapi/v1/allOrders", "/fapi/v1/allAlgoOrders"
TRADES = "/fapi/v1/userTrades"
#: Rows of one answer with our fills, or with past orders.
MOST_TRADES = MOST_ORDERS = 1000

#: A number as the venue writes one; "nan" and "inf", which `Decimal` would take, are none.
Amount = Annotated[str, msgspec.Meta(pattern=r"^-?[0-9]{1,24}(\.[0-9]{1,18})?$|^0E-[0-9]{1,2}$")]
NotBelow0 = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,24}(\.[0-9]{1,18})?$|^0E-[0-9]{1,2}$")]
#: Of what a conditional order has become; empty until then.
NotYet = Annotated[str, msgspec.Meta(pattern=r"^$|^[0-9]{1,24}(\.[0-9]{1,18})?$")]
WireSide: TypeAlias = Literal["BUY", "SELL"]
_Params: TypeAlias = tuple[tuple[str, str], ...]
SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}
#: `status` of a plain order. EXPIRED_IN_MATCH: self-trade prevention took it.
STATES = {
    "NEW": OrderState.NEW,
    "PARTIALLY_FILLED": OrderState.PARTLY,
    "FILLED": OrderState.FILLED,
    "CANCELED": OrderState.CANCELLED,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
    "EXPIRED_IN_MATCH": OrderState.EXPIRED,
}
WireState: TypeAlias = Literal[
    "NEW", "PARTIALLY_FILLED", "FILLED", "CANCELED", "REJECTED", "EXPIRED", "EXPIRED_IN_MATCH"
]
#: `algoStatus`; FINISHED says only that the order it became is over: see `condition_state`.
WireCondition: TypeAlias = Literal["NEW", "TRIGGERING", "TRIGGERED", "FINISHED", "CANCELED", "REJECTED", "EXPIRED"]
_CONDITIONS = {
    "NEW": OrderState.NEW,
    "TRIGGERING": OrderState.TRIGGERED,
    "TRIGGERED": OrderState.TRIGGERED,
    "CANCELED": OrderState.CANCELLED,
    "REJECTED": OrderState.REJECTED,
    "EXPIRED": OrderState.EXPIRED,
}
_KINDS = {
    OrderKind.MARKET: "MARKET",
    OrderKind.LIMIT: "LIMIT",
    OrderKind.STOP: "STOP_MARKET",
    OrderKind.TAKE: "TAKE_PROFIT_MARKET",
}
_SIDE_NAMES = {Side.BUY: "BUY", Side.SELL: "SELL"}
_WAITING = (OrderKind.STOP, OrderKind.TAKE)
#: `newClientOrderId` and `clientAlgoId` have to match this.
_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
#: How the ids of orders begin that the exchange makes to close a position by force.
FORCED = {
    "autoclose-": "liquidated",
    "adl_autoclose": "deleveraged",
    "settlement_autoclose-": "settled: the contract was delisted",
}


class WireOrder(msgspec.Struct):
    """A plain order, as it is acknowledged and as it is asked for."""

    orderId: Count
    symbol: str
    status: WireState
    clientOrderId: str
    price: NotBelow0
    origQty: NotBelow0
    executedQty: NotBelow0
    side: WireSide
    updateTime: Millis
    reduceOnly: bool = False
    closePosition: bool = False

    def report(self) -> OrderReport:
        """The order as everybody else knows it."""
        own, why = whose(self.clientOrderId)
        return OrderReport(
            id=own,
            venue_id=str(self.orderId),
            symbol=self.symbol,
            is_conditional=False,
            state=STATES[self.status],
            side=SIDES[self.side],
            size=Decimal(self.origQty),
            filled=Decimal(self.executedQty),
            price=Decimal(self.price) or None,
            is_reducing=self.reduceOnly or self.closePosition,
            ts_event=self.updateTime * MS,
            why=why,
        )


class WireAlgo(msgspec.Struct):
    """A conditional order, as it is acknowledged and as it is asked for (then with what it has become)."""

    algoId: Count
    clientAlgoId: str
    symbol: str
    side: WireSide
    algoStatus: WireCondition
    triggerPrice: NotBelow0
    updateTime: Millis
    quantity: NotBelow0 | None = None
    reduceOnly: bool = False
    closePosition: bool = False
    actualOrderId: str = ""
    actualQty: NotYet = ""  #: not in every answer of 2026; the price then tells of a fill
    actualPrice: NotYet = ""

    def report(self) -> OrderReport:
        """The order as everybody else knows it."""
        filled = Decimal(self.actualQty or 0)
        return OrderReport(
            id=self.clientAlgoId,
            venue_id=str(self.algoId),
            symbol=self.symbol,
            is_conditional=True,
            state=condition_state(self.algoStatus, filled or Decimal(self.actualPrice or 0)),
            side=SIDES[self.side],
            size=None if self.closePosition else Decimal(self.quantity or 0),
            filled=filled,
            price=Decimal(self.triggerPrice) or None,
            is_reducing=self.reduceOnly or self.closePosition,
            ts_event=self.updateTime * MS,
            becomes=self.actualOrderId,
        )


class WireTrade(msgspec.Struct):
    """One of our fills; its order's own id is not told."""

    symbol: str
    id: Count
    orderId: Count
    side: WireSide
    price: NotBelow0
    qty: NotBelow0
    realizedPnl: Amount
    commission: Amount
    commissionAsset: str
    maker: bool
    time: Millis
    marginAsset: str = ""

    def report(self) -> TradeReport:
        """The fill as everybody else knows it."""
        paid, other = fee(self.commission, self.commissionAsset, self.symbol)
        return TradeReport(
            trade_id=self.id,
            venue_id=str(self.orderId),
            id="",
            symbol=self.symbol,
            side=SIDES[self.side],
            price=Decimal(self.price),
            size=Decimal(self.qty),
            fee=paid,
            realised=Decimal(self.realizedPnl),
            is_maker=self.maker,
            ts_event=self.time * MS,
            other=other,
        )


def condition_state(status: str, filled: Decimal) -> OrderState:
    """What a conditional order's status means; one that FINISHED without a fill has expired.

    Args:
        status: as the venue writes it.
        filled: size or average price of what was filled; 0 if nothing was.
    """
    if status == "FINISHED":
        return OrderState.FILLED if filled else OrderState.EXPIRED
    return _CONDITIONS[status]


def whose(client_id: str) -> tuple[str, str]:
    """The client's own id and nothing, or nothing and why the exchange made the order itself."""
    forced = next((why for prefix, why in FORCED.items() if client_id.startswith(prefix)), "")
    return ("", forced) if forced else (client_id, "")


def fee(commission: str, asset: str, symbol: str) -> tuple[Decimal, OtherFee | None]:
    """A commission in quote units; and, where it was paid in another coin (BNB, if an account chose so), in that.

    What that coin was worth is not told with it.
    """
    amount = Decimal(commission)
    if not amount or symbol.partition("_")[0].endswith(asset):
        return amount, None
    return Decimal(0), OtherFee(asset=asset, amount=amount)


def place(order: OrderRequest, instrument: Instrument) -> HttpRequest:
    """Send an order under its own id.

    Raises:
        ValueError: its id is none the venue takes, or it has no price where it needs one.
    """
    _check_id(order.id)
    head: _Params = (("symbol", instrument.symbol), ("side", _SIDE_NAMES[order.side]), ("type", _KINDS[order.kind]))
    if order.kind in _WAITING:
        rest = (
            ("algoType", "CONDITIONAL"),
            ("triggerPrice", _price(order)),
            ("workingType", "MARK_PRICE"),
            ("closePosition", "true"),
            ("clientAlgoId", order.id),
        )
        return _call("POST", CONDITION, head + rest)
    plain: _Params = (*head, ("quantity", written(order.size)))
    if order.kind is OrderKind.LIMIT:
        plain += (("price", _price(order)), ("timeInForce", "GTC"))
    if order.is_reducing:
        plain += (("reduceOnly", "true"),)
    return _call("POST", ORDER, (*plain, ("newClientOrderId", order.id), ("newOrderRespType", "RESULT")))


def cancel(order: str, instrument: Instrument, *, is_conditional: bool) -> HttpRequest:
    """Take an order back, by its own id."""
    return _call("DELETE", *_named(order, instrument, is_conditional=is_conditional))


def ask(order: str, instrument: Instrument, *, is_conditional: bool) -> HttpRequest:
    """Ask what has become of an order, by its own id."""
    return _call("GET", *_named(order, instrument, is_conditional=is_conditional))


def ask_venue(venue_id: str, instrument: Instrument) -> HttpRequest:
    """Ask what has become of a plain order, by the venue's number."""
    return _call("GET", ORDER, (("symbol", instrument.symbol), ("orderId", venue_id)))


def working(instrument: Instrument) -> tuple[HttpRequest, ...]:
    """Ask for all orders that stand, in both books."""
    params = (("symbol", instrument.symbol),)
    return (_call("GET", OPEN_ORDERS, params), _call("GET", OPEN_CONDITIONS, params))


def past(instrument: Instrument, ts_from: int) -> tuple[HttpRequest, ...]:
    """Ask for every order since then, ns UTC, in both books; one that a condition has become stands in the first."""
    params = (("symbol", instrument.symbol), ("startTime", str(ts_from // MS)), ("limit", str(MOST_ORDERS)))
    return tuple(HttpRequest(path=path, params=params, weight=5) for path in (PAST_ORDERS, PAST_CONDITIONS))


def trades(instrument: Instrument, *, from_id: int | None, ts_from: int | None) -> HttpRequest:
    """Ask for our fills, oldest first; an id and a time cannot be combined, and the id counts."""
    begin: _Params = ()
    if from_id is not None:
        begin = (("fromId", str(from_id)),)
    elif ts_from is not None:
        begin = (("startTime", str(ts_from // MS)),)
    params = (("symbol", instrument.symbol), *begin, ("limit", str(MOST_TRADES)))
    return HttpRequest(path=TRADES, params=params, weight=5, urgency=Urgency.ORDER)


def written(value: Decimal) -> str:
    """A number as the venue takes it: no exponent, no zeros at the end, which would count as precision (-1111).

    >>> written(Decimal("0.0100")), written(Decimal("5E+1"))
    ('0.01', '50')
    """
    return format(value.normalize(), "f")


def _named(order: str, instrument: Instrument, *, is_conditional: bool) -> tuple[str, _Params]:
    _check_id(order)
    if is_conditional:
        return CONDITION, (("symbol", instrument.symbol), ("clientAlgoId", order))
    return ORDER, (("symbol", instrument.symbol), ("origClientOrderId", order))


def _call(method: str, path: str, params: _Params) -> HttpRequest:
    return HttpRequest(method=method, path=path, params=params, urgency=Urgency.ORDER)


def _price(order: OrderRequest) -> str:
    if order.price is None:
        raise ValueError(f"a {order.kind.value} order must have a price, {order.id} has none")
    return written(order.price)


def _check_id(order: str) -> None:
    if not _ID.fullmatch(order):
        raise ValueError(f"binance takes order ids of 1 to 36 letters, digits and any of .:/_-; got {order[:60]!r}")
