"""backtesting.py 0.6.6: the crossing of two means over bars."""

# mypy: disable-error-code="import-not-found,import-untyped,misc,no-untyped-call"

import warnings

import pandas as pd
from backtesting import Backtest, Strategy
from backtests import FAST, FEE, SLOW, answer, bars

warnings.filterwarnings("ignore")
_BARS = bars()
_TABLE = pd.DataFrame(
    {name.capitalize(): list(column) for name, column in _BARS._asdict().items()},
    index=pd.date_range("2024-01-01", periods=len(_BARS.close), freq="1min"),
)


def _mean(values: object, length: int) -> object:
    return pd.Series(values).rolling(length).mean()


class Crossing(Strategy):
    """As its own documentation has it."""

    def init(self) -> None:
        """Both means."""
        self.fast = self.I(_mean, self.data.Close, FAST)
        self.slow = self.I(_mean, self.data.Close, SLOW)

    def next(self) -> None:
        """One bar."""
        if self.fast[-1] > self.slow[-1]:
            if not self.position.is_long:
                self.position.close()
                self.buy(size=1)
        elif not self.position.is_short:
            self.position.close()
            self.sell(size=1)


def _backtest() -> int:
    found = Backtest(_TABLE, Crossing, cash=1e9, commission=FEE, finalize_trades=True).run()
    return int(found["# Trades"])


answer(_backtest, len(_BARS.close))
