"""basana 1.11: the crossing of two means over bars, with market orders."""

# mypy: disable-error-code="import-not-found,import-untyped,misc"

import asyncio
import datetime
from decimal import Decimal

import basana as bs
from backtests import Crossing, answer, bars
from basana.backtesting import exchange, fees

_BARS = bars()
_LENGTH = len(_BARS.close)
_PAIR = bs.Pair("BTC", "USDT")
_MINUTE = datetime.timedelta(minutes=1)
_START = datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)


def _amount(value: float) -> Decimal:
    return Decimal(str(round(value, 2)))


class Bars(bs.EventSource):
    """Made of the columns as they are asked for: its bars are of `Decimal`, which is part of its price."""

    def __init__(self) -> None:
        super().__init__()
        self._left = enumerate(zip(*_BARS, strict=True))

    def pop(self) -> object:
        """The next one."""
        at, row = next(self._left, (0, None))
        if row is None:
            return None
        opened, high, low, close, volume = row
        begin = _START + _MINUTE * at
        return bs.BarEvent(
            begin + _MINUTE,
            bs.Bar(
                begin,
                _PAIR,
                _amount(opened),
                _amount(max(high, opened, close)) + Decimal("0.01"),
                _amount(min(low, opened, close)) - Decimal("0.01"),
                _amount(close),
                _amount(volume + 1),
                _MINUTE,
            ),
        )


async def _run() -> int:
    dispatcher = bs.backtesting_dispatcher()
    venue = exchange.Exchange(
        dispatcher,
        {"USDT": Decimal(10**9), "BTC": Decimal(1000)},
        fee_strategy=fees.Percentage(Decimal("0.05")),
    )
    venue.set_pair_info(_PAIR, bs.PairInfo(4, 2))
    venue.add_bar_source(Bars())
    crossing, orders = Crossing(), 0

    async def on_bar(event: bs.BarEvent) -> None:
        nonlocal orders
        change = crossing.change(float(event.bar.close))
        if change:
            orders += 1
            operation = bs.OrderOperation.BUY if change > 0.0 else bs.OrderOperation.SELL
            await venue.create_market_order(operation, _PAIR, Decimal(str(abs(change))))

    venue.subscribe_to_bar_events(_PAIR, on_bar)
    await dispatcher.run(stop_signals=[])
    return orders


answer(lambda: asyncio.run(_run()), _LENGTH)
