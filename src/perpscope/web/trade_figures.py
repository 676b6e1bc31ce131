"""Runs on paper and live as figures for Prometheus: how they do, and how long their orders take."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from perpscope.app.answers.trade import read_trade
from perpscope.feeds.clock import wall_ns
from perpscope.settings import Trade

_RUN: Final = ["run", "label", "strategy", "instrument"]
_QUANTILES: Final = (("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99"))


def trade_figures(database: Path, trade: Trade) -> Iterable[Metric]:
    """Figures of the runs that are traded from a database; of one that is over none.

    Args:
        database: whose journals.
        trade: `[trade]`.
    """
    now = wall_ns() // 1_000_000
    runs = [run for run in read_trade(database, trade, now).runs if not run.status.is_over]
    running = GaugeMetricFamily("perpscope_trade_running", "1 while its trader tells something.", labels=_RUN)
    equity = GaugeMetricFamily("perpscope_trade_equity", "Quote units.", labels=_RUN)
    naked = GaugeMetricFamily("perpscope_trade_naked_seconds", "The longest without a confirmed stop.", labels=_RUN)
    orders = CounterMetricFamily("perpscope_trade_orders", "Orders.", labels=_RUN)
    fills = CounterMetricFamily("perpscope_trade_fills", "Fills.", labels=_RUN)
    took = GaugeMetricFamily(
        "perpscope_trade_latency_seconds", "By stage, real time.", labels=[*_RUN, "stage", "quantile"]
    )
    for run in runs:
        told = run.status
        labels = [told.run, run.label, told.strategy, told.instrument]
        running.add_metric(labels, float(run.is_running))
        equity.add_metric(labels, told.money.equity)
        naked.add_metric(labels, told.naked_seconds_max)
        orders.add_metric(labels, told.orders)
        fills.add_metric(labels, told.fills)
        for stage, spread in told.latency_ms.items():
            for quantile, name in _QUANTILES:
                ms = getattr(spread, name)
                if ms is not None:
                    took.add_metric([*labels, stage, quantile], ms / 1000)
    return running, equity, naked, orders, fills, took
