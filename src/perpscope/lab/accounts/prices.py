"""The market as accounts meet it: marks, last trades, and the published book with what they have eaten taken off.

In: an exchange's quotations. Out: decimals. The published book does not show these orders and does not know what they
took; so what was taken of a level stays off it here until the market changes that level.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec

from perpscope.analytics.margin_tiers import TierTable
from perpscope.lab.accounts.orders import ZERO
from perpscope.lab.accounts.refusals import Reason, Refused
from perpscope.lab.book import TextLevel
from perpscope.lab.listing import Listing, decimals
from perpscope.lab.quotations import Quotations
from perpscope.model.market import Side

_DEPTH = 1000  # levels a taker may walk through
_Eaten = dict[Decimal, Decimal]


class ContractRules(msgspec.Struct, frozen=True):
    """What orders in one contract have to keep to."""

    symbol: str
    base: str
    quote: str
    tick: Decimal  #: quote per base
    step: Decimal  #: base units
    min_notional: Decimal  #: quote units
    table: TierTable
    price_decimals: int
    size_decimals: int
    is_trading: bool = True  #: False: positions may only be closed
    max_size: Decimal = Decimal(100_000_000)  #: base units
    max_market_size: Decimal = Decimal(10_000_000)  #: likewise, of an order at the market
    max_price: Decimal = Decimal(10_000_000)  #: quote per base
    max_orders: int = 200  #: of one account, conditional ones among them ("both algo and normal orders are counted")
    max_conditional: int = 10  #: of one account


class Prices:
    """Everything accounts ask of the market.

    Args:
        quotations: the market as published.
        table: margin tiers of a contract.
    """

    def __init__(self, quotations: Quotations, table: Callable[[Listing], TierTable]) -> None:
        self._quotations = quotations
        self._rules = {listing.symbol: _rules(listing, table(listing)) for listing in quotations.listings}
        self._eaten: dict[tuple[str, Side], _Eaten] = {}

    @property
    def now_ms(self) -> int:
        """Market time."""
        return self._quotations.now_ms

    @property
    def contracts(self) -> Mapping[str, ContractRules]:
        """By symbol."""
        return self._rules

    def rules(self, symbol: str) -> ContractRules:
        """Of one contract.

        Raises:
            Refused: it is not traded here.
        """
        try:
            return self._rules[symbol]
        except KeyError:
            raise Refused(Reason.UNKNOWN_SYMBOL) from None

    def refilter(
        self,
        symbol: str,
        *,
        tick: Decimal | None = None,
        step: Decimal | None = None,
        min_notional: Decimal | None = None,
        is_trading: bool | None = None,
        max_size: Decimal | None = None,
        max_market_size: Decimal | None = None,
        max_orders: int | None = None,
        max_conditional: int | None = None,
    ) -> None:
        """Change what orders in a contract have to keep to, from now on, and what the catalogue says of it.

        Raises:
            Refused: it is not traded here.
        """
        rules, listing = self.rules(symbol), self._quotations.stand(symbol).listing
        instrument = listing.instrument
        listing.instrument = msgspec.structs.replace(
            instrument,
            tick_size=tick or instrument.tick_size,
            step_size=step or instrument.step_size,
            min_notional=min_notional or instrument.min_notional,
            is_trading=instrument.is_trading if is_trading is None else is_trading,
            max_size=max_size or instrument.max_size,
            max_market_size=max_market_size or instrument.max_market_size,
            max_orders=max_orders or instrument.max_orders,
            max_conditional=max_conditional or instrument.max_conditional,
        )
        self._rules[symbol] = msgspec.structs.replace(
            rules,
            tick=tick or rules.tick,
            step=step or rules.step,
            min_notional=min_notional or rules.min_notional,
            price_decimals=max(rules.price_decimals, decimals(tick or rules.tick)),
            size_decimals=max(rules.size_decimals, decimals(step or rules.step)),
            is_trading=listing.instrument.is_trading,
            max_size=max_size or rules.max_size,
            max_market_size=max_market_size or rules.max_market_size,
            max_orders=max_orders or rules.max_orders,
            max_conditional=max_conditional or rules.max_conditional,
        )

    def mark(self, symbol: str) -> Decimal:
        """The newest mark price, else the middle of the book; quote per base."""
        mark = self._quotations.stand(symbol).mark
        if mark is None:
            bid, ask = self.best(symbol, Side.SELL), self.best(symbol, Side.BUY)
            return (bid + ask) / 2
        return Decimal(f"{mark.mark:.8f}")

    def last(self, symbol: str) -> Decimal:
        """Price of the newest trade, else the mark; quote per base."""
        stand = self._quotations.stand(symbol)
        return Decimal(stand.listing.price(stand.last_trade.price)) if stand.last_trade else self.mark(symbol)

    def best(self, symbol: str, side: Side) -> Decimal:
        """The best price somebody of this side can take; 0 where there is none."""
        return next((Decimal(price) for price, _ in self._opposite(symbol, side, 1)), ZERO)

    def takeable(self, symbol: str, side: Side, limit: Decimal) -> list[tuple[Decimal, Decimal]]:
        """What somebody of this side could take up to a price: (price, base units), best first."""
        eaten = self._eaten.get((symbol, side), {})
        found = []
        for price, size in self._opposite(symbol, side, _DEPTH):
            level = Decimal(price)
            if level > limit if side is Side.BUY else level < limit:
                break
            left = Decimal(size) - eaten.get(level, ZERO)
            if left > 0:
                found.append((level, left))
        return found

    def eat(self, symbol: str, side: Side, price: Decimal, size: Decimal) -> None:
        """Take something off a level, until the market changes it."""
        eaten = self._eaten.setdefault((symbol, side), {})
        eaten[price] = eaten.get(price, ZERO) + size

    def told(self, symbol: str, side: Side, levels: Iterable[TextLevel]) -> None:
        """The market changed these levels that this side takes from: they are whole again."""
        eaten = self._eaten.get((symbol, side))
        if eaten:
            for price, _ in levels:
                eaten.pop(Decimal(price), None)

    def told_anew(self, symbol: str) -> None:
        """The market told its whole book."""
        for side in Side:
            self._eaten.pop((symbol, side), None)

    def resting(self, symbol: str, side: Side, price: Decimal) -> Decimal:
        """Base units the published book shows on a side at a price: what is before somebody who comes now."""
        bids, asks = self._quotations.stand(symbol).book.top(_DEPTH)
        levels = bids if side is Side.BUY else asks
        return next((Decimal(size) for at, size in levels if Decimal(at) == price), ZERO)

    def fundings(self, symbol: str, ts_from_ms: int, ts_to_ms: int) -> list[tuple[int, Decimal, Decimal]]:
        """Payments within [from, to), ms: time, rate and mark price."""
        rows = self._quotations.fundings(symbol, ts_from_ms * 1_000_000, ts_to_ms * 1_000_000)
        return [(row.ts // 1_000_000, Decimal(f"{row.rate:.8f}"), Decimal(f"{row.mark:.8f}")) for row in rows]

    def _opposite(self, symbol: str, side: Side, depth: int) -> Sequence[TextLevel]:
        bids, asks = self._quotations.stand(symbol).book.top(depth)
        return asks if side is Side.BUY else bids


def on_tick(price: Decimal, tick: Decimal, *, up: bool) -> Decimal:
    """The next price that can be asked for, above or below; itself if it is one."""
    return (price / tick).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR) * tick


def _rules(listing: Listing, table: TierTable) -> ContractRules:
    instrument = listing.instrument
    return ContractRules(
        listing.symbol,
        instrument.base,
        instrument.quote,
        instrument.tick_size or Decimal(1).scaleb(-listing.price_decimals),
        instrument.step_size or Decimal(1).scaleb(-listing.size_decimals),
        instrument.min_notional or Decimal(5),
        table,
        listing.price_decimals,
        listing.size_decimals,
        instrument.is_trading,
    )
