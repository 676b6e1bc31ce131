"""Orders against the published market: a taker eats the book level by level, a resting order waits for its turn.

In: orders, and each trade and book change as it is published. Out: fills, booked by the clerk. A resting order stands
behind what the book showed at its price when it came; trades at its price use that up first, trades beyond it fill it,
and so does a book that crosses it. Accounts trade with the market, not with one another.
"""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from perpscope.lab.accounts import checks
from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.clerk import Clerk
from perpscope.lab.accounts.orders import ZERO, Algo, AlgoStatus, Ask, Kind, Lasting, Order, Status, Turn
from perpscope.lab.accounts.prices import Prices
from perpscope.lab.accounts.refusals import Reason, Refused
from perpscope.lab.accounts.told import OrderTold
from perpscope.lab.book import TextLevel
from perpscope.model.market import Side

_SELF_MADE = "x"  # begins the client id of an order that was given none


class Matching:
    """The matching engine, as far as accounts are concerned.

    Args:
        clerk: the books.
        prices: the market.
        accounts: whose resting orders are looked after.
    """

    def __init__(self, clerk: Clerk, prices: Prices, accounts: Iterable[Account]) -> None:
        self._clerk = clerk
        self._prices = prices
        self._accounts = accounts

    # requests ------------------------------------------------------------------------------------------------------

    def drafted(self, account: Account, ask: Ask) -> Order:
        """An order that passes every check, not yet entered.

        Raises:
            Refused: it does not.
        """
        house = self._clerk.house
        checks.check_shape(account, ask, self._prices)
        known = account.by_client.get(ask.client_id)
        if known is not None and known.is_open:
            raise Refused(Reason.DUPLICATE_ID)
        checks.check_market(ask, self._prices, house)
        checks.check_reduction(account, ask)
        now_ms = self._prices.now_ms
        order = Order(
            id=0,
            ask=ask,
            client_id=ask.client_id,
            price=checks.reckoned(ask, self._prices),
            size=ask.size or ZERO,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        checks.check_means(account, order, self._prices)
        order.price = ask.price or ZERO
        self._check_lasting(account, order)
        return order

    def place(self, account: Account, ask: Ask, algo: Algo | None = None) -> tuple[Order, Order]:
        """Enter an order and let it take what it can.

        Returns:
            The order as it was accepted, and as it is now.

        Raises:
            Refused: nothing has changed.
        """
        order = self.drafted(account, ask)
        order.id = self._clerk.next_order()
        order.client_id = ask.client_id or f"{_SELF_MADE}{order.id}"
        order.triggered_by = algo
        account.keep(order)
        if algo is not None:
            algo.order = order
            self._clerk.turn(account, algo, AlgoStatus.TRIGGERED)
        self._clerk.tell(account, OrderTold(order, Turn.NEW))
        accepted = msgspec.structs.replace(order)
        self._work(account, order)
        return accepted, order

    def amend(self, account: Account, order: Order, size: Decimal, price: Decimal) -> None:
        """Change price and size of an open limit order; it keeps its place only if nothing but its size falls.

        Raises:
            Refused: nothing has changed.
        """
        ask = order.ask
        if size == order.size and price == order.price:
            raise Refused(Reason.NO_CHANGE)
        changed = msgspec.structs.replace(ask, size=size, price=price, client_id="")
        checks.check_shape(account, changed, self._prices)
        checks.check_market(changed, self._prices, self._clerk.house)
        if size <= order.filled:
            self.cancel(account, order)
            return
        account.open.pop(order.id)
        draft = msgspec.structs.replace(order, ask=changed, price=price, size=size)
        try:
            checks.check_means(account, draft, self._prices)
            self._check_lasting(account, draft)
        finally:
            account.open[order.id] = order
        account.amendments.append((order, order.price, order.size, self._prices.now_ms))
        loses_place = price != order.price or size > order.size
        order.ask = msgspec.structs.replace(changed, client_id=ask.client_id)
        order.price, order.size, order.updated_ms = price, size, self._prices.now_ms
        self._clerk.tell(account, OrderTold(order, Turn.AMENDED))
        if loses_place:
            self._work(account, order)

    def cancel(self, account: Account, order: Order) -> None:
        """End an open order."""
        self.end(account, order, Status.CANCELED)

    def end(self, account: Account, order: Order, status: Status, reason: str = "0") -> None:
        """End an open order, and the conditional one it came from."""
        self._clerk.end(account, order, status, reason)
        self._finish(account, order)

    def _check_lasting(self, account: Account, order: Order) -> None:
        ask = order.ask
        if ask.lasting not in (Lasting.GTX, Lasting.FOK) or ask.kind is not Kind.LIMIT:
            return
        there = sum((size for _, size in self._prices.takeable(ask.symbol, ask.side, order.price)), ZERO)
        if ask.lasting is Lasting.GTX and there:
            raise Refused(Reason.WOULD_TAKE)
        if ask.lasting is Lasting.FOK and there < self._room(account, order):
            raise Refused(Reason.NOT_FILLABLE)

    # taking --------------------------------------------------------------------------------------------------------

    def _work(self, account: Account, order: Order) -> None:
        """Take what can be taken; what is left rests or expires."""
        ask = order.ask
        worst = checks.bound(ask, self._prices.mark(ask.symbol), self._clerk.house)
        self.take(account, order, worst)
        if not order.is_open:
            return
        if ask.kind is Kind.MARKET or ask.lasting in (Lasting.IOC, Lasting.FOK):
            self.end(account, order, Status.EXPIRED)
        else:
            order.ahead = self._prices.resting(ask.symbol, ask.side, order.price)

    def take(self, account: Account, order: Order, worst: Decimal, turn: Turn = Turn.TRADE) -> None:
        """Fill an order from the book, best price first, up to the worst price."""
        ask = order.ask
        for price, size in self._prices.takeable(ask.symbol, ask.side, worst):
            amount = min(size, self._room(account, order))
            if amount <= 0 or not order.is_open:
                return
            self._prices.eat(ask.symbol, ask.side, price, amount)
            self.fill(account, order, price, amount, is_maker=False, turn=turn)

    def fill(
        self, account: Account, order: Order, price: Decimal, size: Decimal, *, is_maker: bool, turn: Turn = Turn.TRADE
    ) -> None:
        """Fill an order, with what follows: of the orders that close, those with nothing left to close expire."""
        ask = order.ask
        self._clerk.fill(account, order, price, size, is_maker=is_maker, turn=turn)
        self._finish(account, order)
        for other in account.opens(ask.symbol):
            if checks.only_closes(other.ask) and not self._room(account, other):
                self.end(account, other, Status.EXPIRED)
        if not account.position(ask.symbol, ask.held).size:
            for algo in account.waits(ask.symbol):
                if algo.ask.lasting is Lasting.GTE_GTC and algo.ask.held is ask.held:
                    self._clerk.turn(account, algo, AlgoStatus.EXPIRED, "position closed")

    def _room(self, account: Account, order: Order) -> Decimal:
        """What may be filled of an order now."""
        ask = order.ask
        if not checks.only_closes(ask):
            return order.left
        return min(order.left, account.position(ask.symbol, ask.held).reducible(order.sign))

    def _finish(self, account: Account, order: Order) -> None:
        algo = order.triggered_by
        if algo is not None and not order.is_open and algo.status is AlgoStatus.TRIGGERED:
            self._clerk.turn(account, algo, AlgoStatus.FINISHED)

    @property
    def is_idle(self) -> bool:
        """True if no order rests: what the market does then need not be looked at."""
        return not any(account.open for account in self._accounts)

    # resting -------------------------------------------------------------------------------------------------------

    def trade(self, symbol: str, taker: Side, price: Decimal, size: Decimal) -> None:
        """Somebody traded with the book: orders of the other side at that price, or passed by it, get their share."""
        left = size
        for account, order in self._resting(symbol, taker):
            beyond = (order.price - price) * order.sign
            if beyond < 0 or left <= 0:
                continue
            if beyond == 0:
                used = min(order.ahead, left)
                order.ahead -= used
                left -= used
            amount = min(left, self._room(account, order))
            if amount > 0:
                left -= amount
                self.fill(account, order, order.price, amount, is_maker=True)

    def levels(self, symbol: str, side: Side, levels: Iterable[TextLevel]) -> None:
        """The book changed: what was before an order shrinks with its level, and a level beyond its price fills it.

        Args:
            symbol: of which contract.
            side: BUY for bids, SELL for asks.
            levels: (price, absolute size).
        """
        if self.is_idle:
            return
        told = [(Decimal(price), Decimal(size)) for price, size in levels]
        for _, order in self._resting(symbol, Side.SELL if side is Side.BUY else Side.BUY):
            for price, size in told:
                if price == order.price:
                    order.ahead = min(order.ahead, size)
        for price, size in told:
            if size:
                self._cross(symbol, side, price, size)

    def _cross(self, symbol: str, maker: Side, price: Decimal, size: Decimal) -> None:
        """A level of the other side's that stands at an order's price or beyond it."""
        left = size
        for account, order in self._resting(symbol, maker):
            if (order.price - price) * order.sign < 0:
                continue
            amount = min(left, self._room(account, order))
            if amount > 0:
                left -= amount
                self._prices.eat(symbol, order.ask.side, price, amount)
                self.fill(account, order, order.price, amount, is_maker=True)

    def _resting(self, symbol: str, against: Side) -> list[tuple[Account, Order]]:
        """Orders a taker of that side meets, best price first, then oldest."""
        found = [
            (account, order)
            for account in self._accounts
            if account.open
            for order in account.opens(symbol)
            if order.ask.side is not against
        ]
        return sorted(found, key=lambda pair: (-pair[1].price * pair[1].sign, pair[1].id))
