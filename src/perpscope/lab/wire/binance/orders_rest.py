"""Binance's routes for plain orders: place, test, change, cancel, ask; several at once; and what was traded.

Each takes an account and parameters, and returns what becomes JSON.
"""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import msgspec

from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.closing import DELEVERAGED, LIQUIDATED
from perpscope.lab.accounts.desk import Accounts
from perpscope.lab.accounts.orders import Order
from perpscope.lab.accounts.prices import ContractRules
from perpscope.lab.accounts.refusals import Reason, Refused
from perpscope.lab.wire.binance import asked, orders_told
from perpscope.lab.wire.binance.orders_told import Json
from perpscope.lab.wire.binance.orders_unseen import Unseen
from perpscope.lab.wire.binance.private_asked import Params, order
from perpscope.lab.wire.binance.private_refusals import worded

_WEEK_MS = 7 * 86_400_000
_MOST_AT_ONCE = 5
_DONE: Json = {"code": 200, "msg": "The operation of cancel all open order is done."}
Reply: TypeAlias = Json | Sequence[Json]


class OrderRoutes:
    """Answers about plain orders.

    Args:
        accounts: the exchange's desk.
        unseen: orders that questions do not find yet.
    """

    def __init__(self, accounts: Accounts, unseen: Unseen) -> None:
        self._accounts = accounts
        self._unseen = unseen

    # one order -----------------------------------------------------------------------------------------------------

    def place(self, account: Account, params: Params) -> Json:
        """POST order."""
        accepted, now = self._accounts.matching.place(account, order(params))
        chosen = now if params.get("newOrderRespType") == "RESULT" else accepted
        return orders_told.acknowledged(chosen, self._rules(chosen))

    def test(self, account: Account, params: Params) -> Json:
        """POST order/test: every check, and no order."""
        draft = self._accounts.matching.drafted(account, order(params))
        told = orders_told.queried(draft, self._rules(draft))
        del told["time"]
        return told | {"cumQty": told["executedQty"]}

    def amend(self, account: Account, params: Params) -> Json:
        """PUT order."""
        found = self._found(account, params, Reason.UNKNOWN_ORDER)
        if not found.is_open:
            raise Refused(Reason.UNKNOWN_ORDER)
        if params.text("side") != found.ask.side.value:
            raise asked.Refused(-1117, "Invalid side.")
        size, price = params.number("quantity"), params.number("price")
        self._accounts.matching.amend(account, found, size, price)
        return orders_told.acknowledged(found, self._rules(found)) | {"pair": found.ask.symbol}

    def cancel(self, account: Account, params: Params) -> Json:
        """DELETE order."""
        found = self._found(account, params, Reason.UNKNOWN_TO_CANCEL)
        if not found.is_open:
            raise Refused(Reason.UNKNOWN_TO_CANCEL)
        self._accounts.matching.cancel(account, found)
        return orders_told.acknowledged(found, self._rules(found))

    def query(self, account: Account, params: Params) -> Json:
        """GET order."""
        found = self._found(account, params, Reason.UNKNOWN_ORDER)
        if not self._is_seen(found):
            raise Refused(Reason.UNKNOWN_ORDER)
        return orders_told.queried(found, self._rules(found))

    def query_open(self, account: Account, params: Params) -> Json:
        """GET openOrder."""
        found = self._found(account, params, Reason.UNKNOWN_ORDER)
        if not found.is_open or not self._is_seen(found):
            raise Refused(Reason.UNKNOWN_ORDER)
        return orders_told.queried(found, self._rules(found))

    # several -------------------------------------------------------------------------------------------------------

    def query_all_open(self, account: Account, params: Params) -> Reply:
        """GET openOrders."""
        found = filter(self._is_seen, account.opens(self._symbol(params)))
        return [orders_told.queried(one, self._rules(one)) for one in found]

    def history(self, account: Account, params: Params) -> Reply:
        """GET allOrders: of the last seven days, or from an order's id on."""
        symbol, limit = self._symbol(params), params.limit(500, 1000)
        rows = [one for one in account.orders.values() if symbol in (None, one.ask.symbol) and self._is_seen(one)]
        if "orderId" in params:
            rows = [one for one in rows if one.id >= params.integer("orderId")][:limit]
        else:
            start, end = params.window(self._accounts.prices.now_ms, _WEEK_MS)
            rows = [one for one in rows if start <= one.created_ms <= end][-limit:]
        return [orders_told.queried(one, self._rules(one)) for one in rows]

    def fills(self, account: Account, params: Params) -> Reply:
        """GET userTrades: of the last seven days, or from a fill's id on."""
        symbol, limit = params.text("symbol"), params.limit(500, 1000)
        rules = self._accounts.prices.rules(symbol)
        rows = [fill for fill in account.fills if fill.symbol == symbol]
        if "orderId" in params:
            rows = [fill for fill in rows if fill.order_id == params.integer("orderId")]
        if "fromId" in params:
            if "startTime" in params or "endTime" in params:
                raise asked.Refused(-1128, "Combination of optional parameters invalid.")
            rows = [fill for fill in rows if fill.id >= params.integer("fromId")][:limit]
        else:
            start, end = params.window(self._accounts.prices.now_ms, _WEEK_MS)
            rows = [fill for fill in rows if start <= fill.ts_ms <= end]
            rows = rows[:limit] if "startTime" in params else rows[-limit:]
        return [orders_told.traded(fill, rules) for fill in rows]

    def forced(self, account: Account, params: Params) -> Reply:
        """GET forceOrders: what the exchange closed for the account."""
        symbol, kind = self._symbol(params), params.get("autoCloseType")
        begins = {"LIQUIDATION": (LIQUIDATED,), "ADL": (DELEVERAGED,)}.get(kind, (LIQUIDATED, DELEVERAGED))
        rows = [
            one
            for one in account.orders.values()
            if one.client_id.startswith(begins) and symbol in (None, one.ask.symbol)
        ]
        return [orders_told.queried(one, self._rules(one)) for one in rows[-params.limit(50, 100) :]]

    def amendments(self, account: Account, params: Params) -> Reply:
        """GET orderAmendment, newest first."""
        found = self._found(account, params, Reason.UNKNOWN_ORDER)
        rules = self._rules(found)
        rows: list[Json] = []
        after = (found.price, found.size)
        mine = [row for row in account.amendments if row[0] is found]
        for number, (_, price, size, ts_ms) in reversed(list(enumerate(mine, start=1))):
            change = {
                "price": {"before": orders_told.price(price, rules), "after": orders_told.price(after[0], rules)},
                "origQty": {"before": orders_told.size(size, rules), "after": orders_told.size(after[1], rules)},
                "count": number,
            }
            head = {"amendmentId": number, "symbol": found.ask.symbol, "pair": found.ask.symbol, "orderId": found.id}
            rows.append(head | {"clientOrderId": found.client_id, "time": ts_ms, "amendment": change})
            after = (price, size)
        return rows[: params.limit(50, 100)]

    def cancel_all(self, account: Account, params: Params) -> Json:
        """DELETE allOpenOrders."""
        symbol = params.text("symbol")
        self._accounts.prices.rules(symbol)
        for one in account.opens(symbol):
            self._accounts.matching.cancel(account, one)
        return _DONE

    def count_down(self, account: Account, params: Params) -> Json:
        """POST countdownCancelAll: 0 stops it."""
        symbol, countdown_ms = params.text("symbol"), params.integer("countdownTime")
        self._accounts.prices.rules(symbol)
        account.countdowns.pop(symbol, None)
        if countdown_ms:
            account.countdowns[symbol] = self._accounts.prices.now_ms + countdown_ms
        return {"symbol": symbol, "countdownTime": str(countdown_ms)}

    def place_several(self, account: Account, params: Params) -> Reply:
        """POST batchOrders: each stands for itself."""
        return self._each(account, _batch(params, "batchOrders"), self.place)

    def amend_several(self, account: Account, params: Params) -> Reply:
        """PUT batchOrders."""
        return self._each(account, _batch(params, "batchOrders"), self.amend)

    def cancel_several(self, account: Account, params: Params) -> Reply:
        """DELETE batchOrders, by `orderIdList` or `origClientOrderIdList`."""
        symbol = params.text("symbol")
        for name, lists in (
            ("orderId", ("orderIdList", "orderidlist")),
            ("origClientOrderId", ("origClientOrderIdList", "origclientorderidlist")),
        ):
            for sent in lists:
                if sent in params:
                    rows = [{"symbol": symbol, name: str(one)} for one in _listed(params, sent)]
                    return self._each(account, rows, self.cancel)
        raise asked.Refused(-1102, "Param 'orderIdList' or 'origClientOrderIdList' must be sent, but both were empty")

    def _each(
        self, account: Account, rows: Sequence[dict[str, str]], act: Callable[[Account, Params], Json]
    ) -> list[Json]:
        if not 0 < len(rows) <= 2 * _MOST_AT_ONCE:
            raise asked.Refused(-4082, "Invalid number of batch place orders.")
        told: list[Json] = []
        for row in rows:
            try:
                told.append(act(account, Params(row)))
            except asked.Refused as refused:
                told.append(msgspec.json.decode(refused.body))
            except Refused as refused:
                told.append(msgspec.json.decode(worded(refused).body))
        return told

    # finding -------------------------------------------------------------------------------------------------------

    def _found(self, account: Account, params: Params, reason: Reason) -> Order:
        """By the exchange's id, or by the client's."""
        symbol = params.text("symbol")
        self._accounts.prices.rules(symbol)
        if "orderId" in params:
            found = account.orders.get(params.integer("orderId"))
        elif "origClientOrderId" in params:
            found = account.by_client.get(params.get("origClientOrderId"))
        else:
            raise asked.Refused(-1102, "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!")
        if found is None or found.ask.symbol != symbol:
            raise Refused(reason)
        return found

    def _is_seen(self, found: Order) -> bool:
        return self._unseen.is_seen(found.id)

    def _symbol(self, params: Params) -> str | None:
        symbol = params.get("symbol")
        return self._accounts.prices.rules(symbol).symbol if symbol else None

    def _rules(self, one: Order) -> ContractRules:
        return self._accounts.prices.rules(one.ask.symbol)


def _listed(params: Params, name: str) -> list[object]:
    try:
        return msgspec.json.decode(params.text(name), type=list[object])
    except msgspec.MsgspecError:
        raise asked.Refused(-1130, f"Data sent for parameter '{name}' is not valid.") from None


def _batch(params: Params, name: str) -> list[dict[str, str]]:
    rows = _listed(params, name)
    if len(rows) > _MOST_AT_ONCE:
        raise asked.Refused(-4082, "Invalid number of batch place orders.")
    return [{key: _text(value) for key, value in row.items()} if isinstance(row, dict) else {} for row in rows]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
