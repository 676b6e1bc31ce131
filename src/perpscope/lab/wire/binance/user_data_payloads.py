"""User data events of Binance USD-M: what an account is told, as JSON; fields as in the SDK 18 models of its streams.

`E` is when it was told and `T` when it happened; in the lab both are the market time of the change.
"""

import msgspec

from perpscope.lab.accounts.account import Account
from perpscope.lab.accounts.figures import maintenance
from perpscope.lab.accounts.orders import ZERO, Algo
from perpscope.lab.accounts.positions import Position
from perpscope.lab.accounts.prices import Prices
from perpscope.lab.accounts.told import OrderTold, WalletTold
from perpscope.lab.wire.binance.orders_told import Json, average, money, order_type, price, size
from perpscope.lab.wire.binance.private_positions import asked_for, break_even


def order_update(account: Account, told: OrderTold, prices: Prices) -> bytes:
    """`ORDER_TRADE_UPDATE`."""
    order, fill, rules = told.order, told.fill, prices.rules(told.order.ask.symbol)
    ask, algo = order.ask, told.order.triggered_by
    bids, asks = asked_for(account, account.position(ask.symbol, ask.held))
    body: Json = {
        "s": ask.symbol,
        "c": order.client_id,
        "S": ask.side.value,
        "o": ask.kind.value,
        "f": ask.lasting.value,
        "q": size(order.size, rules),
        "p": price(order.price, rules),
        "ap": average(order.average, rules),
        "sp": price(algo.ask.trigger if algo else None, rules),
        "x": told.turn.value,
        "X": order.status.value,
        "i": order.id,
        "l": size(fill.size if fill else ZERO, rules),
        "z": size(order.filled, rules),
        "L": price(fill.price if fill else None, rules),
        "n": money(fill.fee if fill else ZERO),
        "N": (fill.fee_coin if fill else "") or rules.quote,
        "T": order.updated_ms,
        "t": fill.id if fill else 0,
        "b": money(bids),
        "a": money(asks),
        "m": fill is not None and fill.is_maker,
        "R": ask.reduces,
        "wt": "MARK_PRICE" if algo is not None and algo.ask.by_mark else "CONTRACT_PRICE",
        "ot": order_type(order),
        "ps": ask.held.value,
        "cp": algo is not None and algo.ask.closes,
        "rp": money(fill.realised if fill else ZERO),
        "pP": algo is not None and algo.ask.is_protected,
        "si": 0,
        "ss": 0,
        "V": ask.self_trade,
        "pm": ask.price_match,
        "gtd": ask.good_till_ms,
        "er": order.reason,
    }
    return _event("ORDER_TRADE_UPDATE", prices.now_ms, order.updated_ms, o=body)


def trade_lite(told: OrderTold, prices: Prices) -> bytes:
    """`TRADE_LITE`: a fill, with little around it."""
    order, fill = told.order, told.fill
    rules = prices.rules(order.ask.symbol)
    body: Json = {
        "s": order.ask.symbol,
        "q": size(order.size, rules),
        "p": price(order.price, rules),
        "m": fill is not None and fill.is_maker,
        "c": order.client_id,
        "S": order.ask.side.value,
        "L": price(fill.price if fill else None, rules),
        "l": size(fill.size if fill else ZERO, rules),
        "t": fill.id if fill else 0,
        "i": order.id,
    }
    return _event("TRADE_LITE", prices.now_ms, order.updated_ms, **body)


def account_update(account: Account, told: WalletTold, prices: Prices) -> bytes:
    """`ACCOUNT_UPDATE`. Funding of a cross position tells the wallet alone, of an isolated one its position too."""
    positions = told.positions
    if told.reason == "FUNDING_FEE":
        positions = tuple(one for one in positions if one.is_isolated)
    balance: Json = {
        "a": "USDT",
        "wb": money(account.wallet),
        "cw": money(account.cross_wallet),
        "bc": money(told.change),
    }
    held = account.coins.items() if told.reason == "ORDER" else ()
    coins: list[Json] = [{"a": coin, "wb": money(has), "cw": money(has), "bc": "0"} for coin, has in held]
    body: Json = {"m": told.reason, "B": [balance, *coins], "P": [_position(account, one, prices) for one in positions]}
    return _event("ACCOUNT_UPDATE", prices.now_ms, prices.now_ms, a=body)


def _position(account: Account, position: Position, prices: Prices) -> Json:
    rules = prices.rules(position.symbol)
    return {
        "s": position.symbol,
        "pa": size(position.size, rules),
        "ep": average(position.entry, rules),
        "bep": average(break_even(position), rules),
        "cr": money(account.earned.get(position.symbol, ZERO)),
        "up": money(position.unrealised(prices.mark(position.symbol))),
        "mt": "isolated" if position.is_isolated else "cross",
        "iw": money(position.wallet),
        "ps": position.held.value,
    }


def algo_update(algo: Algo, prices: Prices) -> bytes:
    """`ALGO_UPDATE`."""
    ask, became, rules = algo.ask, algo.order, prices.rules(algo.ask.symbol)
    body: Json = {
        "caid": algo.client_id,
        "aid": algo.id,
        "at": "CONDITIONAL",
        "o": ask.kind.value,
        "s": ask.symbol,
        "S": ask.side.value,
        "ps": ask.held.value,
        "f": ask.lasting.value,
        "q": size(ask.size, rules),
        "X": algo.status.value,
        "ai": str(became.id) if became else "",
        "ap": average(became.average if became else ZERO, rules),
        "aq": size(became.filled if became else ZERO, rules),
        "act": became.ask.kind.value if became else "0",
        "tp": price(ask.trigger, rules),
        "p": price(ask.price, rules),
        "V": ask.self_trade,
        "wt": "MARK_PRICE" if ask.by_mark else "CONTRACT_PRICE",
        "pm": ask.price_match,
        "cp": ask.closes,
        "pP": ask.is_protected,
        "R": ask.reduces,
        "tt": algo.triggered_ms,
        "gtd": ask.good_till_ms,
        "rm": algo.reason,
    }
    if ask.callback_pct is not None:
        body["ia"] = algo.extreme is not None
    return _event("ALGO_UPDATE", prices.now_ms, algo.updated_ms, o=body)


def margin_call(account: Account, positions: tuple[Position, ...], prices: Prices) -> bytes:
    """`MARGIN_CALL`."""
    rows = [
        {
            "s": one.symbol,
            "ps": one.side.value,
            "pa": size(abs(one.size), prices.rules(one.symbol)),
            "mt": "ISOLATED" if one.is_isolated else "CROSSED",
            "iw": money(one.wallet),
            "mp": money(prices.mark(one.symbol)),
            "up": money(one.unrealised(prices.mark(one.symbol))),
            "mm": money(maintenance(one, prices.mark(one.symbol), prices.rules(one.symbol).table)),
        }
        for one in positions
    ]
    return msgspec.json.encode({"e": "MARGIN_CALL", "E": prices.now_ms, "cw": money(account.cross_wallet), "p": rows})


def leverage_update(symbol: str, leverage: int, now_ms: int) -> bytes:
    """`ACCOUNT_CONFIG_UPDATE` of a contract's leverage."""
    return _event("ACCOUNT_CONFIG_UPDATE", now_ms, now_ms, ac={"s": symbol, "l": leverage})


def assets_update(is_multi_asset: bool, now_ms: int) -> bytes:
    """`ACCOUNT_CONFIG_UPDATE` of the assets mode."""
    return _event("ACCOUNT_CONFIG_UPDATE", now_ms, now_ms, ai={"j": is_multi_asset})


def expired(listen_key: str, now_ms: int) -> bytes:
    """`listenKeyExpired`."""
    return msgspec.json.encode({"e": "listenKeyExpired", "E": now_ms, "listenKey": listen_key})


def _event(name: str, told_ms: int, happened_ms: int, **body: object) -> bytes:
    return msgspec.json.encode({"e": name, "E": told_ms, "T": happened_ms} | body)
