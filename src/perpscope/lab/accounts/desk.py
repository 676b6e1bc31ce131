"""The exchange's desk for accounts: opens them, takes their requests, and lets the market act on them.

In: requests, and everything the exchange publishes, as it publishes it. Out: `Account`s, and events to whoever listens.
`suffer` lets things go wrong between a customer and this desk.
"""

from collections.abc import Callable
from decimal import Decimal

from perpscope.analytics.margin_tiers import TierTable
from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.clerk import Clerk, House
from perpscope.lab.accounts.closing import DELEVERAGED, Closing
from perpscope.lab.accounts.conditional import Waiting
from perpscope.lab.accounts.matching import Matching
from perpscope.lab.accounts.misfortunes import Misfortune, Misfortunes
from perpscope.lab.accounts.orders import Held, Lasting, Status
from perpscope.lab.accounts.prices import Prices
from perpscope.lab.accounts.settings import Settings
from perpscope.lab.accounts.told import Listener
from perpscope.lab.happening import Happening
from perpscope.lab.listing import Listing
from perpscope.lab.quotations import Quotations, Stand
from perpscope.model.market import BookDelta, BookSnapshot, MarkPrice, Side, Trade

#: An account that is open from the start, so that a client can be tried out. For tests only: it is no secret.
LAB_KEY = "perpscopelabkeyfortestingonly"
LAB_SECRET = "perpscopelabsecretfortestingonly"  # noqa: S105 (as it says)
LAB_BALANCE = Decimal(10_000)


class Accounts:
    """Every account of one exchange.

    Args:
        quotations: the market as published.
        table: margin tiers of a contract.
        house: the exchange's terms.
    """

    def __init__(
        self, quotations: Quotations, table: Callable[[Listing], TierTable], house: House | None = None
    ) -> None:
        self.house = house or House()
        self.prices = Prices(quotations, table)
        self.misfortunes = Misfortunes()
        self.by_key: dict[str, Account] = {}
        self.clerk = Clerk(self.prices, self.house)
        everybody = self.by_key.values()
        self.matching = Matching(self.clerk, self.prices, everybody)
        self.waiting = Waiting(self.clerk, self.prices, self.matching, everybody)
        self.closing = Closing(self.clerk, self.prices, self.matching, everybody)
        self.settings = Settings(self.clerk, self.prices)
        self._funded_ms: dict[str, int] = {}  # next payment of each contract
        self._marks: dict[str, tuple[Decimal, Decimal]] = {}  # rate and mark told last
        self.open(LAB_KEY, LAB_SECRET, LAB_BALANCE)

    # whoever runs the lab ------------------------------------------------------------------------------------------

    def open(self, key: str, secret: str, balance: Decimal | float | str = LAB_BALANCE) -> Account:
        """Open an account, or replace the one of this key.

        Args:
            key: what requests name it by.
            secret: what they are signed with.
            balance: quote units.
        """
        account = Account(key, secret, Decimal(str(balance)), self.house.leverage)
        self.by_key[key] = account
        return account

    def listen(self, listener: Listener) -> None:
        """Be told everything that happens to any account, at the moment it happens."""
        self.clerk.listeners.append(listener)

    def suffer(self, misfortune: Misfortune) -> None:
        """Let something go wrong with the next requests it is about."""
        self.misfortunes.add(misfortune)

    def transfer(self, account: Account, amount: Decimal) -> None:
        """Pay into an account, or out of it where the amount is below 0."""
        self.clerk.pay_and_tell(account, "TRANSFER", amount, (), "DEPOSIT" if amount >= 0 else "WITHDRAW")

    def pay_fees_in(
        self, account: Account, coin: str, balance: Decimal | float | str, price: Decimal | None = None
    ) -> None:
        """Let an account pay its fees in another coin from now on, as long as it has enough of it.

        Args:
            account: whose.
            coin: such as "BNB"; empty = in the quote again.
            balance: of the coin, that it has.
            price: quote units of one; None = the mark of its contract, which has to be listed.

        Raises:
            Refused: its contract is not listed, and no price is given.
        """
        if coin and price is None:
            self.prices.rules(f"{coin}USDT")
        account.fee_coin, account.fee_price = coin, price
        if coin:
            account.coins[coin] = Decimal(str(balance))

    def deleverage(self, account: Account, symbol: str, held: Held = Held.BOTH) -> None:
        """Close a position at the mark, as if somebody else's bankruptcy had come to it."""
        self.closing.force(account, account.position(symbol, held), DELEVERAGED)

    # what is published ---------------------------------------------------------------------------------------------

    def hear(self, stand: Stand, event: Happening) -> None:
        """Something was published; `stand` knows it already."""
        symbol = stand.listing.symbol
        match event:
            case Trade():
                if not self.matching.is_idle:
                    price, contracts = stand.listing.price(event.price), stand.listing.size(event.size)
                    size = Decimal(contracts) * stand.listing.instrument.contract_size
                    self.matching.trade(symbol, event.side, Decimal(price), size)
                self.waiting.priced(symbol, by_mark=False)
            case BookDelta() | BookSnapshot():
                self._book(stand, event)
            case MarkPrice():
                self._mark(symbol, event)
            case _:
                pass

    def _book(self, stand: Stand, event: BookDelta | BookSnapshot) -> None:
        symbol = stand.listing.symbol
        bids, asks = stand.bids, stand.asks
        if isinstance(event, BookSnapshot):
            self.prices.told_anew(symbol)
            bids, asks = stand.book.top(1000)
        else:
            self.prices.told(symbol, Side.SELL, bids)
            self.prices.told(symbol, Side.BUY, asks)
        self.matching.levels(symbol, Side.BUY, bids)
        self.matching.levels(symbol, Side.SELL, asks)

    def _mark(self, symbol: str, mark: MarkPrice) -> None:
        now_ms = mark.ts_event // 1_000_000
        due_ms = self._funded_ms.get(symbol)
        if due_ms is not None and now_ms >= due_ms:
            told = self.prices.fundings(symbol, due_ms, now_ms + 1) or [(due_ms, *self._marks[symbol])]
            for _, rate, price in told:
                self.closing.fund(symbol, rate, price)
        if mark.ts_next_funding is not None:
            self._funded_ms[symbol] = mark.ts_next_funding // 1_000_000
        self._marks[symbol] = (Decimal(f"{mark.funding_rate or 0.0:.8f}"), Decimal(f"{mark.mark:.8f}"))
        self.waiting.priced(symbol, by_mark=True)
        self.closing.examine(symbol)

    def pass_time(self, now_ms: int) -> None:
        """End what had a time to end at."""
        for account in self.by_key.values():
            if not (account.open or account.waiting or account.countdowns):
                continue
            self.waiting.pass_time(account, now_ms)
            for order in account.opens():
                if order.ask.lasting is Lasting.GTD and order.ask.good_till_ms <= now_ms:
                    self.matching.end(account, order, Status.EXPIRED)
            for symbol, due_ms in tuple(account.countdowns.items()):
                if due_ms <= now_ms:
                    del account.countdowns[symbol]
                    for order in account.opens(symbol):
                        self.matching.cancel(account, order)
