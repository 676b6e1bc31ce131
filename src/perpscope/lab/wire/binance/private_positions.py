"""Positions as Binance's REST writes them, in the fields of each version."""

from decimal import Decimal

from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.checks import only_closes
from perpscope.lab.accounts.figures import initial, maintenance, order_margin, price_of_liquidation
from perpscope.lab.accounts.orders import ZERO
from perpscope.lab.accounts.positions import Position
from perpscope.lab.accounts.prices import ContractRules, Prices
from perpscope.lab.wire.binance.orders_told import Json, average, money, size

_FEES = Decimal("0.0005")  # what break-even counts once more for getting out


def largest(leverage: int, rules: ContractRules) -> str:
    """The largest position at a leverage, quote units."""
    return f"{rules.table.largest(float(leverage)) or 0:.0f}"


def break_even(position: Position) -> Decimal:
    """Entry, and a taker's fee on either end; quote per base."""
    sign = 1 if position.size > 0 else -1
    return position.entry * (1 + sign * 2 * _FEES)


def asked_for(account: Account, position: Position) -> tuple[Decimal, Decimal]:
    """Value of open bids and asks for a position, quote units."""
    mine = [order for order in account.opens(position.symbol) if order.ask.held is position.held]
    bids = sum((one.left * one.price for one in mine if one.sign > 0 and not only_closes(one.ask)), ZERO)
    asks = sum((one.left * one.price for one in mine if one.sign < 0 and not only_closes(one.ask)), ZERO)
    return bids, asks


def isolated_margin(position: Position, mark: Decimal) -> str:
    """Isolated wallet and profit; "0" of a cross position."""
    return money(position.wallet + position.unrealised(mark)) if position.is_isolated and position.size else "0"


def _margins(account: Account, position: Position, prices: Prices) -> Json:
    mark = prices.mark(position.symbol)
    opened = initial(position, mark)
    orders = order_margin(account, position.symbol, prices)
    return {
        "initialMargin": money(opened + orders),
        "maintMargin": money(maintenance(position, mark, prices.rules(position.symbol).table)),
        "positionInitialMargin": money(opened),
        "openOrderInitialMargin": money(orders),
    }


def summed(account: Account, position: Position, prices: Prices) -> Json:
    """One row of v3/account."""
    mark, rules = prices.mark(position.symbol), prices.rules(position.symbol)
    margins = _margins(account, position, prices)
    return {
        "symbol": position.symbol,
        "positionSide": position.held.value,
        "positionAmt": size(position.size, rules),
        "unrealizedProfit": money(position.unrealised(mark)),
        "isolatedMargin": isolated_margin(position, mark),
        "notional": money(position.size * mark),
        "isolatedWallet": money(position.wallet),
        "initialMargin": margins["initialMargin"],
        "maintMargin": margins["maintMargin"],
        "updateTime": position.updated_ms,
    }


def summed_v2(account: Account, position: Position, prices: Prices) -> Json:
    """One row of v2/account."""
    mark, rules = prices.mark(position.symbol), prices.rules(position.symbol)
    bids, asks = asked_for(account, position)
    head: Json = {
        "symbol": position.symbol,
        "unrealizedProfit": money(position.unrealised(mark)),
        "leverage": str(position.leverage),
        "isolated": position.is_isolated,
        "entryPrice": average(position.entry, rules),
        "breakEvenPrice": average(break_even(position), rules),
        "maxNotional": largest(position.leverage, rules),
        "bidNotional": money(bids),
        "askNotional": money(asks),
        "positionSide": position.held.value,
        "positionAmt": size(position.size, rules),
        "notional": money(position.size * mark),
        "isolatedWallet": money(position.wallet),
        "updateTime": position.updated_ms,
    }
    return head | _margins(account, position, prices)


def at_risk(account: Account, position: Position, prices: Prices) -> Json:
    """One row of v3/positionRisk."""
    rules = prices.rules(position.symbol)
    bids, asks = asked_for(account, position)
    tail: Json = {
        "marginAsset": rules.quote,
        "adl": 0,
        "bidNotional": money(bids),
        "askNotional": money(asks),
    }
    return _valued(account, position, prices) | _margins(account, position, prices) | tail


def at_risk_v2(account: Account, position: Position, prices: Prices) -> Json:
    """One row of v2/positionRisk."""
    return _valued(account, position, prices) | {
        "leverage": str(position.leverage),
        "maxNotionalValue": largest(position.leverage, prices.rules(position.symbol)),
        "marginType": "isolated" if position.is_isolated else "cross",
        "isAutoAddMargin": "false",
    }


def _valued(account: Account, position: Position, prices: Prices) -> Json:
    mark, rules = prices.mark(position.symbol), prices.rules(position.symbol)
    return {
        "symbol": position.symbol,
        "positionSide": position.held.value,
        "positionAmt": size(position.size, rules),
        "entryPrice": average(position.entry, rules),
        "breakEvenPrice": average(break_even(position), rules),
        "markPrice": money(mark),
        "unRealizedProfit": money(position.unrealised(mark)),
        "liquidationPrice": money(price_of_liquidation(account, position, prices)),
        "isolatedMargin": isolated_margin(position, mark),
        "notional": money(position.size * mark),
        "isolatedWallet": money(position.wallet),
        "updateTime": position.updated_ms,
    }
