"""What an exchange knows of its market at this moment: what tellers tell and REST answers from.

`Stand` is one symbol as published so far. `Quotations` is the whole view. Everything is in model units (base units,
quote per base, ns UTC); writing it in the venue's own is the dialect's business, through `Listing`.
"""

from collections import deque
from collections.abc import Sequence
from typing import Protocol

import msgspec

from perpscope.lab.book import LabBook, TextLevel, ToldDepth
from perpscope.lab.listing import Listing
from perpscope.lab.trade_ring import TradeRing
from perpscope.model.market import Candle, Interval, Liquidation, MarkPrice, Quote, Trade

KEPT_LIQUIDATIONS = 5000


class Bar(msgspec.Struct, frozen=True, gc=False):
    """Open, high, low and close of a reference price."""

    ts_open: int  #: ns UTC
    open: float  #: quote per base; a fraction for the premium
    high: float
    low: float
    close: float


class Funding(msgspec.Struct, frozen=True, gc=False):
    """One funding payment."""

    ts: int  #: ns UTC
    rate: float  #: fraction, of one interval
    mark: float  #: quote per base, at that moment
    premium: float  #: mark over index less one, fraction


class Census(msgspec.Struct, frozen=True, gc=False):
    """Who stands where, at the end of a period: invented by the market, plausible, seeded."""

    ts: int  #: ns UTC, end of the period
    open_interest: float  #: base units, one side
    mark: float  #: quote per base
    long_fraction: float  #: of all accounts with a position
    top_long_fraction: float  #: of the largest accounts
    top_position_long_fraction: float  #: of the largest accounts' positions
    taker_buy: float  #: base units, within the period
    taker_sell: float


class Stand:
    """One symbol as published so far."""

    __slots__ = (
        "asks",
        "bids",
        "book",
        "forming",
        "last_trade",
        "liquidations",
        "listing",
        "mark",
        "open_interest",
        "quote",
        "told",
        "trades",
    )

    def __init__(self, listing: Listing) -> None:
        self.listing = listing
        self.book = LabBook()  #: in the venue's own text; `last_update_id` is 0 before the first snapshot
        self.bids: Sequence[TextLevel] = ()  #: levels the newest BookDelta changed, in the venue's own text
        self.asks: Sequence[TextLevel] = ()
        self.quote: Quote | None = None
        self.mark: MarkPrice | None = None
        self.open_interest = 0.0  #: base units, one side; > 0 from the first mark on
        self.last_trade: Trade | None = None
        self.trades = TradeRing()  #: newest last, every one since the start, or the newest 200,000
        self.liquidations: deque[Liquidation] = deque(maxlen=KEPT_LIQUIDATIONS)  #: newest last, every one
        self.forming: dict[Interval, Candle] = {}  #: the newest candle of each interval
        self.told: dict[int, ToldDepth] = {}  #: by depth; the teller's own, kept here for its REST side to see


class Quotations(Protocol):
    """What the exchange can say about its market at this moment. An unknown symbol is a KeyError: ask `listings`."""

    @property
    def listings(self) -> Sequence[Listing]:
        """What is traded."""
        ...

    @property
    def now_ms(self) -> int:
        """Market time."""
        ...

    def stand(self, symbol: str) -> Stand:
        """One symbol as published so far: book, quote, trades, mark, open interest."""
        ...

    @property
    def ts_told(self) -> int:
        """What happened up to then has been told; ns UTC. A lab that cannot keep up is behind `now_ms`."""
        ...

    @property
    def ts_oldest(self) -> int:
        """Nothing is told of before; ns UTC, 35 days before the start."""
        ...

    def candles(
        self, symbol: str, interval: Interval, ts_from: int | None = None, ts_to: int | None = None
    ) -> Sequence[Candle]:
        """Those opened in [ts_from, ts_to), ns UTC, oldest first, the forming one last if it is among them.

        Without times the closed ones since the start, 1500 at most, and the forming one.
        """
        ...

    def reference_bars(self, symbol: str, which: str, interval_ns: int) -> Sequence[Bar]:
        """Bars of the "mark", "index" or "premium", oldest first, the forming one last; of any whole minutes."""
        ...

    def fundings(self, symbol: str, ts_from: int | None = None, ts_to: int | None = None) -> Sequence[Funding]:
        """Payments in [ts_from, ts_to), ns UTC, oldest first; without times those since a day before the start."""
        ...

    def censuses(
        self, symbol: str, period_ns: int, ts_from: int | None = None, ts_to: int | None = None
    ) -> Sequence[Census]:
        """Of periods (a multiple of five minutes) that ended in [ts_from, ts_to), ns UTC, oldest first.

        Without times those since a day before the start; at least one.
        """
        ...
