"""What an account's positions and orders are worth and need: unrealised profit, margins, what is left to trade with.

In: an account and the market's prices. Out: decimals, in quote units, and the liquidation price by the margin engine.
"""

from decimal import Decimal

import msgspec

from perpscope.analytics.margin import LINEAR, Leg, liquidation_price, margin_excess, triggers
from perpscope.analytics.margin_cross import Holding, free_balance, nearest
from perpscope.analytics.margin_tiers import TierTable
from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.orders import ZERO, Held, Order
from perpscope.lab.accounts.positions import Position
from perpscope.lab.accounts.prices import Prices

_CENT = Decimal("1e-8")


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """An account at one moment; quote units."""

    wallet: Decimal
    cross_wallet: Decimal
    unrealised: Decimal  #: of all positions
    cross_unrealised: Decimal
    maintenance: Decimal
    cross_maintenance: Decimal
    position_margin: Decimal  #: initial margin of positions
    order_margin: Decimal  #: initial margin of open orders, beyond the positions'
    available: Decimal  #: to open with, never below 0
    excess: Decimal  #: cross equity less cross maintenance; liquidated at 0


def figures(account: Account, prices: Prices) -> Figures:
    """Sum an account up."""
    cross = account.cross_wallet
    unrealised = cross_unrealised = maintained = cross_maintained = margin = cross_margin = ZERO
    for position in account.positions():
        mark = prices.mark(position.symbol)
        profit, needed = position.unrealised(mark), initial(position, mark)
        kept = maintenance(position, mark, prices.rules(position.symbol).table)
        unrealised += profit
        maintained += kept
        margin += needed
        if not position.is_isolated:
            cross_unrealised += profit
            cross_maintained += kept
            cross_margin += needed
    symbols = dict.fromkeys(order.ask.symbol for order in account.open.values())
    orders = sum((order_margin(account, symbol, prices) for symbol in symbols), ZERO)
    return Figures(
        wallet=account.wallet,
        cross_wallet=cross,
        unrealised=unrealised,
        cross_unrealised=cross_unrealised,
        maintenance=maintained,
        cross_maintenance=cross_maintained,
        position_margin=margin,
        order_margin=orders,
        available=max(ZERO, cross + cross_unrealised - cross_margin - orders),
        excess=cross + cross_unrealised - cross_maintained,
    )


def initial(position: Position, mark: Decimal) -> Decimal:
    """Initial margin of a position at its mark."""
    return abs(position.size) * mark / position.leverage


def maintenance(position: Position, mark: Decimal, table: TierTable) -> Decimal:
    """Maintenance margin of a position at its mark."""
    if not position.size:
        return ZERO
    size = abs(position.size)
    return Decimal(table.maintenance(float(size * mark), float(size))).quantize(_CENT)


def order_margin(account: Account, symbol: str, prices: Prices, more: Order | None = None) -> Decimal:
    """Initial margin of a contract's open orders beyond that of its positions, with one more order if given.

    In one-way mode the larger of both directions counts, position included: max(|P + B|, |P - A|) ÷ L - |P| ÷ L
    (Binance, "Initial margin of futures"); in hedge mode each side needs its own.
    """
    mark = prices.mark(symbol)
    orders = [*account.opens(symbol), *([more] if more else [])]
    needed = ZERO
    for position in account.sides(symbol):
        mine = [order for order in orders if order.ask.held is position.held and not order.ask.reduces]
        bids = sum((order.left * order.price for order in mine if order.sign > 0), ZERO)
        asks = sum((order.left * order.price for order in mine if order.sign < 0), ZERO)
        value = position.size * mark
        if position.held is Held.LONG:
            asks = ZERO
        elif position.held is Held.SHORT:
            bids = ZERO
        needed += (max(abs(value + bids), abs(value - asks)) - abs(value)) / position.leverage
    return needed


def legs(account: Account, symbol: str) -> list[Leg]:
    """A contract's cross positions, as the margin engine takes them."""
    return [position.leg for position in account.positions(symbol) if not position.is_isolated]


def others(account: Account, prices: Prices, symbol: str) -> list[Holding]:
    """The cross positions in all other contracts."""
    names = dict.fromkeys(position.symbol for position in account.positions() if not position.is_isolated)
    return [
        Holding(tuple(legs(account, name)), float(prices.mark(name)), prices.rules(name).table)
        for name in names
        if name != symbol
    ]


def cross_balance(account: Account, prices: Prices, symbol: str) -> float:
    """What the wallet and the other positions leave to a contract's cross positions."""
    return free_balance(float(account.cross_wallet), others(account, prices, symbol))


def price_of_liquidation(account: Account, position: Position, prices: Prices) -> Decimal:
    """Mark price at which it is liquidated; 0 where no price does it, or it is flat."""
    if not position.size:
        return ZERO
    table = prices.rules(position.symbol).table
    mark = float(prices.mark(position.symbol))
    found: float | None
    if position.is_isolated:
        found = liquidation_price(position.leg, float(position.wallet), table, reference=mark)
    else:
        mine = legs(account, position.symbol)
        balance = cross_balance(account, prices, position.symbol)
        trigger = nearest(triggers(mine, balance, [table] * len(mine), LINEAR, mark), mark)
        found = None if trigger is None else trigger.price
    return ZERO if found is None else Decimal(f"{found:.8f}")


def is_isolated_due(position: Position, prices: Prices) -> bool:
    """True if an isolated position no longer has its maintenance margin."""
    table = prices.rules(position.symbol).table
    mark = float(prices.mark(position.symbol))
    return margin_excess([position.leg], float(position.wallet), [table], LINEAR, mark) <= 0.0
