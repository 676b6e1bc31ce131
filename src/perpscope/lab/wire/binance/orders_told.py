"""Orders, fills and conditional orders as Binance's REST writes them.

Since 2026-07-15 the answer to a placed order has no average price and no quote sum: they stand in queries only.
"""

from decimal import Decimal

from perpscope.lab.accounts.orders import Algo, Fill, Order
from perpscope.lab.accounts.prices import ContractRules
from perpscope.model.market import Side

Json = dict[str, object]


def price(value: Decimal | None, rules: ContractRules) -> str:
    """A price with the contract's decimals; "0" for none."""
    return f"{value:.{rules.price_decimals}f}" if value else "0"


def size(value: Decimal | None, rules: ContractRules) -> str:
    """A size with the contract's decimals."""
    return f"{value or 0:.{rules.size_decimals}f}"


def money(value: Decimal) -> str:
    """An amount with eight decimals."""
    return f"{value:.8f}"


def average(value: Decimal, rules: ContractRules) -> str:
    """An average price: a few more decimals than a price."""
    return f"{value:.{rules.price_decimals + 4}f}"


def order_type(order: Order) -> str:
    """What was asked for at first: the conditional kind, if it came from one."""
    return order.triggered_by.ask.kind.value if order.triggered_by else order.ask.kind.value


def acknowledged(order: Order, rules: ContractRules) -> Json:
    """The answer to a request that changes an order."""
    ask = order.ask
    algo = order.triggered_by
    return {
        "orderId": order.id,
        "symbol": ask.symbol,
        "status": order.status.value,
        "clientOrderId": order.client_id,
        "price": price(order.price, rules),
        "origQty": size(order.size, rules),
        "executedQty": size(order.filled, rules),
        "cumQty": size(order.filled, rules),
        "timeInForce": ask.lasting.value,
        "type": ask.kind.value,
        "reduceOnly": ask.reduces,
        "closePosition": algo is not None and algo.ask.closes,
        "side": ask.side.value,
        "positionSide": ask.held.value,
        "stopPrice": price(algo.ask.trigger if algo else None, rules),
        "workingType": "MARK_PRICE" if algo is not None and algo.ask.by_mark else "CONTRACT_PRICE",
        "priceProtect": algo is not None and algo.ask.is_protected,
        "origType": order_type(order),
        "priceMatch": ask.price_match,
        "selfTradePreventionMode": ask.self_trade,
        "goodTillDate": ask.good_till_ms,
        "updateTime": order.updated_ms,
    }


def queried(order: Order, rules: ContractRules) -> Json:
    """An order as it is asked for."""
    told = acknowledged(order, rules)
    del told["cumQty"]
    return told | {
        "avgPrice": average(order.average, rules),
        "cumQuote": money(order.quote),
        "time": order.created_ms,
    }


def traded(fill: Fill, rules: ContractRules) -> Json:
    """One row of `/fapi/v1/userTrades`."""
    return {
        "symbol": fill.symbol,
        "id": fill.id,
        "orderId": fill.order_id,
        "side": fill.side.value,
        "price": price(fill.price, rules),
        "qty": size(fill.size, rules),
        "realizedPnl": money(fill.realised),
        "marginAsset": rules.quote,
        "quoteQty": money(fill.price * fill.size),
        "commission": money(fill.fee),
        "commissionAsset": fill.fee_coin or rules.quote,
        "time": fill.ts_ms,
        "positionSide": fill.held.value,
        "buyer": fill.side is Side.BUY,
        "maker": fill.is_maker,
    }


def waiting(algo: Algo, rules: ContractRules) -> Json:
    """The answer to a conditional order that was placed."""
    ask = algo.ask
    told: Json = {
        "algoId": algo.id,
        "clientAlgoId": algo.client_id,
        "algoType": "CONDITIONAL",
        "orderType": ask.kind.value,
        "symbol": ask.symbol,
        "side": ask.side.value,
        "positionSide": ask.held.value,
        "timeInForce": ask.lasting.value,
        "quantity": size(ask.size, rules),
        "algoStatus": algo.status.value,
        "triggerPrice": price(ask.trigger, rules),
        "price": price(ask.price, rules),
        "icebergQuantity": None,
        "selfTradePreventionMode": ask.self_trade,
        "workingType": "MARK_PRICE" if ask.by_mark else "CONTRACT_PRICE",
        "priceMatch": ask.price_match,
        "closePosition": ask.closes,
        "priceProtect": ask.is_protected,
        "reduceOnly": ask.reduces,
        "createTime": algo.created_ms,
        "updateTime": algo.updated_ms,
        "triggerTime": algo.triggered_ms,
        "goodTillDate": ask.good_till_ms,
    }
    if ask.callback_pct is not None:
        told["activatePrice"] = price(ask.activation, rules)
        told["callbackRate"] = format(ask.callback_pct.normalize(), "f")
    return told


def waited(algo: Algo, rules: ContractRules) -> Json:
    """A conditional order as it is asked for."""
    became = algo.order
    return waiting(algo, rules) | {
        "actualOrderId": str(became.id) if became else "",
        "actualPrice": average(became.average, rules) if became else "0",
        "actualQty": size(became.filled, rules) if became else "0",
        "actualType": became.ask.kind.value if became else "",
        "tpTriggerPrice": "0",
        "tpPrice": "0",
        "slTriggerPrice": "0",
        "slPrice": "0",
        "tpOrderType": "",
    }
