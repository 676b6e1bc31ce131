"""Real months of minutes for rules to live through: klines of the recordings, hours of liquidations beside."""

import csv
import gzip
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec
import pytest

from perpscope.analytics.alerts.alert import Alert, Phase
from perpscope.analytics.alerts.measures import Line
from perpscope.analytics.alerts.rules import RuleSettings, compiled
from perpscope.analytics.alerts.watch import Watch

_MINUTE_MS: Final = 60_000


class Bar(msgspec.Struct, frozen=True, array_like=True):
    """One minute."""

    at_ms: int
    high: float
    low: float
    close: float


class Hour(msgspec.Struct, frozen=True, array_like=True):
    """One hour of all venues, as CoinGlass told it."""

    long_usd: float
    short_usd: float
    open_interest_usd: float
    funding_8h: float


def bars(history: Path, folder: str, name: str, month: str) -> list[Bar]:
    """Minutes of a month ("2026-01") of one file of klines."""
    feather = pytest.importorskip("pyarrow.feather")
    table = feather.read_table(history / "klines" / folder / f"{name}.feather")
    columns = [table.column(each).to_pylist() for each in ("date", "high", "low", "close")]
    return [
        Bar(round(at.timestamp() * 1e3), high, low, close)
        for at, high, low, close in zip(*columns, strict=True)
        if at.strftime("%Y-%m") == month
    ]


def hours(history: Path) -> dict[int, Hour]:
    """CoinGlass's hours of BTC, by their start in ms."""
    path = history / "coinglass_btc_1h_price_oi_funding_liquidations.csv.gz"
    with gzip.open(path, "rt") as lines:
        return {
            int(row["timestamp"]): Hour(
                float(row["liquidation_long_usd"] or 0.0),
                float(row["liquidation_short_usd"] or 0.0),
                float(row["oi_close"]),
                float(row["funding_close"]) / 100.0,
            )
            for row in csv.DictReader(lines)
        }


def lived(
    rules: Mapping[str, RuleSettings], months: Mapping[str, Sequence[Bar]], told: Mapping[int, Hour] | None = None
) -> tuple[Watch, dict[str, int]]:
    """A watch that has lived through a month, and the alerts of each rule; an hour's liquidations come at its end."""
    watch = Watch([compiled(name, each) for name, each in rules.items()], data="replay", settle_ms=0)
    raised = dict.fromkeys(rules, 0)
    minutes: dict[int, list[tuple[str, Bar]]] = {}
    for coin, found in months.items():
        for bar in found:
            minutes.setdefault(bar.at_ms, []).append((coin, bar))
    for at_ms in sorted(minutes):
        end = at_ms + _MINUTE_MS - 1
        for coin, bar in minutes[at_ms]:
            hour = (told or {}).get(at_ms - 59 * _MINUTE_MS) if coin == "BTC" else None
            interest = None if hour is None else hour.open_interest_usd / bar.close
            watch.coin(coin).watched(None if told is None else 0)
            if hour is not None:
                watch.take_liquidation(coin, end, "long", hour.long_usd, "all")
                watch.take_liquidation(coin, end, "short", hour.short_usd, "all")
            line = Line(
                instrument=f"{coin}-USDT-PERP.REAL",
                at_ms=end,
                price=bar.close,
                open_interest=interest,
                funding_8h=None if hour is None else hour.funding_8h,
            )
            watch.take_line(coin, line, bar.high, bar.low)
        for alert in watch.step(end):
            raised[alert.rule] += is_new(alert)
    return watch, raised


def is_new(alert: Alert) -> bool:
    """Whether it was raised just now."""
    return alert.phase is Phase.RAISED
