"""The order book on recorded diffs, where there are any, else on the lab's."""

import gzip
import os
from pathlib import Path

from measure import cpu_ns, interleaved, tell

from perpscope.engine.book import OrderBook
from perpscope.model.market import BookDelta, BookSnapshot, MarketEvent
from perpscope.venues.binance import VENUE

_SESSION = "wire/binance/usdm_btcusdt_20240808.gz"


def book() -> bool:
    """Apply every diff of the recorded session to a fresh book."""
    folder = Path(os.environ.get("PERPSCOPE_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
    if not (folder / _SESSION).is_file():
        print("\norder book: skipped, the recorded session is not here (set PERPSCOPE_DATA)")
        return True
    events = _book_events(folder / _SESSION)
    deltas = [event for event in events if isinstance(event, BookDelta)]
    levels = sum(len(delta.bids) + len(delta.asks) for delta in deltas)

    def apply() -> None:
        book = OrderBook(deltas[0].instrument)
        for event in events:
            if isinstance(event, BookDelta):
                book.apply(event)
            elif isinstance(event, BookSnapshot):
                book.restore(event)

    figures = interleaved({"apply one diff": lambda: cpu_ns(apply, len(deltas))})
    tell(f"order book, {len(deltas):,} recorded diffs of {levels / len(deltas):.1f} levels, CPU per diff", figures)
    print(f"      per level {figures['apply one diff'].median * len(deltas) / levels:,.0f} ns")
    return True


def _book_events(path: Path) -> list[MarketEvent]:
    decode = VENUE.decoder({}).decode
    events: list[MarketEvent] = []
    with gzip.open(path) as file:
        for line in file:
            if b'"depthUpdate"' in line or b'"lastUpdateId"' in line:
                decoded = decode(line.partition(b" ")[2].strip(), 1)
                assert isinstance(decoded, list)
                events += decoded
    return events
