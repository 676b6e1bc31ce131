"""One account: its wallet, its positions, its orders, and the journal that adds up to the wallet.

Everything here is state and its bookkeeping; what may be done, and when, is the exchange's business (`desk`).
"""

from collections import deque
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from perpscope.lab.accounts.orders import ZERO, Algo, Fill, Held, Income, Order
from perpscope.lab.accounts.positions import Position

KEPT = 100_000  #: finished orders, fills and incomes that are remembered


class KeyRights(msgspec.Struct, frozen=True):
    """What a key may do; a test chooses others."""

    can_trade: bool = True
    can_withdraw: bool = False
    can_transfer: bool = False  #: inside the venue, to other wallets and other people
    is_bound_to_address: bool = True


class Account:
    """What an exchange knows of one customer.

    Args:
        key: what requests name it by.
        secret: what they are signed with.
        balance: quote units to begin with.
        leverage: of every contract until it is changed.
    """

    def __init__(self, key: str, secret: str, balance: Decimal, leverage: int) -> None:
        self.key = key
        self.secret = secret
        self.rights = KeyRights()
        self.wallet = balance  #: quote units, without unrealised profit; isolated wallets are part of it
        self.deposited = balance
        self.fee_coin = ""  #: fees are paid in it as long as there is some of it; empty = in the quote
        self.fee_price: Decimal | None = None  #: quote units of one; None = the mark of its contract
        self.coins: dict[str, Decimal] = {}  #: wallets beside the quote's
        self.is_hedged = False
        self.is_multi_asset = False
        self.called_at = ZERO  #: the margin ratio its last margin call was for; 0 if there is none
        self.leverages: dict[str, int] = {}
        self.isolated: set[str] = set()
        self.orders: dict[int, Order] = {}  #: every one that is remembered, oldest first
        self.open: dict[int, Order] = {}
        self.by_client: dict[str, Order] = {}
        self.algos: dict[int, Algo] = {}
        self.waiting: dict[int, Algo] = {}  #: conditional orders that have not triggered
        self.fills: deque[Fill] = deque(maxlen=KEPT)
        self.incomes: deque[Income] = deque(maxlen=KEPT)
        self.earned: dict[str, Decimal] = {}  #: realised profit by contract, quote units
        self.countdowns: dict[str, int] = {}  #: when a contract's orders are cancelled, ms, unless that is put off
        self.amendments: deque[tuple[Order, Decimal, Decimal, int]] = deque(maxlen=KEPT)  #: price and size before, ms
        self.margin_changes: deque[tuple[str, Held, Decimal, int]] = deque(maxlen=KEPT)
        self._leverage = leverage
        self._positions: dict[tuple[str, Held], Position] = {}

    # positions -----------------------------------------------------------------------------------------------------

    def leverage(self, symbol: str) -> int:
        """Of a contract."""
        return self.leverages.get(symbol, self._leverage)

    def position(self, symbol: str, held: Held) -> Position:
        """One of its positions, flat if there was none."""
        found = self._positions.get((symbol, held))
        if found is None:
            found = Position(symbol, held, self.leverage(symbol), symbol in self.isolated)
            self._positions[symbol, held] = found
        return found

    def positions(self, symbol: str | None = None) -> Iterator[Position]:
        """Those that are not flat."""
        return (found for found in tuple(self._positions.values()) if found.size and symbol in (None, found.symbol))

    def sides(self, symbol: str) -> list[Position]:
        """Each side of a contract in this account's mode, flat or not."""
        return [self.position(symbol, held) for held in ((Held.LONG, Held.SHORT) if self.is_hedged else (Held.BOTH,))]

    def known(self, symbol: str) -> list[Position]:
        """Each side of a contract it ever had, of either mode."""
        return [found for (name, _), found in self._positions.items() if name == symbol]

    # the wallet ----------------------------------------------------------------------------------------------------

    @property
    def cross_wallet(self) -> Decimal:
        """What is not set aside for isolated positions."""
        return self.wallet - sum((found.wallet for found in self._positions.values()), ZERO)

    def book(self, income: Income) -> None:
        """Change a wallet; the journal says why."""
        self.incomes.append(income)
        if income.coin:
            self.coins[income.coin] = self.coins.get(income.coin, ZERO) + income.amount
            return
        self.wallet += income.amount
        if income.kind == "TRANSFER":
            self.deposited += income.amount
        elif income.kind == "REALIZED_PNL":
            self.earned[income.symbol] = self.earned.get(income.symbol, ZERO) + income.amount

    # orders --------------------------------------------------------------------------------------------------------

    def opens(self, symbol: str | None = None) -> list[Order]:
        """Open orders, oldest first."""
        return [order for order in self.open.values() if symbol in (None, order.ask.symbol)]

    def waits(self, symbol: str | None = None) -> list[Algo]:
        """Conditional orders that wait, oldest first."""
        return [algo for algo in self.waiting.values() if symbol in (None, algo.ask.symbol)]

    def keep(self, order: Order) -> None:
        """Enter a new order; the oldest finished ones are forgotten."""
        self.orders[order.id] = self.open[order.id] = self.by_client[order.client_id] = order
        if len(self.orders) > KEPT * 5 // 4:
            for old in [one for one in self.orders.values() if not one.is_open][: KEPT // 4]:
                del self.orders[old.id]
                if self.by_client.get(old.client_id) is old:
                    del self.by_client[old.client_id]

    def await_price(self, algo: Algo) -> None:
        """Enter a new conditional order; the oldest that is over is forgotten where there are too many."""
        self.algos[algo.id] = self.waiting[algo.id] = algo
        if len(self.algos) > KEPT:
            oldest = next((one for one in self.algos.values() if not one.is_open), None)
            if oldest is not None:
                del self.algos[oldest.id]
