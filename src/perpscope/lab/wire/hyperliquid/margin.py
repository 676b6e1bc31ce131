"""What an account is worth and at which prices it would lose its positions: `clearinghouseState`.

In: an account's books and the mark prices. Out: the reply, its liquidation prices by the venue's documented formula.
"""

from collections.abc import Callable

from perpscope.lab.wire.hyperliquid.clearinghouse import Account, Position
from perpscope.lab.wire.hyperliquid.listings import ASSETS, maintenance, written

_SUMMARY = ("accountValue", "totalNtlPos", "totalRawUsd", "totalMarginUsed")


def liquidation_price(mark: float, szi: float, margin_available: float, maintenance_leverage: float) -> float | None:
    """At which mark price a position is liquidated, after the venue's documentation.

    `price - side * margin_available / position_size / (1 - l * side)`, `l = 1 / maintenance_leverage`.

    Args:
        mark: quote per base, now.
        szi: base units, below zero for a short; not zero.
        margin_available: USDC above the maintenance margin: of the account, or of the isolated position.
        maintenance_leverage: twice the maximum leverage of the position's tier.

    Returns:
        Quote per base; None if no price above zero would do it.
    """
    side = 1 if szi > 0 else -1
    price = mark - side * margin_available / abs(szi) / (1 - side / maintenance_leverage)
    return price if price > 0 else None


def state(account: Account | None, mark: Callable[[str], float], now_ms: int) -> dict[str, object]:
    """`clearinghouseState` of an account; of one nobody has heard of, an empty one.

    Args:
        account: whose.
        mark: the mark price of a coin.
        now_ms: market time.
    """
    held = {} if account is None else account.positions
    cash = 0.0 if account is None else account.cash
    cross = {coin: position for coin, position in held.items() if position.raw_usd is None}
    cross_value = cash + sum(position.szi * mark(coin) for coin, position in cross.items())
    required = sum(_required(coin, position, mark(coin)) for coin, position in cross.items())
    rows = [
        _position(coin, position, mark(coin), cross_value - required, is_cross=coin in cross)
        for coin, position in sorted(held.items(), key=lambda item: _place(item[0]))
    ]
    margins = {coin: abs(position.szi) * mark(coin) / position.leverage for coin, position in cross.items()}
    isolated = [(coin, position) for coin, position in held.items() if position.raw_usd is not None]
    isolated_raw = sum(position.raw_usd or 0.0 for _, position in isolated)
    isolated_value = isolated_raw + sum(position.szi * mark(coin) for coin, position in isolated)
    cross_notional = sum(abs(position.szi) * mark(coin) for coin, position in cross.items())
    notional = cross_notional + sum(abs(position.szi) * mark(coin) for coin, position in isolated)
    used = sum(margins.values())
    return {
        "marginSummary": _summary(cross_value + isolated_value, notional, cash + isolated_raw, used + isolated_value),
        "crossMarginSummary": _summary(cross_value, cross_notional, cash, used),
        "crossMaintenanceMarginUsed": written(required, 6),
        "withdrawable": written(max(0.0, cross_value - used), 6),
        "assetPositions": rows,
        "time": now_ms,
    }


def _required(coin: str, position: Position, mark: float) -> float:
    notional = abs(position.szi) * mark
    rate, deduction = maintenance(coin, notional)
    return notional * rate - deduction


def _summary(value: float, notional: float, raw: float, used: float) -> dict[str, str]:
    return {name: written(usd, 6) for name, usd in zip(_SUMMARY, (value, notional, raw, used), strict=True)}


def _position(coin: str, held: Position, mark: float, available: float, *, is_cross: bool) -> dict[str, object]:
    notional = abs(held.szi) * mark
    leverage: dict[str, object] = {"type": "cross", "value": held.leverage}
    margin = notional / held.leverage
    if not is_cross and held.raw_usd is not None:
        leverage = {"type": "isolated", "value": held.leverage, "rawUsd": written(held.raw_usd, 6)}
        margin = held.raw_usd + held.szi * mark
        available = margin - _required(coin, held, mark)
    rate, _ = maintenance(coin, notional)
    price = liquidation_price(mark, held.szi, available, 1 / rate)
    profit = held.szi * (mark - held.entry)
    return {
        "type": "oneWay",
        "position": {
            "coin": coin,
            "szi": written(held.szi, ASSETS[coin].sz_decimals),
            "leverage": leverage,
            "entryPx": written(held.entry, 6),
            "positionValue": written(notional, 6),
            "unrealizedPnl": written(profit, 6),
            "returnOnEquity": written(profit / (abs(held.szi) * held.entry / held.leverage), 10),
            "liquidationPx": None if price is None else written(price, 10),
            "marginUsed": written(margin, 6),
            "maxLeverage": ASSETS[coin].max_leverage,
            "cumFunding": {"allTime": "0.0", "sinceOpen": "0.0", "sinceChange": "0.0"},
        },
    }


def _place(coin: str) -> tuple[int, str]:
    """Where a coin stands in the catalogue; made-up ones come last, by name."""
    return (list(ASSETS).index(coin) if coin in ASSETS else len(ASSETS), coin)
