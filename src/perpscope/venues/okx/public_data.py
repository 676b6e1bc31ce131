"""Mark prices, funding, open interest, liquidations and listings: what OKX tells in rows that name their instrument.

https://www.okx.com/docs-v5/en/#public-data-websocket
A message may have rows of many instruments. Every row knows the events it means; mark price, index and funding are put
together by a `Marking`. Unused fields are not read.
"""

from collections import Counter
from typing import Annotated, Generic, Literal, TypeAlias, TypeVar

import msgspec

from perpscope.model.market import (
    Completeness,
    ContractUpdate,
    Liquidation,
    MarketEvent,
    OpenInterest,
    PositionSide,
    Sampling,
)
from perpscope.venues.okx.marks import Funding, Marking
from perpscope.venues.okx.wire import HOUR_MS, MS, Contracts, Measure, Millis, NotNegative, OrderSide, Positive, Rate

#: Members by name cost 80 ns each time they are looked up on their enum (Python 3.11).
_LONG, _SHORT = PositionSide.LONG, PositionSide.SHORT
_SAMPLED, _UNKNOWN = Completeness.SAMPLED, Sampling.UNKNOWN

Row = TypeVar("Row")


class MarkRow(msgspec.Struct, gc=False):
    """Mark price: every 200 ms if it changed, else every 10 s."""

    symbol: str = msgspec.field(name="instId")
    markPx: Positive
    ts: Millis

    def events(self, measure: Measure, marking: Marking, ts_recv: int) -> list[MarketEvent]:
        """The mark price, with what else is known."""
        return marking.mark(measure.instrument, self.markPx, self.ts * MS, ts_recv)


class IndexRow(msgspec.Struct, gc=False):
    """Index price: every 100 ms if it changed, else every minute. `instId` is the index's: "BTC-USDT"."""

    instId: str
    idxPx: Positive
    ts: Millis

    @property
    def symbol(self) -> str:
        """Of the perpetual it is the index of."""
        return f"{self.instId}-SWAP"

    def events(self, measure: Measure, marking: Marking, _ts_recv: int) -> list[MarketEvent]:
        """Nothing yet: it is part of the next mark price."""
        marking.index(measure.instrument, self.idxPx)
        return []


class FundingRow(msgspec.Struct, gc=False):
    """Funding rate of the current period, every 30 to 90 s."""

    symbol: str = msgspec.field(name="instId")
    fundingTime: Millis  #: the settlement ahead
    fundingRate: Rate | Literal[""] = ""  #: absent in 2021 before the first funding of a listing
    nextFundingTime: Millis | Literal[""] = ""  #: the settlement after that; absent in 2021
    ts: Millis | None = None  #: absent in 2021

    def events(self, measure: Measure, marking: Marking, ts_recv: int) -> list[MarketEvent]:
        """The mark price with this funding, once a mark price is known."""
        rate, after = self.fundingRate, self.nextFundingTime
        interval_h = (after - self.fundingTime) / HOUR_MS if isinstance(after, int) else 0.0
        funding = Funding(
            rate if isinstance(rate, float) else None,
            self.fundingTime * MS,
            interval_h if interval_h > 0 else None,
        )
        return marking.funding(measure.instrument, funding, None if self.ts is None else self.ts * MS, ts_recv)


class InterestRow(msgspec.Struct, gc=False):
    """Open interest, about every 3 s."""

    symbol: str = msgspec.field(name="instId")
    oiCcy: NotNegative  #: base units; beside it `oi`, in contracts
    ts: Millis
    oiUsd: NotNegative | Literal[""] = ""  #: absent in 2021

    def events(self, measure: Measure, _marking: Marking, ts_recv: int) -> list[MarketEvent]:
        """The open interest, in base units as OKX itself reckons them."""
        usd = self.oiUsd if isinstance(self.oiUsd, float) else None
        return [OpenInterest(measure.instrument, self.ts * MS, ts_recv, self.oiCcy, usd)]


class ForcedOrder(msgspec.Struct, frozen=True, gc=False):
    """One forced order. Hashable: those alike in one message are told apart by counting."""

    side: OrderSide  #: of the *order*: "sell" closes a long
    posSide: Literal["long", "short", "net"]
    sz: Contracts
    bkPx: Positive
    ts: Millis

    def __post_init__(self) -> None:
        """A long is closed by selling."""
        if self.posSide == ("long" if self.side == "buy" else "short"):
            raise ValueError(f"Expected `posSide` against `side`, got {self.posSide} and {self.side}")


class LiquidatedRow(msgspec.Struct, gc=False):
    """Forced orders of one instrument. OKX says that they are not all there were, not which they are."""

    symbol: str = msgspec.field(name="instId")
    details: Annotated[list[ForcedOrder], msgspec.Meta(min_length=1)]

    def events(self, measure: Measure, _marking: Marking, ts_recv: int) -> list[MarketEvent]:
        """The liquidations; the second of two alike is numbered 2."""
        alike: Counter[ForcedOrder] = Counter()
        events: list[MarketEvent] = []
        for order in self.details:
            alike[order] += 1
            events.append(
                Liquidation(
                    measure.instrument,
                    order.ts * MS,
                    ts_recv,
                    _SHORT if order.side == "buy" else _LONG,
                    measure.base(order.sz),
                    None,
                    order.bkPx,
                    _SAMPLED,
                    _UNKNOWN,
                    venue_id=str(alike[order]) if alike[order] > 1 else "",
                )
            )
        return events


class ContractRow(msgspec.Struct, gc=False):
    """A contract whose listing changed; before 2026-09-30, and on subscription, every contract."""

    symbol: str = msgspec.field(name="instId")
    state: str  #: "live", "suspend", "preopen", "expired", …

    def events(self, measure: Measure, _marking: Marking, ts_recv: int) -> list[MarketEvent]:
        """Whether it is trading. The message has no time of its own; margin tiers are not in it."""
        return [ContractUpdate(measure.instrument, ts_recv, ts_recv, self.state == "live", ())]


class Rows(msgspec.Struct, Generic[Row], gc=False):
    """A message of such rows."""

    data: Annotated[list[Row], msgspec.Meta(min_length=1)]


Told: TypeAlias = (
    Rows[MarkRow] | Rows[IndexRow] | Rows[FundingRow] | Rows[InterestRow] | Rows[LiquidatedRow] | Rows[ContractRow]
)

read_marks = msgspec.json.Decoder(Rows[MarkRow], strict=False).decode
read_indices = msgspec.json.Decoder(Rows[IndexRow], strict=False).decode
read_fundings = msgspec.json.Decoder(Rows[FundingRow], strict=False).decode
read_interests = msgspec.json.Decoder(Rows[InterestRow], strict=False).decode
read_liquidations = msgspec.json.Decoder(Rows[LiquidatedRow], strict=False).decode
read_contracts = msgspec.json.Decoder(Rows[ContractRow], strict=False).decode
