"""Binance's routes for conditional orders ("algo orders"): place, cancel, ask. Plain routes do not see them."""

from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.desk import Accounts
from perpscope.lab.accounts.orders import Algo
from perpscope.lab.accounts.prices import ContractRules
from perpscope.lab.accounts.refusals import Reason, Refused
from perpscope.lab.wire.binance import asked, orders_told
from perpscope.lab.wire.binance.orders_rest import Reply
from perpscope.lab.wire.binance.orders_told import Json
from perpscope.lab.wire.binance.orders_unseen import Unseen
from perpscope.lab.wire.binance.private_asked import Params, conditional

_WEEK_MS = 7 * 86_400_000


class AlgoRoutes:
    """Answers about conditional orders.

    Args:
        accounts: the exchange's desk.
        unseen: orders that questions do not find yet.
    """

    def __init__(self, accounts: Accounts, unseen: Unseen) -> None:
        self._accounts = accounts
        self._unseen = unseen

    def place(self, account: Account, params: Params) -> Json:
        """POST algoOrder."""
        algo = self._accounts.waiting.place(account, conditional(params))
        return orders_told.waiting(algo, self._rules(algo))

    def cancel(self, account: Account, params: Params) -> Json:
        """DELETE algoOrder."""
        algo = self._found(account, params, Reason.UNKNOWN_TO_CANCEL)
        if not algo.is_open:
            raise Refused(Reason.UNKNOWN_TO_CANCEL)
        self._accounts.waiting.cancel(account, algo)
        return {"algoId": algo.id, "clientAlgoId": algo.client_id, "code": "200", "msg": "success"}

    def cancel_all(self, account: Account, params: Params) -> Json:
        """DELETE algoOpenOrders."""
        symbol = params.text("symbol")
        self._accounts.prices.rules(symbol)
        for algo in account.waits(symbol):
            self._accounts.waiting.cancel(account, algo)
        return {"code": 200, "msg": "The operation of cancel all open order is done."}

    def query(self, account: Account, params: Params) -> Json:
        """GET algoOrder."""
        algo = self._found(account, params, Reason.UNKNOWN_ORDER)
        if not self._unseen.is_seen(algo.id):
            raise Refused(Reason.UNKNOWN_ORDER)
        return orders_told.waited(algo, self._rules(algo))

    def query_all_open(self, account: Account, params: Params) -> Reply:
        """GET openAlgoOrders."""
        rows = [algo for algo in account.waits(params.get("symbol") or None) if self._unseen.is_seen(algo.id)]
        if "algoId" in params:
            rows = [algo for algo in rows if algo.id == params.integer("algoId")]
        return [orders_told.waited(algo, self._rules(algo)) for algo in rows]

    def history(self, account: Account, params: Params) -> Reply:
        """GET allAlgoOrders: of the last seven days, or from an id on."""
        symbol, limit = params.text("symbol"), params.limit(500, 1000)
        rows = [one for one in account.algos.values() if one.ask.symbol == symbol and self._unseen.is_seen(one.id)]
        if "algoId" in params:
            rows = [algo for algo in rows if algo.id >= params.integer("algoId")][:limit]
        else:
            start, end = params.window(self._accounts.prices.now_ms, _WEEK_MS)
            rows = [algo for algo in rows if start <= algo.created_ms <= end][-limit:]
        return [orders_told.waited(algo, self._rules(algo)) for algo in rows]

    def _found(self, account: Account, params: Params, reason: Reason) -> Algo:
        """By the exchange's id, or the newest of the client's."""
        if "algoId" in params:
            found = account.algos.get(params.integer("algoId"))
        elif "clientAlgoId" in params:
            wanted = params.get("clientAlgoId")
            found = next((one for one in reversed(account.algos.values()) if one.client_id == wanted), None)
        else:
            raise asked.Refused(-1102, "Param 'algoId' or 'clientAlgoId' must be sent, but both were empty/null!")
        if found is None:
            raise Refused(reason)
        return found

    def _rules(self, algo: Algo) -> ContractRules:
        return self._accounts.prices.rules(algo.ask.symbol)
