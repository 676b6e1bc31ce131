"""Small files of market data and a strategy for tests of backtests, each made from a seed or written by hand."""

import gzip
import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from perpscope.app.backtest.asking import Asked
from perpscope.app.backtest.gather import gathered
from perpscope.app.backtest.material import Material
from perpscope.trading.compiling import loops
from perpscope.trading.layout import EXIT, LONG, NOTE_FAILED, NOTE_SIDE, NOTE_STOP, NOTE_WHY, SHORT, STAY
from perpscope.trading.strategy import Needs, Numbers, Record, Strategy

#: 2026-06-12T00:00:00Z, ms.
BEGIN_MS = 1_781_222_400_000
MINUTE_MS = 60_000
DAY_MS = 86_400_000


class Swinging(msgspec.Struct, frozen=True, kw_only=True):
    """Of the strategy below."""

    every: Annotated[float, Meta(ge=2, le=500, description="candles from one entry to the next")] = 12.0
    held: Annotated[float, Meta(ge=1, le=400, description="candles a position is held")] = 5.0
    stop: Annotated[float, Meta(ge=0.001, le=0.05, description="distance of the stop, fraction")] = 0.01


@loops
def _swing(w: Record, a: Record, p: Numbers, n: Numbers) -> int:
    """Long and short by turns, whatever the market does."""
    if w.is_bar == 0 or w.bars < 2:
        return STAY
    n[NOTE_WHY] = 1
    n[NOTE_STOP] = p[2]
    if a.size != 0:
        if w.bars - a.opened_bar >= p[1]:
            n[NOTE_WHY] = 2
            return EXIT
        return STAY
    turn = int(w.bars // p[0])
    if w.bars % p[0] != 0:
        n[NOTE_FAILED] = 1
        n[NOTE_SIDE] = LONG
        return STAY
    return LONG if turn % 2 == 0 else SHORT


#: Enters every so many candles and leaves some later: enough trades to count, none of them wise.
SWINGING = Strategy(
    name="swinging",
    summary="Long and short by turns.",
    parameters=Swinging,
    needs=Needs.CANDLES,
    reasons=("", "its-turn", "long-enough"),
    entry_rules=("turn",),
    rule=_swing,
    grid={"every": (5.0, 7.0), "held": (2.0, 3.0)},
)


def walk(
    count: int, *, seed: int = 7, start: float = 60_000.0, step: float = 0.0008, minutes: int = 1
) -> list[list[float]]:
    """Candles of a walk: ms, open, high, low, close, volume, prices in whole tenths."""
    draw = np.random.default_rng(seed)
    price, rows = start, []
    for number in range(count):
        path = price * np.exp(np.cumsum(draw.normal(0.0, step / 2.0, 4)))
        prices = [round(p, 1) for p in (price, *path)]
        volume = round(float(draw.lognormal(2.0, 0.7)), 3)
        rows.append([BEGIN_MS + number * minutes * MINUTE_MS, prices[0], max(prices), min(prices), prices[-1], volume])
        price = prices[-1]
    return rows


def write_csv(path: Path, rows: list[list[float]], head: str = "date,open,high,low,close,volume") -> Path:
    """Rows under a head; gzip where the name says so."""
    text = "\n".join([head, *(",".join(str(cell) for cell in row) for row in rows)]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def candle_file(folder: Path, count: int = 250, *, seed: int = 7, step: float = 0.0008, minutes: int = 1) -> Path:
    """A file of a walk's candles, named as a contract of Binance's."""
    return write_csv(folder / "binance_BTCUSDT-1m.csv", walk(count, seed=seed, step=step, minutes=minutes))


def funding_file(folder: Path, times_ms: list[int], rate: float = 0.0001) -> Path:
    """Funding rates as freqtrade keeps them: in `open`, the rest 0."""
    return write_csv(
        folder / "binance_BTCUSDT-8h-funding_rate.csv", [[ts, rate, 0.0, 0.0, 0.0, 0.0] for ts in times_ms]
    )


def material_of(folder: Path, count: int = 250, *, step: float = 0.0008, minutes: int = 1) -> Material:
    """A material of a walk's candles."""
    return gathered([candle_file(folder, count, step=step, minutes=minutes)], Asked(), database=None)


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Rows as JSON lines in gzip."""
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    return path


def trade_row(ms: int, price: float, size: float = 1.0, side: str = "B") -> dict[str, Any]:
    """One trade."""
    return {"ts": BEGIN_MS + ms, "px": price, "sz": size, "side": side}


def book_row(ms: int, mid: float, size: float = 5.0, tick: float = 1.0) -> dict[str, Any]:
    """A book of five levels of a side around a mid."""
    return {
        "ts": BEGIN_MS + ms,
        "bids": [[mid - (level + 0.5) * tick, size] for level in range(5)],
        "asks": [[mid + (level + 0.5) * tick, size] for level in range(5)],
    }


def context_row(ms: int, mark: float, rate: float = 1.25e-05) -> dict[str, Any]:
    """A context."""
    return {"ts": BEGIN_MS + ms, "funding": rate, "oi": 31_000.0, "mark": mark, "oracle": mark + 20.0}
