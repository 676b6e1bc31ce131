"""Charts of sentiment and risk over the recorded histories, to be looked at: `python -m tests.sentiment_page FOLDER`.

The index with its words, the points of each figure stacked so that they sum to it, how much of the weights counted,
the risk score, and the price beside them. Hours nobody told are left white, and shaded in the lowest panel.
"""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.dates import date2num
from matplotlib.figure import Figure

from perpscope.analytics.risk_series import RiskInput, risk_at
from perpscope.analytics.sentiment_scale import Floats
from perpscope.analytics.sentiment_series import Market, Series, series
from perpscope.analytics.sentiment_sources import Bounds, chain, pool
from perpscope.reports import style
from tests.unit.test_sentiment_recorded import (
    DAY_S,
    FUNDING,
    HOUR_S,
    of_venues,
    on_grid,
    seconds,
    sources,
    table,
)

_COLORS = ("#5bb8ff", "#ffa45c", "#4fd6a5", "#c9a8ff", "#f2c14e", "#ff7eb6", "#9fb4c7", "#7bd3ea", "#e07a5f")


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What is drawn."""

    title: str
    start: int  #: s UTC
    market: Market
    told: Series
    risk: Floats | None = None  #: (steps,) 0 to 100
    forced_usd: Floats | None = None  #: (steps,) liquidated, where there is no price


def drawn(page: Page) -> Figure:
    """The page as a figure."""
    steps = page.market.close.size
    moments = [datetime.fromtimestamp(page.start + at * page.market.step_s, UTC) for at in range(steps)]
    times: Floats = date2num(moments)  # type: ignore[no-untyped-call]  # matplotlib tells no type of it
    picture = Figure(figsize=(16, 12), dpi=style.DPI, facecolor=style.BACKGROUND)
    FigureCanvasAgg(picture)
    first, *others = picture.subplots(4, 1, sharex=True, height_ratios=[3, 3, 1.2, 2])
    for axes in (first, *others):
        axes.set_facecolor(style.CARD)
        axes.tick_params(colors=style.DIM)
    _index(first, times, page)
    _points(others[0], times, page.told)
    _coverage(others[1], times, page)
    _beside(others[2], times, page)
    first.set_title(page.title, color=style.TEXT, loc="left", fontsize=style.SIZE_TEXT)
    others[2].xaxis_date()
    picture.subplots_adjust(left=0.06, right=0.94, top=0.95, bottom=0.05, hspace=0.08)
    return picture


def _index(axes: Axes, times: Floats, page: Page) -> None:
    for low, high, color in ((0, 20, style.SHORT_BAR), (80, 100, style.LONG_BAR), (40, 60, style.LINE)):
        axes.axhspan(low, high, color=color, alpha=0.25, linewidth=0)
    axes.plot(times, page.told.blended.value, color=style.TEXT, linewidth=1.0)
    axes.set_ylim(0, 100)
    axes.set_ylabel("sentiment, 0 fear to 100 greed", color=style.DIM)


def _points(axes: Axes, times: Floats, told: Series) -> None:
    """Those above 50 upwards, those below downwards: their sum is the index less 50."""
    points = told.blended.points
    for sign in (1.0, -1.0):
        base = np.zeros(times.size)
        for at, figure in enumerate(told.figures):
            part = np.where(np.sign(points[at]) == sign, points[at], 0.0)
            axes.fill_between(
                times, base, base + part, step="mid", linewidth=0, color=_COLORS[at % len(_COLORS)],
                label=figure.name if sign > 0 and np.any(points[at]) else None,
            )  # fmt: skip
            base = base + part
    axes.set_ylabel("points of each figure", color=style.DIM)
    axes.legend(loc="upper left", ncols=5, facecolor=style.CARD, edgecolor=style.LINE, labelcolor=style.TEXT)


def _coverage(axes: Axes, times: Floats, page: Page) -> None:
    axes.fill_between(times, 0.0, page.told.blended.coverage, step="mid", color=style.OK, alpha=0.6, linewidth=0)
    axes.axhline(0.6, color=style.DIM, linewidth=0.8, linestyle="--")
    axes.axhline(0.3, color=style.WARN, linewidth=0.8, linestyle="--")
    holes = ~np.isfinite(page.market.close) if page.forced_usd is None else ~np.isfinite(page.told.blended.value)
    axes.fill_between(times, 0.0, 1.0, where=holes, step="mid", color=style.WARN, alpha=0.5, linewidth=0)
    axes.set_ylim(0, 1)
    axes.set_ylabel("weights that count", color=style.DIM)


def _beside(axes: Axes, times: Floats, page: Page) -> None:
    if page.risk is not None:
        axes.fill_between(times, 0.0, page.risk, step="mid", color=style.SHORT_BAR, linewidth=0)
        axes.set_ylim(0, 100)
        axes.set_ylabel("risk score", color=style.DIM)
        axes = axes.twinx()
        axes.tick_params(colors=style.DIM)
    values, words = (
        (page.market.close, "price, 1 at first") if page.forced_usd is None else (page.forced_usd, "liquidated, USD")
    )
    axes.plot(times, values, color=style.LONG, linewidth=0.9)
    axes.set_ylabel(words, color=style.LONG)


def seven_venues(folder: Path) -> Page:
    """BTC by the hour, a year."""
    start, steps = seconds("2025-03-08T09:00:00"), 8690
    closes = of_venues(folder / "seven_venues_1h_candles.parquet", "c", start, steps)
    volumes = of_venues(folder / "seven_venues_1h_candles.parquet", "v", start, steps)
    paid = of_venues(folder / "seven_venues_1h_funding_rates.parquet", "funding_rate", start, steps)
    interest = of_venues(folder / "seven_venues_1h_open_interest.parquet", "oi_usd", start, steps)
    rates = {venue: rate * (1.0 if venue in {"binance", "bybit", "okx"} else 8.0) for venue, rate in paid.items()}
    close = np.exp(chain(sources({venue: np.log(values) for venue, values in closes.items()}, HOUR_S)))
    funding = pool(sources(rates, HOUR_S), FUNDING)
    logs = {v: np.log(x, where=x > 0, out=np.full(steps, np.nan)) for v, x in volumes.items()}
    volume = pool(sources(logs, HOUR_S), Bounds(moves=False, least_scale=0.02))
    coins = np.exp(chain(sources({v: np.log(x) - np.log(close) for v, x in interest.items()}, HOUR_S)))
    f8 = funding.values - funding.values[-1] + (funding.level or 0.0)
    market = Market(step_s=HOUR_S, close=close, f8=f8, open_interest=coins)
    given = RiskInput(
        ts_first=start * 10**9, step_s=HOUR_S, close=close, volume=np.exp(volume.values), open_interest=coins, f8=f8
    )
    risk = np.array([at.risk.value if at.risk.value is not None else np.nan for at in risk_at(given, np.arange(steps))])
    title = "BTC, seven venues by the hour (candles, funding, open interest): sentiment and risk"
    return Page(title=title, start=start, market=market, told=series(market), risk=risk)


def contracts(folder: Path) -> Page:
    """BTC by the day, twenty-five contracts: no price is in these files, so price's figures are missing."""
    rates = table(folder / "coinalyze_btc_daily_funding_rate_history.csv.gz")
    forced = table(folder / "coinalyze_btc_daily_liquidation_history.csv.gz")
    moments = [seconds(day) for day in rates["t"]]
    start, steps = min(moments), len(moments)
    columns = {n: on_grid(moments, rates[n], start, steps, DAY_S) / 100.0 for n in rates if n != "t"}
    funding = pool(sources(columns, DAY_S), FUNDING)
    days = [seconds(day) for day in forced["t"]]
    longs, shorts = (
        np.nansum([on_grid(days, forced[n], start, steps, DAY_S) for n in forced if n.endswith(side)], axis=0)
        for side in ("_long", "_short")
    )
    flat = np.full(steps, np.nan)
    market = Market(step_s=DAY_S, close=flat, f8=funding.values, long_usd=longs, short_usd=shorts)
    title = "BTC, twenty-five contracts by the day (funding, liquidations): sentiment from three tenths of its weights"
    return Page(title=title, start=start, market=market, told=series(market), forced_usd=longs + shorts)


def main(target: Path) -> None:
    """Draw both pages; the recordings are where `PERPSCOPE_DATA` says."""
    folder = Path(os.environ["PERPSCOPE_DATA"]) / "history"
    for name, page in (("seven_venues", seven_venues(folder)), ("contracts", contracts(folder))):
        value = page.told.blended.value
        drawn(page).savefig(target / f"sentiment_{name}.png", facecolor=style.BACKGROUND)
        known = np.isfinite(value)
        print(
            f"{name}: {value.size:,} steps, told {known.mean():.1%}, {np.nanmin(value):.1f} to {np.nanmax(value):.1f}, "
            f"median {np.nanmedian(value):.1f}, coverage {np.median(page.told.blended.coverage):.2f}, "
            f"parts sum within {np.nanmax(np.abs(page.told.blended.points.sum(axis=0) - (value - 50.0))):.1e}"
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
