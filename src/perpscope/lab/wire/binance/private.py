"""Binance's private REST: who may ask, what it costs, and which route answers; every other path is the public side's.

In: requests with a key, a signature and a time. Out: replies, or nothing at all where a misfortune wants that. The
WebSocket API asks here too, so that both sides of the venue are one.
"""

from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import parse_qsl

import msgspec

from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.desk import Accounts
from perpscope.lab.accounts.misfortunes import Misfortune, Mishap
from perpscope.lab.accounts.refusals import Refused
from perpscope.lab.allowance import Allowance
from perpscope.lab.dialect import Answer, Call, Outlet
from perpscope.lab.happening import Happening
from perpscope.lab.quotations import Quotations, Stand
from perpscope.lab.wire.binance import asked, limits, private_replies, private_routes, private_security
from perpscope.lab.wire.binance.limits import WeightLimit
from perpscope.lab.wire.binance.private_asked import Params
from perpscope.lab.wire.binance.private_refusals import worded
from perpscope.lab.wire.binance.rest import BinanceRest
from perpscope.lab.wire.binance.user_data import ListenKeys

_BAD_REQUEST, _UNAUTHORISED = 400, 401
_Handler: TypeAlias = Callable[[Account, Params], object]


class _Placed(msgspec.Struct):
    orderId: int = 0
    algoId: int = 0


class BinancePrivate:
    """The private side of one exchange, in front of its public one.

    Args:
        quotations: the market as published.
        outlet: where user data events go.
    """

    def __init__(self, quotations: Quotations, outlet: Outlet) -> None:
        self.accounts = Accounts(quotations, private_routes.tiers)
        self.listen_keys = ListenKeys(self.accounts.prices, outlet)
        self.accounts.listen(self.listen_keys.tell)
        self._public = BinanceRest(quotations)
        self._routes = private_routes.routes(self.accounts, self.listen_keys)
        self._rates: dict[str, tuple[Allowance, Allowance]] = {}
        self.order_limits = (limits.ORDERS_10S, limits.ORDERS_1M)  #: of each account; a test may choose others

    @property
    def budget(self) -> WeightLimit:
        """The weight both sides share."""
        return self._public.budget

    def throttled(self, wait_s: int) -> Answer:
        """429."""
        return self._public.throttled(wait_s)

    # the market ----------------------------------------------------------------------------------------------------

    def hear(self, stand: Stand, event: Happening) -> None:
        """Something was published."""
        self.accounts.hear(stand, event)

    def pass_time(self, ts_ns: int) -> None:
        """Market time has come so far."""
        now_ms = ts_ns // 1_000_000
        self.accounts.pass_time(now_ms)
        self.listen_keys.pass_time(now_ms)

    # requests ------------------------------------------------------------------------------------------------------

    def answer(self, call: Call) -> Answer:
        """Reply to a request; an answer of status 0 is none: the connection is cut."""
        route = self._routes.of.get((call.method, call.path))
        if route is None:
            return self._public.answer(call)
        params = Params(merged(call))
        status, wait_s = self.budget.spend(route.weight(params), call.now_s)
        if status != limits.OK:
            told = self._public.throttled(wait_s)
            return Answer(told.body, status, told.headers)
        try:
            account = private_security.admitted(self.accounts, call, params, route.security)
            return self._carried_out(account, call, params, route)
        except private_security.Unknown as unknown:
            return self._told(unknown.body, _UNAUTHORISED)
        except asked.Refused as refused:
            return self._told(refused.body, _BAD_REQUEST)

    def _carried_out(self, account: Account, call: Call, params: Params, route: private_routes.Route) -> Answer:
        headers: dict[str, str] = {}
        if route.orders:
            refusal = self._counted(account, call.now_s, route.orders(params), headers)
            if refusal is not None:
                return refusal
        closes = params.get("reduceOnly").lower() == "true" or params.get("closePosition").lower() == "true"
        struck = self.accounts.misfortunes.strike(account.key, f"{call.method} {call.path}", only_closes=closes)
        if struck is not None and not struck.kind.is_done:
            return private_replies.mishap(struck)
        answer = self._answered(account, params, route.handler, headers)
        if struck is None or (answer.status != limits.OK and struck.kind is not Mishap.LOST_REPLY):
            return answer
        return self._spoilt(struck, answer)

    def _answered(self, account: Account, params: Params, handler: _Handler, headers: dict[str, str]) -> Answer:
        try:
            body = msgspec.json.encode(handler(account, params))
        except Refused as refused:
            return self._told(worded(refused).body, _BAD_REQUEST, headers)
        except asked.Refused as refused:
            return self._told(refused.body, _BAD_REQUEST, headers)
        return self._told(body, limits.OK, headers)

    def _spoilt(self, struck: Misfortune, answer: Answer) -> Answer:
        if struck.kind is not Mishap.UNSEEN:
            return private_replies.mishap(struck)
        placed = msgspec.json.decode(answer.body, type=_Placed)
        self._routes.unseen.hide(placed.orderId or placed.algoId, struck.for_ms)
        return answer

    def _counted(self, account: Account, now_s: float, orders: int, headers: dict[str, str]) -> Answer | None:
        """Count orders against the account's two limits; the venue's refusal if they are too many."""
        windows = self._rates.get(account.key)
        if windows is None or (windows[0].limit, windows[1].limit) != tuple(rate.limit for rate in self.order_limits):
            windows = self._rates[account.key] = (Allowance(self.order_limits[0]), Allowance(self.order_limits[1]))
        for window, name in zip(windows, ("10 SECONDS", "1 MINUTE"), strict=True):
            if not window.take(now_s, orders):
                words = f"Too many new orders; current limit is {window.limit} orders per {name}."
                return self._told(asked.Refused(-1015, words).body, limits.TOO_MANY)
        headers["X-MBX-ORDER-COUNT-10S"] = str(windows[0].used)
        headers["X-MBX-ORDER-COUNT-1M"] = str(windows[1].used)
        return None

    def _told(self, body: bytes, status: int, headers: dict[str, str] | None = None) -> Answer:
        return Answer(body, status, {"X-MBX-USED-WEIGHT-1M": str(self._public.budget.used), **(headers or {})})


def merged(call: Call) -> dict[str, str]:
    """Parameters of the query and of a form in the body; the query's count where both have one."""
    if not call.body:
        return dict(call.query)
    form = parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True)
    return dict(form) | dict(call.query)
