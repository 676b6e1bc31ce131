"""hftbacktest 2.4.4: L2 changes and trades through its book by tick, with an order every second or none.

`FILE EVENTS MODE`: the file holds int64 time (ns), kind (0 trade, 1 bid, 2 ask) and tick, and float64 sizes, one column
after the other; MODE is `feed` or `orders`.
"""

# mypy: disable-error-code="import-not-found,misc,no-untyped-call,no-any-return,attr-defined,call-overload"

import sys

import numpy as np
from backtests import answer
from hftbacktest import GTC, LIMIT, BacktestAsset, ROIVectorMarketDepthBacktest
from hftbacktest.types import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    event_dtype,
)
from numba import njit

_LENGTH = int(sys.argv[2])
_TICK = 0.1


def _events() -> np.ndarray:
    with open(sys.argv[1], "rb") as file:
        time, kind, tick = (np.fromfile(file, np.int64, _LENGTH) for _ in range(3))
        size, taker = np.fromfile(file, np.float64, _LENGTH), np.fromfile(file, np.int64, _LENGTH)
    found = np.zeros(_LENGTH, event_dtype)
    found["exch_ts"], found["local_ts"] = time, time + 500_000
    side = np.where(kind == 0, taker > 0, kind == 1)
    what = np.where(kind == 0, TRADE_EVENT, DEPTH_EVENT) | np.where(side, BUY_EVENT, SELL_EVENT)
    found["ev"] = what | EXCH_EVENT | LOCAL_EVENT
    found["px"], found["qty"] = np.round(tick * _TICK, 1), size
    return found


def _depth(events: np.ndarray) -> ROIVectorMarketDepthBacktest:
    asset = (
        BacktestAsset()
        .data([events])
        .linear_asset(1.0)
        .constant_order_latency(10_000_000, 10_000_000)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0002, 0.0005)
        .tick_size(_TICK)
        .lot_size(0.001)
        .last_trades_capacity(0)
        .roi_lb(50_000)
        .roi_ub(70_000)
    )
    return ROIVectorMarketDepthBacktest([asset])


@njit
def _feed(market: object) -> int:
    steps = 0
    while market.elapse(1_000_000_000) == 0:
        steps += 1
    return steps


@njit
def _trade(market: object) -> int:
    steps = orders = 0
    while market.elapse(1_000_000_000) == 0:
        steps += 1
        if steps > 2:
            market.clear_inactive_orders(0)
            depth = market.depth(0)
            if market.position(0) <= 0:
                market.submit_buy_order(0, steps, round(depth.best_ask, 1), 0.001, GTC, LIMIT, False)
            else:
                market.submit_sell_order(0, steps, round(depth.best_bid, 1), 0.001, GTC, LIMIT, False)
            orders += 1
    return orders


_EVENTS = _events()
_ROUND = _trade if sys.argv[3] == "orders" else _feed
_FIRST = _EVENTS[:5_000].copy()  # it reads the array where it lies: somebody has to keep it
_ROUND(_depth(_FIRST))


def _backtest() -> int:
    return int(_ROUND(_depth(_EVENTS)))


answer(_backtest, _LENGTH)
