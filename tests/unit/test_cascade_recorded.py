"""A cascade through real books; skipped, visibly, where the recordings are not at hand."""

import gzip
import json
from itertools import islice
from pathlib import Path

import numpy as np

from perpscope.analytics.cascade import branching, levels_of, simulate
from perpscope.analytics.cascade_depth import of_book
from perpscope.model.market import PositionSide


def walked(prices: list[float], sizes: list[float], usd: float) -> float:
    """The price at which so many dollars are taken, level after level: what an order walking the book sees."""
    left = usd
    for price, size in zip(prices, sizes, strict=True):
        if left <= price * size:
            return price
        left -= price * size
    return float("nan")


def test_real_books_take_what_stands_in_them(recordings: Path) -> None:
    """Each level of some hundred recorded books, both sides: depth, its inverse, and a cascade that stops. Keeps B9."""
    path = recordings / "books" / "hyperliquid_btc_20260611_l2.jsonl.gz"
    kappas = []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        books = [json.loads(line) for line in islice(file, 0, 2000, 20)]
    for book in books:
        sides = {name: np.array(book[name], np.float64) for name in ("bids", "asks")}
        mid = (sides["bids"][0, 0] + sides["asks"][0, 0]) / 2.0
        for name, side in (("bids", PositionSide.LONG), ("asks", PositionSide.SHORT)):
            prices, sizes = sides[name].T
            depth = of_book(mid, prices, sizes)
            kappas.append(depth.kappa)
            usd = float((prices * sizes).sum())
            for share in (0.1, 0.5, 0.99):
                exact = walked(prices.tolist(), sizes.tolist(), share * usd)
                between = mid * np.exp((-1.0 if name == "bids" else 1.0) * float(depth.distance(share * usd)))
                assert abs(between - exact) <= np.abs(np.diff(prices)).max() + abs(prices[0] - mid)
            target = prices[prices.size // 2]
            wall = levels_of(mid, [target], [usd], [usd], side)
            before = simulate(wall, depth, 0.9 * float(wall.distances[0]))
            after = simulate(wall, depth, float(wall.distances[0]))
            assert before.forced_usd == 0.0
            assert after.forced_usd == usd
            assert after.stop > depth.reach
            assert after.beyond_book
            near = float(wall.distances[0]) * 0.999
            assert branching(wall, depth, [0.0, near, depth.reach]).zones == [(near, depth.reach)]
    assert 0.5 <= min(kappas) < max(kappas) <= 2.5
