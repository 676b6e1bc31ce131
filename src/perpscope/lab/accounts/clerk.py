"""Books what happens to accounts, and tells it: ids, fills, incomes, ends of orders. Nothing changes money but this.

In: an order and a price at which it is filled, or a payment. Out: position, wallet and journal changed together, and
the events, in the order Binance sends them: first the wallet, then the order.
"""

from collections.abc import Sequence
from decimal import Decimal
from itertools import count

import msgspec

from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.orders import ZERO, Algo, AlgoStatus, Fill, Income, Order, Status, Turn
from perpscope.lab.accounts.positions import Position
from perpscope.lab.accounts.prices import Prices
from perpscope.lab.accounts.told import AlgoTold, Listener, OrderTold, Told, WalletTold

_SMALLEST = Decimal("1e-8")
_QUOTE = "USDT"
_FIRST_ORDER, _FIRST_FILL, _FIRST_INCOME, _FIRST_ALGO = 8_000_000_001, 400_000_001, 900_000_001, 3_000_000_001


class House(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange's own terms; Binance's for an account without discounts where it has any."""

    taker_fee: Decimal = Decimal("0.0005")  #: fraction of value
    maker_fee: Decimal = Decimal("0.0002")
    coin_share: Decimal = Decimal("0.9")  #: of a fee, where it is paid in the exchange's own coin ("10 % off")
    price_band: Decimal = Decimal("0.05")  #: how far from the mark a limit price may lie, fraction (PERCENT_PRICE)
    take_bound: Decimal = Decimal("0.05")  #: how far from the mark a market order goes, fraction (marketTakeBound)
    trigger_protect: Decimal = Decimal("0.05")  #: mark and last trade may differ so much, fraction (triggerProtect)
    liquidation_fee: Decimal = Decimal("0.0125")  #: of the value liquidated, as far as there is margin left
    most_waiting: int = 200  #: conditional orders, over all contracts
    leverage: int = 20
    called_at: Decimal = Decimal(
        "0.8"
    )  #: ratio of maintenance margin to equity at which a call is sent; chosen by hand


class Clerk:
    """The exchange's books.

    Args:
        prices: the market, for the time.
        house: fees.
    """

    def __init__(self, prices: Prices, house: House) -> None:
        self.house = house
        self.listeners: list[Listener] = []
        self._prices = prices
        self._order_ids, self._fill_ids = count(_FIRST_ORDER), count(_FIRST_FILL)
        self._income_ids, self._algo_ids = count(_FIRST_INCOME), count(_FIRST_ALGO)

    def tell(self, account: Account, told: Told) -> None:
        """Tell whoever listens."""
        for listener in self.listeners:
            listener(account, told)

    def next_order(self) -> int:
        """An order's id."""
        return next(self._order_ids)

    def next_algo(self) -> int:
        """A conditional order's id."""
        return next(self._algo_ids)

    # money ---------------------------------------------------------------------------------------------------------

    def pay(
        self, account: Account, symbol: str, kind: str, amount: Decimal, fill_id: int = 0, *, coin: str = ""
    ) -> None:
        """Change a wallet by what is not 0."""
        if amount:
            account.book(
                Income(
                    id=next(self._income_ids),
                    symbol=symbol,
                    kind=kind,
                    amount=amount,
                    ts_ms=self._prices.now_ms,
                    fill_id=fill_id,
                    coin=coin,
                )
            )

    def pay_and_tell(
        self, account: Account, kind: str, amount: Decimal, positions: Sequence[Position], reason: str, symbol: str = ""
    ) -> None:
        """Change a wallet by something that is no trade, and tell it."""
        self.pay(account, symbol, kind, amount)
        self.tell(account, WalletTold(reason, tuple(positions), amount))

    def fill(
        self, account: Account, order: Order, price: Decimal, size: Decimal, *, is_maker: bool, turn: Turn = Turn.TRADE
    ) -> Fill:
        """Fill an order, in part or whole.

        Args:
            account: whose.
            order: open.
            price: quote per base.
            size: base units, above 0 and at most what is left of it.
            is_maker: which fee is paid.
            turn: `Turn.FORCED` where the exchange does it itself.
        """
        now_ms, ask = self._prices.now_ms, order.ask
        position = account.position(ask.symbol, ask.held)
        held = abs(position.size)
        realised, closed = position.take(order.sign, size, price)
        if position.is_isolated:
            _set_aside(position, held, closed, (size - closed) * price)
        position.updated_ms = order.updated_ms = now_ms
        order.filled += size
        order.quote += price * size
        order.status = Status.PARTIALLY_FILLED if order.left else Status.FILLED
        if not order.left:
            account.open.pop(order.id, None)
        fee, coin = self._fee(account, price * size, is_maker=is_maker)
        fill = Fill(
            id=next(self._fill_ids),
            order_id=order.id,
            symbol=ask.symbol,
            side=ask.side,
            held=ask.held,
            price=price,
            size=size,
            fee=fee,
            fee_coin=coin,
            realised=realised,
            is_maker=is_maker,
            ts_ms=now_ms,
        )
        self._settle(account, fill)
        self.tell(account, WalletTold("ORDER", (position,), ZERO))
        self.tell(account, OrderTold(order, turn, fill))
        return fill

    def _settle(self, account: Account, fill: Fill) -> None:
        """Enter a fill, with what it brings and costs."""
        account.fills.append(fill)
        self.pay(account, fill.symbol, "REALIZED_PNL", fill.realised, fill.id)
        self.pay(account, fill.symbol, "COMMISSION", -fill.fee, fill.id, coin=fill.fee_coin)

    def _fee(self, account: Account, value: Decimal, *, is_maker: bool) -> tuple[Decimal, str]:
        """What is paid, and in which coin: in the account's own choice, cheaper, as long as there is enough of it."""
        fee = value * (self.house.maker_fee if is_maker else self.house.taker_fee)
        coin = account.fee_coin
        if coin:
            price = account.fee_price or self._prices.mark(f"{coin}{_QUOTE}")
            burnt = (fee * self.house.coin_share / price).quantize(_SMALLEST)
            if account.coins.get(coin, ZERO) >= burnt:
                return burnt, coin
        return fee.quantize(_SMALLEST), ""

    # ends ----------------------------------------------------------------------------------------------------------

    def end(self, account: Account, order: Order, status: Status, reason: str = "0") -> None:
        """Cancel an open order, or let it expire."""
        order.status, order.reason, order.updated_ms = status, reason, self._prices.now_ms
        account.open.pop(order.id, None)
        self.tell(account, OrderTold(order, Turn.CANCELED if status is Status.CANCELED else Turn.EXPIRED))

    def turn(self, account: Account, algo: Algo, status: AlgoStatus, reason: str = "") -> None:
        """Let a conditional order become something else."""
        algo.status, algo.reason, algo.updated_ms = status, reason, self._prices.now_ms
        if not algo.is_open:
            account.waiting.pop(algo.id, None)
        self.tell(account, AlgoTold(algo))


def _set_aside(position: Position, held: Decimal, closed: Decimal, opened_value: Decimal) -> None:
    """Move between wallet and isolated wallet what a fill needs, or no longer needs."""
    if closed:
        share = position.wallet if closed == held else (position.wallet * closed / held).quantize(_SMALLEST)
        position.wallet -= share
    position.wallet += (opened_value / position.leverage).quantize(_SMALLEST)
