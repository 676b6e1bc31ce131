"""Conditional orders: they wait for a price, and then become an order like any other, or are refused as one.

In: requests, and every new mark price and trade. Out: `AlgoTold` at each turn: NEW, TRIGGERING, TRIGGERED, FINISHED;
or CANCELED, REJECTED, EXPIRED.
"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from perpscope.lab.accounts import checks
from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.clerk import Clerk
from perpscope.lab.accounts.matching import Matching
from perpscope.lab.accounts.orders import Algo, AlgoStatus, Ask, Held, Kind, Lasting
from perpscope.lab.accounts.prices import Prices
from perpscope.lab.accounts.refusals import Reason, Refused
from perpscope.lab.accounts.told import AlgoTold
from perpscope.model.market import Side

_STOPS = (Kind.STOP, Kind.STOP_MARKET)
_CALLBACKS_PCT = (Decimal("0.1"), Decimal(20))
_SELF_MADE = "a"


class Waiting:
    """The room where conditional orders wait.

    Args:
        clerk: the books.
        prices: the market.
        matching: where they go from here.
        accounts: whose.
    """

    def __init__(self, clerk: Clerk, prices: Prices, matching: Matching, accounts: Iterable[Account]) -> None:
        self._clerk = clerk
        self._prices = prices
        self._matching = matching
        self._accounts = accounts

    def place(self, account: Account, ask: Ask) -> Algo:
        """Let an order wait.

        Raises:
            Refused: nothing has changed.
        """
        self._check(account, ask)
        now_ms = self._prices.now_ms
        algo = Algo(
            id=self._clerk.next_algo(),
            ask=ask,
            client_id=ask.client_id,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        algo.client_id = ask.client_id or f"{_SELF_MADE}{algo.id}"
        if ask.kind is Kind.TRAILING_STOP_MARKET and ask.activation is None:
            algo.extreme = self._watched(ask)
        account.await_price(algo)
        self._clerk.tell(account, AlgoTold(algo))
        return algo

    def cancel(self, account: Account, algo: Algo) -> None:
        """End one that waits."""
        self._clerk.turn(account, algo, AlgoStatus.CANCELED)

    def _check(self, account: Account, ask: Ask) -> None:
        if not ask.kind.is_conditional:
            raise Refused(Reason.NOT_CONDITIONAL)
        if ask.closes and (ask.kind.then is Kind.LIMIT or ask.kind is Kind.TRAILING_STOP_MARKET or ask.reduces):
            raise Refused(Reason.CLOSING_KIND)
        checks.check_shape(account, ask, self._prices)
        if ask.closes and ask.held is not Held.BOTH and not _is_against(ask):
            raise Refused(Reason.REDUCE_ONLY)
        if ask.kind is Kind.TRAILING_STOP_MARKET:
            self._check_trailing(ask)
        elif ask.trigger is None:
            raise Refused(Reason.TRIGGER_MISSING, "triggerPrice")
        elif self._is_due(ask, ask.trigger, self._watched(ask)):
            raise Refused(Reason.WOULD_TRIGGER)
        most = self._prices.rules(ask.symbol).max_conditional
        if len(account.waits(ask.symbol)) >= most or len(account.waiting) >= self._clerk.house.most_waiting:
            raise Refused(Reason.TOO_MANY_CONDITIONAL)
        for other in account.waits():
            if other.client_id == ask.client_id:
                raise Refused(Reason.DUPLICATE_ID)
            if ask.closes and other.ask.closes and _same_way(ask, other.ask):
                raise Refused(Reason.CLOSING_TWICE)

    def _check_trailing(self, ask: Ask) -> None:
        least, most = _CALLBACKS_PCT
        if ask.callback_pct is None or not least <= ask.callback_pct <= most:
            raise Refused(Reason.CALLBACK)
        # "BUY: the activatePrice should be smaller than the latest price, SELL: larger" (POST algoOrder)
        if ask.activation is not None and self._is_due(ask, ask.activation, self._watched(ask), follows=True):
            raise Refused(Reason.WOULD_TRIGGER)

    # prices --------------------------------------------------------------------------------------------------------

    def priced(self, symbol: str, *, by_mark: bool) -> None:
        """A new mark price or trade: what waited for it is due."""
        for account in self._accounts:
            for algo in account.waits(symbol) if account.waiting else ():
                if algo.is_open and algo.ask.by_mark is by_mark and self._has_come(account, algo):
                    self._trigger(account, algo)

    def pass_time(self, account: Account, now_ms: int) -> None:
        """What had a time to wait until is over."""
        for algo in account.waits():
            if algo.ask.lasting is Lasting.GTD and algo.ask.good_till_ms <= now_ms:
                self._clerk.turn(account, algo, AlgoStatus.EXPIRED)

    def _watched(self, ask: Ask) -> Decimal:
        return self._prices.mark(ask.symbol) if ask.by_mark else self._prices.last(ask.symbol)

    def _is_due(self, ask: Ask, trigger: Decimal, price: Decimal, *, follows: bool = False) -> bool:
        """A stop buys above and sells below; profit is taken, and a trailing order starts to follow, the other way."""
        is_up = (ask.side is Side.BUY) is (ask.kind in (*_STOPS, Kind.TRAILING_STOP_MARKET) and not follows)
        return price >= trigger if is_up else price <= trigger

    def _has_come(self, account: Account, algo: Algo) -> bool:
        ask, price = algo.ask, self._watched(algo.ask)
        if ask.kind is Kind.TRAILING_STOP_MARKET:
            if not self._follow(account, algo, price):
                return False
        elif not self._is_due(ask, ask.trigger or price, price):
            return False
        if not ask.is_protected:
            return True
        mark, last = self._prices.mark(ask.symbol), self._prices.last(ask.symbol)
        return abs(mark - last) <= mark * self._clerk.house.trigger_protect

    def _follow(self, account: Account, algo: Algo, price: Decimal) -> bool:
        """Move a trailing order's best price; True if the price has come back far enough."""
        ask = algo.ask
        if algo.extreme is None:
            if ask.activation is not None and self._is_due(ask, ask.activation, price, follows=True):
                algo.extreme = price
                self._clerk.turn(account, algo, AlgoStatus.NEW)  # it now follows: told as NEW once more
            return False
        share = (ask.callback_pct or Decimal(0)) / 100
        if ask.side is Side.BUY:
            algo.extreme = min(algo.extreme, price)
            return price >= algo.extreme * (1 + share)
        algo.extreme = max(algo.extreme, price)
        return price <= algo.extreme * (1 - share)

    def _trigger(self, account: Account, algo: Algo) -> None:
        """Make an order of it."""
        ask = algo.ask
        algo.triggered_ms = self._prices.now_ms
        self._clerk.turn(account, algo, AlgoStatus.TRIGGERING)
        size = ask.size
        if ask.closes:
            size = account.position(ask.symbol, ask.held).reducible(checks.direction(ask))
            if not size:
                self._clerk.turn(account, algo, AlgoStatus.EXPIRED, "no position to close")
                return
        lasting = Lasting.GTC if ask.lasting is Lasting.GTE_GTC else ask.lasting
        plain = msgspec.structs.replace(
            ask,
            kind=ask.kind.then,
            size=size,
            reduces=(ask.reduces or ask.closes) and not account.is_hedged,
            closes=False,
            lasting=lasting,
            client_id=algo.client_id,
        )
        try:
            self._matching.place(account, plain, algo)
        except Refused as refused:
            self._clerk.turn(account, algo, AlgoStatus.REJECTED, refused.reason.name)


def _is_against(ask: Ask) -> bool:
    return ask.side is (Side.SELL if ask.held is Held.LONG else Side.BUY)


def _same_way(ask: Ask, other: Ask) -> bool:
    """True if both close the same position on the same side of the price."""
    kinds = {ask.kind in _STOPS, other.kind in _STOPS}
    return (ask.symbol, ask.side, ask.held) == (other.symbol, other.side, other.held) and len(kinds) == 1
