"""vectorbt 1.2.0: a sweep over pairs of means, all of them at once as its documentation has it; ns a bar and pair."""

# mypy: disable-error-code="import-not-found,import-untyped,misc,no-untyped-call"

import sys
import warnings

import numpy as np
import pandas as pd
import vectorbt as vbt
from backtests import FEE, answer, bars

warnings.filterwarnings("ignore")
_BARS = bars()
_FAST = [int(word) for word in sys.argv[3].split(",")]
_SLOW = [int(word) for word in sys.argv[4].split(",")]
_CLOSE = pd.Series(
    np.array(_BARS.close), index=pd.date_range("2024-01-01", periods=len(_BARS.close), freq="1min"), name="close"
)


def _backtest() -> int:
    pairs = [(fast, slow) for fast in _FAST for slow in _SLOW]
    fast = vbt.MA.run(_CLOSE, [pair[0] for pair in pairs], short_name="fast")
    slow = vbt.MA.run(_CLOSE, [pair[1] for pair in pairs], short_name="slow")
    portfolio = vbt.Portfolio.from_signals(
        _CLOSE,
        fast.ma_crossed_above(slow),
        None,
        short_entries=fast.ma_crossed_below(slow),
        short_exits=None,
        fees=FEE,
        init_cash=1e9,
        size=1,
        freq="1min",
        upon_opposite_entry="reverse",
    )
    return int(np.asarray(portfolio.total_return()).size)


answer(_backtest, len(_BARS.close) * len(_FAST) * len(_SLOW))
