"""Market orders on a recorded book, against a walk in Decimal over the very file. Keeps B23."""

import gzip
import json
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest
from tests.unit.made_desk import DELAY, LATENCY, fills_of, made, show_book

from perpscope.trading import exchange, orders
from perpscope.trading.layout import ENTRY, LEAVE, MARKET
from perpscope.trading.units import Units

BTC = Units(Decimal(1), Decimal("0.00001"), 1_000, 0)
SNAPSHOTS = 40


def walked(levels: list[list[float]], size: Decimal) -> tuple[Decimal, Decimal]:
    """What a market order of so many base units takes of the levels: base units, quote units."""
    taken = paid = Decimal(0)
    for price, there in levels:
        some = min(size - taken, Decimal(repr(there)))
        taken, paid = taken + some, paid + some * Decimal(repr(price))
    return taken, paid


@pytest.mark.unmeasured
@pytest.mark.parametrize("size", [Decimal("0.5"), Decimal(30), Decimal(4_000)], ids=["a level", "some", "all there is"])
def test_recorded_books_are_walked_as_by_hand(size: Decimal, recordings: Path) -> None:
    """Bought and sold again at once, each snapshot by itself: sizes, money and fees to the last digit. Keeps B23."""
    path = recordings / "books" / "hyperliquid_btc_20260611_l2.jsonl.gz"
    with gzip.open(path) as rows:
        snapshots = [json.loads(row) for row in islice(rows, SNAPSHOTS)]
    for told in snapshots:
        d, ts = made(deposit=1e9), int(told["ts"]) * 1_000_000
        BTC.fill(d.account)
        sides = [
            [(BTC.ticks(Decimal(repr(price))), BTC.steps(Decimal(repr(there)))) for price, there in told[name]]
            for name in ("bids", "asks")
        ]
        for role, side, name in ((ENTRY, 1, "asks"), (LEAVE, -1, "bids")):
            held, before, fees = BTC.size(abs(int(d.account.size))), int(d.fills), int(d.account.fees)
            orders.cancel_all(d, ts)  # the rest of an entry that the book could not fill
            orders.place(d, ts, MARKET, role, side, BTC.steps(size), 0, 0)
            show_book(d, sides[0], sides[1], ts)
            exchange.meet_book(d, ts + LATENCY + DELAY)
            made_now = fills_of(d)[before - int(d.fills) :]
            taken, paid = walked(told[name], size if role == ENTRY else min(size, held))
            assert sum(BTC.size(int(f.size)) for f in made_now) == taken
            assert sum(BTC.size(int(f.size)) * BTC.price(int(f.price)) for f in made_now) == paid
            assert float(BTC.amount(int(d.account.fees) - fees)) == pytest.approx(float(paid) * 0.0005, abs=2e-7)
            ts += 10 * (LATENCY + DELAY)
