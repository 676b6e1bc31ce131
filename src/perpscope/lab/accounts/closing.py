"""What an exchange does to accounts by itself: funding, margin calls, liquidation, deleveraging.

In: new mark prices. Out: payments and forced orders, booked by the clerk. A position is liquidated whole, where the
margin engine says that margin no longer suffices: an order at its bankruptcy price eats the book, what is left of it is
taken over at that price, and the exchange's fee is paid out of what margin remains.
"""

from collections.abc import Iterable
from decimal import Decimal

from perpscope.analytics.margin import shared_bankruptcy_price
from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.clerk import Clerk
from perpscope.lab.accounts.figures import cross_balance, figures, is_isolated_due, legs
from perpscope.lab.accounts.matching import Matching
from perpscope.lab.accounts.orders import ZERO, Ask, Kind, Lasting, Order, Status, Turn
from perpscope.lab.accounts.positions import Position
from perpscope.lab.accounts.prices import Prices, on_tick
from perpscope.lab.accounts.told import CallTold, OrderTold
from perpscope.model.market import Side

LIQUIDATED, DELEVERAGED, SETTLED = "autoclose-", "adl_autoclose", "settlement_autoclose-"
_SMALLEST = Decimal("1e-8")


class Closing:
    """The exchange's own hand.

    Args:
        clerk: the books.
        prices: the market.
        matching: where forced orders trade.
        accounts: whose.
    """

    def __init__(self, clerk: Clerk, prices: Prices, matching: Matching, accounts: Iterable[Account]) -> None:
        self._clerk = clerk
        self._prices = prices
        self._matching = matching
        self._accounts = accounts

    # funding -------------------------------------------------------------------------------------------------------

    def fund(self, symbol: str, rate: Decimal, mark: Decimal) -> None:
        """Let longs pay shorts, or the other way round where the rate is below 0: size × mark × rate."""
        for account in self._accounts:
            for position in account.positions(symbol):
                paid = (position.size * mark * rate).quantize(_SMALLEST)
                if position.is_isolated:
                    position.wallet -= paid
                self._clerk.pay_and_tell(account, "FUNDING_FEE", -paid, (position,), "FUNDING_FEE", symbol)

    # liquidation ---------------------------------------------------------------------------------------------------

    def examine(self, symbol: str) -> None:
        """A contract has a new mark price: liquidate whoever has too little margin for it, call whoever soon will."""
        for account in self._accounts:
            if any(account.positions(symbol)):
                for position in tuple(account.positions(symbol)):
                    if position.is_isolated and is_isolated_due(position, self._prices):
                        self._liquidate_isolated(account, position)
                self._examine_cross(account)

    def _examine_cross(self, account: Account) -> None:
        held = [position for position in account.positions() if not position.is_isolated]
        if not held:
            return
        sums = figures(account, self._prices)
        equity = sums.cross_wallet + sums.cross_unrealised
        if sums.excess <= 0:
            self._liquidate_cross(account)
            return
        ratio = sums.cross_maintenance / equity
        if ratio < self._clerk.house.called_at:
            account.called_at = ZERO
        elif not account.called_at:
            account.called_at = ratio
            self._clerk.tell(account, CallTold(tuple(held)))

    def _liquidate_isolated(self, account: Account, position: Position) -> None:
        for order in account.opens(position.symbol):
            if order.ask.held is position.held:
                self._matching.cancel(account, order)
        price = shared_bankruptcy_price([position.leg], float(position.wallet))
        margin = position.wallet
        loss = self.force(account, position, LIQUIDATED, price)
        self._charge(account, position, loss, margin)

    def _liquidate_cross(self, account: Account) -> None:
        """Cancel every order, then close position after position, the worst first, until margin suffices."""
        for order in account.opens():
            self._matching.cancel(account, order)
        while True:
            held = [position for position in account.positions() if not position.is_isolated]
            if not held or figures(account, self._prices).excess > 0:
                break
            worst = min(held, key=lambda position: position.unrealised(self._prices.mark(position.symbol)))
            balance = cross_balance(account, self._prices, worst.symbol)
            price = shared_bankruptcy_price(legs(account, worst.symbol), balance)
            margin = account.cross_wallet
            loss = self.force(account, worst, LIQUIDATED, price)
            self._charge(account, worst, loss, margin)

    def _charge(self, account: Account, position: Position, cost: tuple[Decimal, Decimal], margin: Decimal) -> None:
        """The liquidation fee, out of what is left of the margin; or what the exchange has to make good."""
        value, change = cost
        left = margin + change
        if not position.is_isolated and any(not other.is_isolated for other in account.positions()):
            left = max(ZERO, figures(account, self._prices).excess - _SMALLEST)  # the others keep their margin
        fee = min((value * self._clerk.house.liquidation_fee).quantize(_SMALLEST), left)
        self._clerk.pay_and_tell(account, "INSURANCE_CLEAR", -fee, (position,), "INSURANCE_CLEAR", position.symbol)

    def force(
        self, account: Account, position: Position, cause: str, price: float | None = None
    ) -> tuple[Decimal, Decimal]:
        """Close a position for its owner.

        Args:
            account: whose.
            position: not flat.
            cause: `LIQUIDATED`, `DELEVERAGED` or `SETTLED`: how the order's client id begins.
            price: the worst it is closed at, quote per base; all of it at the mark if None.

        Returns:
            The value closed, and what that changed the wallet by, quote units.
        """
        order = self._forced(position, cause, price)
        before = account.wallet
        account.keep(order)
        self._clerk.tell(account, OrderTold(order, Turn.NEW))
        if price is not None:
            self._matching.take(account, order, order.price, Turn.FORCED)
        if order.is_open:
            self._matching.fill(account, order, order.price, order.left, is_maker=False, turn=Turn.FORCED)
        return order.quote, account.wallet - before

    def _forced(self, position: Position, cause: str, price: float | None) -> Order:
        """The exchange's own order, its price a whole tick that costs no more than the margin."""
        rules, now_ms = self._prices.rules(position.symbol), self._prices.now_ms
        sells, size = position.size > 0, abs(position.size)
        mark = self._prices.mark(position.symbol)
        exact = mark if price is None else max(Decimal(f"{price:.12f}"), rules.tick)
        worst = on_tick(exact, rules.tick, up=sells)
        ask = Ask(
            symbol=position.symbol,
            side=Side.SELL if sells else Side.BUY,
            kind=Kind.LIMIT,
            size=size,
            price=worst,
            lasting=Lasting.IOC,
            held=position.held,
        )
        number = self._clerk.next_order()
        client_id = cause if cause == DELEVERAGED else f"{cause}{number}"
        return Order(
            id=number, ask=ask, client_id=client_id, price=worst, size=size, created_ms=now_ms, updated_ms=now_ms
        )

    def settle(self, symbol: str) -> None:
        """Close every position in a contract at its mark, as at the end of its life; its orders expire."""
        for account in self._accounts:
            for order in account.opens(symbol):
                self._matching.end(account, order, Status.EXPIRED)
            for position in tuple(account.positions(symbol)):
                self.force(account, position, SETTLED)
