"""Sentiment and risk on what was recorded; skipped, visibly, where the recordings are not at hand.

Seven venues by the hour for a year, three venues' liquidations by the hour, and twenty-five contracts by the day.
"""

import csv
import gzip
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types
import pytest

from perpscope.analytics.risk_series import (
    RiskInput,
    area_under_curve,
    log_returns,
    risk_at,
    sigma_forecast,
)
from perpscope.analytics.sentiment_scale import Floats, carried
from perpscope.analytics.sentiment_series import Market, series
from perpscope.analytics.sentiment_sources import Bounds, Source, Verdict, chain, pool

HOUR_S, DAY_S = 3600.0, 86_400.0
FUNDING = Bounds(low=-0.1, high=0.1, least_scale=3e-5, moves=False)


def seconds(text: str) -> int:
    """A moment of these files, s UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def table(path: Path) -> dict[str, list[str]]:
    """Columns of a compressed CSV file; of two of one name the second is marked."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        names, *rows = csv.reader(file)
    return {name + ".1" * names[:at].count(name): [row[at] for row in rows] for at, name in enumerate(names)}


def on_grid(ts: Iterable[int], values: Iterable[float | str], start: int, steps: int, step_s: float) -> Floats:
    """Figures at their steps, in whatever order they come; holes where there is none."""
    found = np.full(steps, np.nan)
    for moment, value in zip(ts, values, strict=True):
        at = round((moment - start) / step_s)
        if 0 <= at < steps and value != "":
            found[at] = float(value)
    return found


def of_venues(path: Path, column: str, start: int, steps: int) -> dict[str, Floats]:
    """One column of BTC by venue, by the hour."""
    rows = pq.read_table(path, columns=["timestamp", "venue", column], filters=[("coin", "=", "BTC")])
    moments = (rows["timestamp"].cast("int64").to_numpy() // 10**6).tolist()
    found: dict[str, dict[int, float]] = {}
    for moment, venue, value in zip(moments, rows["venue"].to_pylist(), rows[column].to_pylist(), strict=True):
        found.setdefault(venue, {})[moment] = value
    return {venue: on_grid(told, told.values(), start, steps, HOUR_S) for venue, told in sorted(found.items())}


def sources(columns: dict[str, Floats], step_s: float, weights: dict[str, float] | None = None) -> list[Source]:
    """Each column as a source, as old as its last figure."""
    found = []
    for venue, values in columns.items():
        at = np.flatnonzero(np.isfinite(values))
        if at.size:
            apart = step_s * float(np.median(np.diff(at))) if at.size > 1 else step_s
            held = carried(values, round(apart / step_s) - 1)
            age_s = step_s * (values.size - 1 - int(at[-1]))
            weight = (weights or {}).get(venue, 1.0)
            found.append(Source(venue=venue, values=held, weight=weight, age_s=age_s, period_s=apart))
    return found


def test_a_year_of_seven_venues(recordings: Path) -> None:
    """Venues that end early are replaced; the parts sum; the worst hour is that of 2025-10-10."""
    folder, start, steps = recordings / "history", seconds("2025-03-08T09:00:00"), 8690
    closes = of_venues(folder / "seven_venues_1h_candles.parquet", "c", start, steps)
    volumes = of_venues(folder / "seven_venues_1h_candles.parquet", "v", start, steps)
    paid = of_venues(folder / "seven_venues_1h_funding_rates.parquet", "funding_rate", start, steps)
    interest = of_venues(folder / "seven_venues_1h_open_interest.parquet", "oi_usd", start, steps)
    thrice = {"binance", "bybit", "okx"}
    rates = {venue: rate * (1.0 if venue in thrice else 8.0) for venue, rate in paid.items()}
    close = np.exp(chain(sources({venue: np.log(values) for venue, values in closes.items()}, HOUR_S)))
    funding = pool(sources(rates, HOUR_S), FUNDING)
    volume = pool(
        sources({v: np.log(x, where=x > 0, out=np.full(steps, np.nan)) for v, x in volumes.items()}, HOUR_S),
        Bounds(moves=False, least_scale=0.02),
    )
    verdicts = {source.venue: source.verdict for source in volume.sources}
    assert {venue for venue, verdict in verdicts.items() if verdict is Verdict.STALE} == {"hyperliquid", "lighter"}
    assert funding.level is not None
    coins = np.exp(chain(sources({v: np.log(x) - np.log(close) for v, x in interest.items()}, HOUR_S)))
    f8 = funding.values - funding.values[-1] + funding.level
    market = Market(step_s=HOUR_S, close=close, f8=f8, open_interest=coins)
    found = series(market).blended
    told = np.isfinite(found.value)
    assert told[200:].all()
    assert (np.nanmin(found.value), np.nanmax(found.value)) > (10.0, 60.0)
    assert found.points.sum(axis=0)[told] == pytest.approx(found.value[told] - 50.0, abs=1e-12)
    given = RiskInput(
        ts_first=start * 10**9, step_s=HOUR_S, close=close, volume=np.exp(volume.values), open_interest=coins, f8=f8
    )
    crash = round((seconds("2025-10-10T21:00:00") - start) / HOUR_S)
    scores = {at.step: at.risk.value or 0.0 for at in risk_at(given, np.arange(crash - 200, crash + 200), HOUR_S)}
    assert max(scores, key=lambda step: scores[step]) == crash
    assert scores[crash] > 75.0
    assert float(np.median(list(scores.values()))) < 20.0


def test_three_months_of_liquidations(recordings: Path) -> None:
    """Missing hours cost coverage for a while; the score detects more than volatility's part."""
    rows = table(recordings / "history" / "coinglass_btc_1h_price_oi_funding_liquidations.csv.gz")
    ts = [int(moment) // 1000 for moment in rows["timestamp"]]
    start, steps = ts[0], (ts[-1] - ts[0]) // 3600 + 1
    close, usd, percent, longs, shorts = (
        on_grid(ts, rows[name], start, steps, HOUR_S)
        for name in ("price_close", "oi_close", "funding_close", "liquidation_long_usd", "liquidation_short_usd")
    )
    assert np.isnan(close).sum() == steps - len(ts) > 0
    market = Market(
        step_s=HOUR_S, close=close, f8=percent / 100.0, open_interest=usd / close, long_usd=longs, short_usd=shorts
    )
    found = series(market).blended
    usual = float(np.median(found.coverage[400:]))
    assert usual == pytest.approx(0.55)
    dips = found.coverage[400:] < usual - 1e-9
    assert 0 < dips.sum() < 40
    assert np.isfinite(found.value[400:]).all()
    given = RiskInput(
        ts_first=(start + 3600) * 10**9,
        step_s=HOUR_S,
        close=close,
        volume=np.full(steps, np.nan),
        open_interest=usd / close,
        f8=percent / 100.0,
    )
    scores = risk_at(given, np.arange(200, steps), HOUR_S)
    forced = (longs + shorts)[200:]
    extreme = forced > np.nanquantile(forced, 0.95)
    whole = area_under_curve([at.risk.value or 0.0 for at in scores], extreme)
    alone = area_under_curve([at.risk.parts[1].level or 0.0 for at in scores], extreme)
    assert whole is not None
    assert alone is not None
    assert whole > alone > 0.7
    ahead = area_under_curve([at.risk.value or 0.0 for at in scores[:-1]], extreme[1:])
    plain = area_under_curve(sigma_forecast(log_returns(close), HOUR_S, HOUR_S)[200:-1], extreme[1:])
    assert ahead is not None
    assert plain is not None
    assert 0.6 < ahead < plain, "an hour ahead it says less than plain volatility: docs/sentiment.md says so"


def test_twenty_five_contracts_by_the_day(recordings: Path) -> None:
    """Rows in any order, contracts that come and go; 30 points are all that 30 days hold. Keeps S0-51."""
    folder = recordings / "history"
    rates = table(folder / "coinalyze_btc_daily_funding_rate_history.csv.gz")
    forced = table(folder / "coinalyze_btc_daily_liquidation_history.csv.gz")
    moments = [seconds(day) for day in rates["t"]]
    assert moments != sorted(moments), "the file is not in order of time"
    start, steps = min(moments), len(moments)
    columns = {n: on_grid(moments, rates[n], start, steps, DAY_S) / 100.0 for n in rates if n != "t"}
    funding = pool(sources(columns, DAY_S), FUNDING)
    assert len(funding.sources) == 25
    assert {source.verdict for source in funding.sources} >= {Verdict.USED, Verdict.STALE}
    sides = []
    for side in ("_long", "_short"):
        days = [seconds(day) for day in forced["t"]]
        told = [on_grid(days, forced[n], start, steps, DAY_S) for n in forced if n.endswith(side)]
        sides.append(np.nansum(told, axis=0))
    flat = np.full(steps, np.nan)
    found = series(Market(step_s=DAY_S, close=flat, f8=funding.values, long_usd=sides[0], short_usd=sides[1]))
    assert {figure.name for figure in found.figures if np.isfinite(figure.z).any()} == {"funding", "liq_imbalance"}
    by_name = {figure.name: figure for figure in found.figures}
    assert by_name["funding"].capacity == 30.0
    assert found.blended.coverage[40:] == pytest.approx(np.full(steps - 40, 0.3))
    assert np.isfinite(found.blended.value[40:]).mean() > 0.99
    assert np.nanmax(np.abs(found.blended.value - 50.0)) <= 25.0, "three tenths of the weights move it half the way"
