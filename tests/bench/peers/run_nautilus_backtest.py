"""nautilus_trader 1.221.0: the crossing of two means, `bars` without orders, or `ticks` with market orders.

Its margin account fails on bars with orders ("total - locked != free"), so orders are measured on trade ticks, one a
bar.
"""

# mypy: disable-error-code="import-not-found,import-untyped,misc,no-untyped-call"

import sys

import numpy as np
import pandas as pd
from backtests import Crossing, answer, bars
from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import LoggingConfig
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import Bar, BarType, TradeTick
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.objects import Money
from nautilus_trader.persistence.wranglers import BarDataWrangler, TradeTickDataWrangler
from nautilus_trader.test_kit.providers import TestInstrumentProvider
from nautilus_trader.trading.strategy import Strategy

_BARS = bars()
_LENGTH = len(_BARS.close)
_IS_TICKS = sys.argv[3] == "ticks"
_CONTRACT = TestInstrumentProvider.btcusdt_perp_binance()
_KIND = BarType.from_str(f"{_CONTRACT.id}-1-MINUTE-LAST-EXTERNAL")
_INDEX = pd.date_range("2024-01-01", periods=_LENGTH, freq="1min", tz="UTC")
if _IS_TICKS:
    _TICKS = pd.DataFrame(
        {
            "price": np.round(np.array(_BARS.close), 1),
            "quantity": 1.0,
            "buyer_maker": False,
            "trade_id": np.arange(_LENGTH).astype(str),
        },
        index=_INDEX,
    )
    _DATA = TradeTickDataWrangler(_CONTRACT).process(_TICKS)
else:
    _TABLE = pd.DataFrame({name: np.array(column) for name, column in _BARS._asdict().items()}, index=_INDEX)
    _DATA = BarDataWrangler(_KIND, _CONTRACT).process(_TABLE.round(1))


class Crossed(Strategy):
    """Orders with each crossing, where it may."""

    def on_start(self) -> None:
        """Subscribe."""
        self.crossing, self.orders = Crossing(), 0
        if _IS_TICKS:
            self.subscribe_trade_ticks(_CONTRACT.id)
        else:
            self.subscribe_bars(_KIND)

    def on_bar(self, bar: Bar) -> None:
        """One bar, without orders."""
        self.crossing.change(float(bar.close))

    def on_trade_tick(self, tick: TradeTick) -> None:
        """One tick, with orders."""
        change = self.crossing.change(float(tick.price))
        if change:
            self.orders += 1
            side = OrderSide.BUY if change > 0.0 else OrderSide.SELL
            self.submit_order(self.order_factory.market(_CONTRACT.id, side, _CONTRACT.make_qty(abs(change))))


def _backtest() -> int:
    engine = BacktestEngine(config=BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True)))
    engine.add_venue(
        venue=_CONTRACT.id.venue,
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        base_currency=None,
        starting_balances=[Money(100_000_000, USDT)],
    )
    engine.add_instrument(_CONTRACT)
    strategy = Crossed()
    engine.add_strategy(strategy)
    engine.add_data(_DATA)
    engine.run()
    orders = strategy.orders
    engine.dispose()
    return int(orders)


answer(_backtest, _LENGTH)
