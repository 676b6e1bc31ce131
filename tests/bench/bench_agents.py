"""The agent market headless: its step beside a plain numpy pass over as many positions, and its speed."""

from collections.abc import Callable

import numpy as np
from measure import cpu_ns, interleaved, ratio, tell

from perpscope.lab.agents.market import AgentMarket
from perpscope.lab.agents.steps import Setting

_STEPS = 2000
_WARM_UP_S = 21_600.0


def agents() -> bool:
    """Step markets of 6,000 and 20,000 agents, and mark as many positions to market."""
    for count, dt_s in ((6000, 5.0), (6000, 1.0), (20_000, 5.0), (20_000, 1.0)):
        market = AgentMarket(Setting(1, agents=count, dt_s=dt_s))
        for _ in range(round(_WARM_UP_S / dt_s)):
            market.step()
        figures = interleaved({"step": _stepping(market), "plain numpy": _marking(count)}, rounds=5)
        tell(f"agent market, {count:,} agents, {dt_s:g} s a step, CPU per step", figures)
        print(f"      {ratio(figures['step'], figures['plain numpy']):.2f} × a plain pass of numpy")
        print(f"      {dt_s / (figures['step'].median / 1e9):,.0f} market seconds per second")
    return True


def _stepping(market: AgentMarket) -> Callable[[], float]:
    def step() -> None:
        for _ in range(_STEPS):
            market.step()

    return lambda: cpu_ns(step, _STEPS)


def _marking(count: int) -> Callable[[], float]:
    """What a step costs that does nothing but mark every position, find who is overdue and add up who holds what."""
    rng = np.random.default_rng(1)
    lots, entry, margin = rng.normal(0, 1e4, count), rng.uniform(5e4, 6e4, count), rng.uniform(1e3, 1e4, count)
    prices = rng.uniform(5e4, 6e4, _STEPS).tolist()

    def mark() -> None:
        for price in prices:
            equity = margin + lots * 1e-4 * (price - entry)
            needed = np.abs(lots) * (1e-4 * price * 0.005)
            np.flatnonzero(equity < needed)
            np.maximum(lots, 0.0).sum()

    return lambda: cpu_ns(mark, _STEPS)
