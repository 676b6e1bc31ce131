"""Runs made by hand and by a seeded walk, for what measures, judges and draws them."""

from itertools import pairwise

import numpy as np

from perpscope.model.instrument import InstrumentId
from perpscope.model.run import Run, RunKind, RunSummary, RunTrade
from perpscope.trading.performance import Course, Grounds, measure, thinned
from perpscope.trading.performance.capacity import Impact
from perpscope.trading.performance.returns import months
from perpscope.trading.significance import judged
from perpscope.trading.significance.placebo import Prices

DAY_MS, MINUTE_MS = 86_400_000, 60_000
#: 2026-05-30T00:00:00Z
BEGIN_MS = 1_780_099_200_000


def trade(  # one sentence a number: what differs is what the test is about
    net: float,
    *,
    at_ms: int = BEGIN_MS,
    minutes: int = 10,
    size: float = 1.0,
    entry: float = 100.0,
    fees: float = 0.0,
    funding: float = 0.0,
    slippage: float = 0.0,
    side: str = "LONG",
    is_liquidated: bool = False,
) -> RunTrade:
    """A trade with this net; its exit follows from it."""
    gross = net + fees + funding
    way = 1.0 if side == "LONG" else -1.0
    return RunTrade(
        opened_ms=at_ms,
        closed_ms=at_ms + minutes * MINUTE_MS,
        side=side,
        size=size,
        entry=entry,
        exit=entry + way * gross / size,
        gross=gross,
        fees=fees,
        funding=funding,
        slippage=slippage,
        net=net,
        worst=min(net / (size * entry), 0.0) - 0.001,
        best=max(net / (size * entry), 0.0) + 0.001,
        why_in="volume-burst",
        why_out="volume-decay" if net > 0 else "stop",
        is_liquidated=is_liquidated,
    )


def course(equity: list[float], every_ms: int = DAY_MS) -> Course:
    """Equity at equal steps, the first a step after the begin."""
    at = BEGIN_MS + every_ms * np.arange(1, len(equity) + 1)
    return Course(at_ms=at, equity=np.array(equity), position=np.zeros(len(equity)))


def walked(
    *,
    minutes: int = 30 * 1440,
    trades: int = 300,
    drift: float = 0.0,
    seed: int = 5,
    trials: int = 1,
    data: str = "demo",
) -> Run:
    """A run whose entries are drawn: a walk of one-minute prices, a market order in and one out of each trade."""
    generator = np.random.default_rng(seed)
    price = 60_000.0 * np.exp(np.cumsum(generator.normal(0.0, 6e-4, minutes)))
    at_ms = BEGIN_MS + MINUTE_MS * np.arange(1, minutes + 1)
    deposit, fee = 10_000.0, 5e-4
    edges = np.linspace(0, minutes - 1, trades + 1).astype(int)
    made: list[RunTrade] = []
    cash, equity, position = deposit, np.empty(minutes), np.zeros(minutes)
    liquidation = np.full(minutes, np.nan)
    for first, end in pairwise(edges.tolist()):
        held = int(generator.integers(1, max(2, (end - first) // 2)))
        last = min(first + held, end - 1)
        way = 1.0 if generator.random() < 0.5 else -1.0
        size, spread = round(float(0.3 * cash / price[first]), 3), 1e-4
        way_in, way_out = price[first] * (1 + way * spread), price[last] * (1 - way * spread)
        path = way * (price[first : last + 1] / way_in - 1.0)
        gross = way * size * (way_out - way_in) + drift * size * way_in
        fees = fee * size * (way_in + way_out)
        equity[first : last + 1] = cash - fee * size * way_in + path * size * way_in
        position[first : last + 1] = way * size
        liquidation[first : last + 1] = way_in * (1 - way * 0.0964)
        made.append(
            RunTrade(
                opened_ms=int(at_ms[first]),
                closed_ms=int(at_ms[last]),
                side="LONG" if way > 0 else "SHORT",
                size=size,
                entry=float(way_in),
                exit=float(way_out + way * drift * way_in),
                gross=float(gross),
                fees=float(fees),
                funding=0.0,
                slippage=float(size * spread * (price[first] + price[last])),
                net=float(gross - fees),
                worst=float(min(path.min(), 0.0)),
                best=float(max(path.max(), 0.0)),
                why_in="volume-burst",
                why_out="volume-decay" if gross > 0 else "stop",
            )
        )
        cash += made[-1].net
        equity[last:end] = cash
    equity[edges[-1] :] = cash
    whole = Course(at_ms=at_ms, equity=equity, position=position, price=price, liquidation=liquidation)
    return _run(made, whole, Prices(at_ms, price), deposit, trials, data)


def _run(made: list[RunTrade], whole: Course, prices: Prices, deposit: float, trials: int, data: str) -> Run:
    span = (BEGIN_MS, int(whole.at_ms[-1]))
    grounds = Grounds(trials=trials, prices=prices, impact=Impact(1.0, 0.02, 2e9), seed=7)
    figures = measure(made, whole, deposit, from_ms=span[0], to_ms=span[1], grounds=grounds)
    verdict, why = judged(made, figures)
    summary = RunSummary(
        id="b7f3c2a1",
        kind=RunKind.BACKTEST,
        made_ms=BEGIN_MS + 40 * DAY_MS,
        strategy="burst",
        parameters={"bars": 20.0, "volume_multiple": 3.0, "imbalance": 0.25, "momentum": 1.5},
        instrument=InstrumentId("BTC-USDT-PERP.BINANCE"),
        data=data,
        sources=["BTCUSDT-1m.csv"],
        path="compiled",
        from_ms=span[0],
        to_ms=span[1],
        hash="5f" * 32,
        data_hash="ab" * 32,
        deposit=deposit,
        net=float(whole.equity[-1]) - deposit,
        gross=figures["gross"] or 0.0,
        fees=figures["fees"] or 0.0,
        funding=figures["funding"] or 0.0,
        slippage=figures["slippage"] or 0.0,
        equity_error=0.0,
        trades=len(made),
        wins=int(figures["wins"] or 0),
        win_rate=figures["hit_rate"],
        win_low=figures["hit_low"],
        win_high=figures["hit_high"],
        max_drawdown=figures["max_drawdown"] or 0.0,
        sharpe=figures["sharpe"],
        liquidations=0,
        refused={"cooldown": 12, "spread-too-wide": 3},
        near_misses={"imbalance": 41, "momentum": 17},
        coverage=0.998,
        verdict=verdict,
        why=why,
        notes=["No book on candles: half a spread of 1 bp and the square-root law of impact stand for it."],
        seed=7,
        version="0.1.0",
    )
    return Run(
        summary=summary,
        trades=made,
        curve=thinned(whole),
        performance=figures,
        months=months(whole, deposit, *span),
        economics={"break_even_bps": 12.0, "risk_of_ruin": 0.31},
        trials=trials,
    )
