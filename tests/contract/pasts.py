"""A venue with a past of its own, told page by page from a truth that can be compared with: no sockets, no mocks."""

from collections.abc import Callable, Mapping

import msgspec

from perpscope.errors import FrameError, VenueError
from perpscope.feeds.clock import SECOND_NS, Anchor, MarketClock, wall_ns
from perpscope.model.instrument import Instrument, instrument_id
from perpscope.model.market import AccountRatio, Candle, FundingPaid, Interval, MarketEvent, RatioKind
from perpscope.model.stream import Channel, HttpRequest, Urgency
from perpscope.ports import Past, Series, Stretch

MINUTE = 60 * SECOND_NS
HOUR = 60 * MINUTE
DAY = 24 * HOUR
#: Thursday, 2026-01-01 00:00 UTC.
NEW_YEAR = 1_767_225_600 * SECOND_NS
BTC, ETH = (
    Instrument(id=instrument_id("truth", base, "USDT"), venue="truth", symbol=f"{base}USDT", base=base, quote="USDT")
    for base in ("BTC", "ETH")
)
MINUTES = Series(Channel.CANDLES_1M)
FUNDING = Series(Channel.FUNDING)
ALL, TOP = (Series(Channel.ACCOUNT_RATIOS, kind) for kind in (RatioKind.ALL_ACCOUNTS, RatioKind.TOP_ACCOUNTS))
_SPACING = {MINUTES: MINUTE, FUNDING: 8 * HOUR, ALL: 5 * MINUTE, TOP: 5 * MINUTE}


def fixed_clock(now_ns: int) -> MarketClock:
    """A clock that all but stands still."""
    clock = MarketClock()
    clock.follow(Anchor(now_ns, wall_ns(), 1e-9))
    return clock


class Question(msgspec.Struct, frozen=True):
    """What a request asks."""

    channel: str
    kind: str
    symbol: str
    ts_from: int
    ts_to: int


class Truth:
    """A venue's past and the wire to it: a `Historic` and an `Http`.

    Args:
        page: rows of a reply at most.
        depth_s: seconds back that it tells; None = since `NEW_YEAR`.
        series: what it tells.
    """

    def __init__(
        self, page: int = 100, depth_s: float | None = None, series: tuple[Series, ...] = (MINUTES, FUNDING, ALL, TOP)
    ) -> None:
        self.page = page
        self.series: Mapping[Series, float | None] = dict.fromkeys(series, depth_s)
        self.asked: list[Question] = []  #: in the order it was asked
        #: called before each answer with the number of calls so far; raises what goes wrong
        self.mishap: Callable[[int, Question], None] = lambda *_: None

    def rows(self, series: Series, instrument: Instrument, ts_from: int, ts_to: int) -> list[MarketEvent]:
        """What happened in [ts_from, ts_to), oldest first."""
        step = _SPACING[series]
        first = -(-max(ts_from, NEW_YEAR + step) // step)
        return [_event(series, instrument, number * step) for number in range(first, -(-ts_to // step))]

    def past_request(self, series: Series, instrument: Instrument, stretch: Stretch) -> HttpRequest:
        """Ask for the newest page."""
        kind = "" if series.kind is None else series.kind.value
        question = Question(series.channel.value, kind, instrument.symbol, stretch.ts_from, stretch.ts_to)
        return HttpRequest(path="/past", body=msgspec.json.encode(question), urgency=Urgency.PAST)

    async def get(self, request: HttpRequest) -> bytes:
        """Answer: the times of the newest rows."""
        assert request.urgency is Urgency.PAST
        question = msgspec.json.decode(request.body or b"", type=Question)
        self.asked.append(question)
        self.mishap(len(self.asked), question)
        instrument = BTC if question.symbol == BTC.symbol else ETH
        kind = RatioKind(question.kind) if question.kind else None
        series = Series(Channel(question.channel), kind)
        rows = self.rows(series, instrument, question.ts_from, question.ts_to)[-self.page :]
        return msgspec.json.encode([row.ts_event for row in rows])  # type: ignore[union-attr]  # all of them have one

    def past(self, series: Series, raw: bytes, instrument: Instrument, stretch: Stretch, ts_recv: int) -> Past:  # noqa: ARG002 -- the port's
        """Read an answer."""
        times = msgspec.json.decode(raw, type=list[int])
        events = [_event(series, instrument, ts) for ts in times]
        if len(events) < self.page:
            return Past(events, stretch.ts_from, stretch.ts_to, None)
        return Past(events, times[0], stretch.ts_to, Stretch(stretch.ts_from, times[0]))


def refuse(question: Question) -> None:
    """A reply that cannot be read."""
    raise FrameError(f"truth sent nonsense for {question.channel}", venue="truth")


def broken(_: Question) -> None:
    """A call that fails."""
    raise VenueError("venue-unreachable", "truth does not answer", venue="truth")


def _event(series: Series, instrument: Instrument, ts: int) -> MarketEvent:
    number = float(ts // SECOND_NS % 100_000 + 1)
    if series == MINUTES:
        prices = (number, number + 2.0, number - 0.5, number + 1.0)
        return Candle(
            instrument.id, ts, ts, Interval.M1, ts - MINUTE, *prices, 1.0, number, 3, 0.5, number / 2, is_closed=True
        )
    if series == FUNDING:
        return FundingPaid(instrument.id, ts, ts, number * 1e-9, None)
    assert series.kind is not None
    return AccountRatio(instrument.id, ts, ts, series.kind, 300, number / 200_000)
