"""Whether an order may be placed: the contract's filters, the account's mode, what there is to reduce, the margin.

In: an ask, the account and the market. Out: nothing, or `Refused`. The order of the checks is that of the venue where
it is known, from the shape of the request to the account's means.
"""

import re
from decimal import Decimal

from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.clerk import House
from perpscope.lab.accounts.figures import figures, order_margin
from perpscope.lab.accounts.orders import ZERO, Ask, Held, Kind, Lasting, Order
from perpscope.lab.accounts.prices import ContractRules, Prices
from perpscope.lab.accounts.refusals import Reason, Refused
from perpscope.model.market import Side

_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_SOONEST_GTD_MS = 600_000
_LATEST_GTD_MS = 253_402_300_799_000
_MARKET_UP = Decimal("1.0005")  # what a market buy is reckoned at, over the best ask


def only_closes(ask: Ask) -> bool:
    """True if it can open nothing: reduce-only, or against its own side in hedge mode."""
    against = {Held.LONG: Side.SELL, Held.SHORT: Side.BUY}.get(ask.held)
    return ask.reduces or ask.closes or ask.side is against


def direction(ask: Ask) -> int:
    """1 for what buys, -1 for what sells."""
    return 1 if ask.side is Side.BUY else -1


def check_shape(account: Account, ask: Ask, prices: Prices) -> None:
    """Everything that needs no price of the market.

    Raises:
        Refused: it is not fit to be asked.
    """
    rules = prices.rules(ask.symbol)
    if not rules.is_trading and not only_closes(ask):
        raise Refused(Reason.NOT_TRADING)
    if ask.client_id and not _CLIENT_ID.fullmatch(ask.client_id):
        raise Refused(Reason.CLIENT_ID)
    if (ask.held is not Held.BOTH) is not account.is_hedged:
        raise Refused(Reason.WRONG_HELD)
    if account.is_hedged and ask.reduces:
        raise Refused(Reason.REDUCE_ONLY_HEDGED)
    _check_size(ask, rules)
    if ask.kind.then is Kind.LIMIT:
        if ask.price is None:
            raise Refused(Reason.PRICE_MISSING, "price")
        check_price(ask.price, rules)
    elif ask.price is not None:
        raise Refused(Reason.PRICE_NOT_WANTED, "price")
    for price in (ask.trigger, ask.activation):
        if price is not None:
            check_price(price, rules)
    if ask.lasting is Lasting.GTD and not _is_soon_enough(ask, prices):
        raise Refused(Reason.GOOD_TILL)


def _is_soon_enough(ask: Ask, prices: Prices) -> bool:
    return prices.now_ms + _SOONEST_GTD_MS < ask.good_till_ms < _LATEST_GTD_MS


def _check_size(ask: Ask, rules: ContractRules) -> None:
    if ask.closes:
        if ask.size is not None:
            raise Refused(Reason.SIZE_NOT_WANTED)
        return
    if ask.size is None:
        raise Refused(Reason.SIZE_MISSING, "quantity")
    if ask.size <= 0:
        raise Refused(Reason.SIZE_NOT_POSITIVE)
    if ask.size % rules.step:
        raise Refused(Reason.SIZE_PRECISION)
    if ask.size > (rules.max_market_size if ask.kind.then is Kind.MARKET else rules.max_size):
        raise Refused(Reason.SIZE_TOO_LARGE)


def check_price(price: Decimal, rules: ContractRules) -> None:
    """Hold a price against a contract's price filter.

    Raises:
        Refused: it does not fit.
    """
    if price <= 0:
        raise Refused(Reason.PRICE_NOT_POSITIVE)
    if price != round(price, rules.price_decimals):
        raise Refused(Reason.PRICE_PRECISION)
    if price % rules.tick:
        raise Refused(Reason.PRICE_OFF_TICK)
    if price > rules.max_price:
        raise Refused(Reason.PRICE_TOO_HIGH, format(rules.max_price, "f"))


def check_market(ask: Ask, prices: Prices, house: House) -> None:
    """Hold a plain order against the mark price and the book.

    Raises:
        Refused: its price is too far off, it is worth too little, or there is nobody to trade with.
    """
    rules, mark = prices.rules(ask.symbol), prices.mark(ask.symbol)
    if ask.price is None:
        if not prices.takeable(ask.symbol, ask.side, bound(ask, mark, house)):
            raise Refused(Reason.NO_LIQUIDITY)
    else:
        highest = round(mark * (1 + house.price_band), rules.price_decimals)
        lowest = round(mark * (1 - house.price_band), rules.price_decimals)
        if ask.side is Side.BUY and ask.price > highest:
            raise Refused(Reason.PRICE_TOO_HIGH, str(highest))
        if ask.side is Side.SELL and ask.price < lowest:
            raise Refused(Reason.PRICE_TOO_LOW, str(lowest))
    value = (ask.size or ZERO) * (mark if ask.price is None else ask.price)
    if value < rules.min_notional and not only_closes(ask):
        raise Refused(Reason.NOTIONAL, format(rules.min_notional.normalize(), "f"))


def bound(ask: Ask, mark: Decimal, house: House) -> Decimal:
    """The worst price an order may be filled at: its own, or where a market order stops."""
    if ask.price is not None:
        return ask.price
    return mark * (1 + direction(ask) * house.take_bound)


def check_reduction(account: Account, ask: Ask) -> None:
    """Hold an order that only closes against what there is to close.

    Raises:
        Refused: nothing, or other orders close all of it already.
    """
    if not only_closes(ask):
        return
    left = account.position(ask.symbol, ask.held).reducible(direction(ask))
    if not left:
        raise Refused(Reason.REDUCE_ONLY)
    taken = sum(
        (
            order.left
            for order in account.opens(ask.symbol)
            if order.ask.side is ask.side and order.ask.held is ask.held and only_closes(order.ask)
        ),
        ZERO,
    )
    if taken >= left:
        raise Refused(Reason.REDUCE_ONLY_USED)


def check_means(account: Account, order: Order, prices: Prices) -> None:
    """Hold an order against the account's margin, its bracket, and how many orders it may have.

    Args:
        account: whose.
        order: not yet entered; of a market order the price is what it is reckoned at (`reckoned`).
        prices: the market.

    Raises:
        Refused: too many orders, too large a position for its leverage, or too little margin.
    """
    ask = order.ask
    if len(account.opens(ask.symbol)) + len(account.waits(ask.symbol)) >= prices.rules(ask.symbol).max_orders:
        raise Refused(Reason.TOO_MANY_ORDERS)
    if only_closes(ask):
        return
    mark, position = prices.mark(ask.symbol), account.position(ask.symbol, ask.held)
    opening = order.size - position.reducible(order.sign)
    if opening <= 0:
        return
    pending = sum((one.left * one.price for one in account.opens(ask.symbol) if one.sign == order.sign), ZERO)
    same_way = abs(position.size) * mark if position.size * order.sign > 0 else ZERO
    largest = prices.rules(ask.symbol).table.largest(float(position.leverage))
    if largest is not None and float(same_way + pending + opening * order.price) > largest:
        raise Refused(Reason.BRACKET)
    needed = order_margin(account, ask.symbol, prices, order) - order_margin(account, ask.symbol, prices)
    needed += max(ZERO, order.sign * (order.price - mark)) * opening
    if needed > figures(account, prices).available:
        raise Refused(Reason.MARGIN)


def reckoned(ask: Ask, prices: Prices) -> Decimal:
    """The price an order's margin is reckoned at: its own, or near the best one for a market order."""
    if ask.price is not None:
        return ask.price
    best = prices.best(ask.symbol, ask.side)
    return best * _MARKET_UP if ask.side is Side.BUY else max(best, prices.mark(ask.symbol))
