"""A made market for the hourly study: prices and volumes from a seed, liquidations with or without what a map knows."""

import gzip
from pathlib import Path

import msgspec
import numpy as np

from perpscope.analytics.hourly import grid as grids
from perpscope.analytics.hourly.grid import Grid
from perpscope.analytics.hourly.tables import PER_HOUR, STEP_NS, Candles, Forced, Interest
from perpscope.analytics.liqmap.bars import HOUR_NS

START = 1_764_547_200 * 1_000_000_000  # 2025-12-01 00:00 UTC
HOURS = 480
#: Log distances of the sample's positions from their entries, and the share of each bar's volume that lies there.
DISTANCES = (0.003, 0.006, 0.011)
SHARE = 0.004


def market(seed: int = 3, hours: int = HOURS) -> tuple[Candles, Interest, Forced]:
    """Candles of an hour, open interest every five minutes, and liquidations of 1 dollar: they are made afterwards."""
    rng = np.random.default_rng(seed)
    bars = hours * PER_HOUR
    loud = np.repeat(np.exp(0.7 * _slow(rng, hours)), PER_HOUR) * 8e-4
    moves = loud * rng.standard_t(5, bars)
    path = np.log(90_000.0) + np.concatenate([[0.0], moves.cumsum()])
    wicks = np.abs(rng.normal(0.0, 3e-4, (2, bars)))
    low = (np.minimum(path[:-1], path[1:]) - wicks[0]).reshape(hours, PER_HOUR).min(axis=1)
    high = (np.maximum(path[:-1], path[1:]) + wicks[1]).reshape(hours, PER_HOUR).max(axis=1)
    told = 90_000.0 * np.exp(0.02 * np.cumsum(rng.normal(0.0, 0.05, bars + 1)))
    ts = START + HOUR_NS * np.arange(hours)
    candles = Candles(
        ts=ts,
        length_ns=HOUR_NS,
        open=np.exp(path[:-1:PER_HOUR]),
        high=np.exp(high),
        low=np.exp(low),
        close=np.exp(path[PER_HOUR::PER_HOUR]),
        volume=7_000.0 * (high - low) / 0.006 * np.exp(rng.normal(0.0, 0.4, hours)),
    )
    interest = Interest(ts=START + STEP_NS * np.arange(bars + 1), base=told, price=np.exp(path))
    return candles, interest, Forced(ts=ts, long=np.ones(hours), short=np.ones(hours))


def driven(seed: int = 3, hours: int = HOURS) -> tuple[Candles, Interest, Forced]:
    """Liquidations that come of positions opened on the way and passed for the first time, with noise.

    Told position by position, without any map: a share of each bar's volume lies at three distances below and above
    its price and fades by half a day; the first price beyond it takes it away.
    """
    candles, interest, nothing = market(seed, hours)
    at = grids.grid(candles, interest, nothing)
    levels = np.array([[at.path[1:] - d for d in DISTANCES], [at.path[1:] + d for d in DISTANCES]])
    alive = np.zeros(levels.shape)
    usd = np.zeros((hours, 2))
    for bar in range(at.low.size):
        alive *= 0.5 ** (1.0 / 144.0)
        for side, hit in enumerate((levels[0] >= at.low[bar], levels[1] <= at.high[bar])):
            usd[bar // PER_HOUR, side] += alive[side][hit].sum()
            alive[side][hit] = 0.0
        alive[:, :, bar] = SHARE * at.volume[bar]
    rng = np.random.default_rng(seed + 1)
    usd *= candles.close[:, None] * np.exp(rng.normal(0.0, 0.3, (hours, 2)))
    return candles, interest, msgspec.structs.replace(nothing, long=usd[:, 0], short=usd[:, 1])


def aimless(seed: int = 3, hours: int = HOURS) -> tuple[Candles, Interest, Forced]:
    """Liquidations that come of the hour's excursion alone, with noise: there is nothing for a map to find."""
    candles, interest, nothing = market(seed, hours)
    rng = np.random.default_rng(seed + 1)
    noise = np.exp(rng.normal(0.0, 0.5, (hours, 2)))
    long, short = candles.open / candles.low - 1.0, candles.high / candles.open - 1.0
    usd = 4e10 * np.column_stack([long, short]) ** 2 * noise
    return candles, interest, msgspec.structs.replace(nothing, long=usd[:, 0], short=usd[:, 1])


def hour_grid(hours: int = 30) -> Grid:
    """A few hours of the market on one grid."""
    return grids.grid(*market(5, hours))


def write(folder: Path, tables: tuple[Candles, Interest, Forced]) -> list[str]:
    """The three files, and the options that name them; the second is packed."""
    candles, interest, forced = tables
    columns = (candles.ts // 1_000_000, candles.open, candles.high, candles.low, candles.close, candles.volume)
    _table(folder / "candles.csv", "timestamp,open,high,low,close,volume", columns)
    told = (interest.ts // 1_000_000, interest.base, interest.base * interest.price)
    _table(folder / "interest.csv.gz", "t,oi,oi_usd", told)
    _table(folder / "forced.csv", "timestamp,longUsd,shortUsd", (forced.ts // 1_000_000, forced.long, forced.short))
    names = (("--candles", "candles.csv"), ("--open-interest", "interest.csv.gz"), ("--liquidations", "forced.csv"))
    return [part for flag, name in names for part in (flag, str(folder / name))]


def _table(path: Path, head: str, columns: tuple[np.ndarray, ...]) -> None:
    rows = [head, *(",".join(repr(value.item()) for value in row) for row in zip(*columns, strict=True))]
    text = ("\n".join(rows) + "\n").encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)


def _slow(rng: np.random.Generator, count: int) -> np.ndarray:
    """A process that remembers hours, of standard deviation 1."""
    found = np.zeros(count)
    for at in range(1, count):
        found[at] = 0.9 * found[at - 1] + np.sqrt(1 - 0.81) * rng.normal()
    return found
