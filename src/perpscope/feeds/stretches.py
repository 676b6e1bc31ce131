"""Which stretches of the past are missing, and what to ask a venue for so that they are not.

In: what was seen, missed and filled of a stream. Out: stretches as venues are asked, by `ts_event`: of a candle the
moment it closes, of a ratio the end of its period. All times are ns UTC; intervals do not include their end.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from perpscope.model.market import Interval as CandleInterval
from perpscope.model.stream import Channel

Span: TypeAlias = tuple[int, int]  #: from, to (not included), ns UTC

_SECOND_NS: Final = 1_000_000_000
CANDLES: Final[Mapping[Channel, CandleInterval]] = {
    Channel.CANDLES_1M: CandleInterval.M1,
    Channel.CANDLES_15M: CandleInterval.M15,
    Channel.CANDLES_1H: CandleInterval.H1,
}
#: Rows of five minutes.
_PERIOD_NS: Final = 300 * _SECOND_NS
_FIVE_MINUTES: Final = frozenset({Channel.OPEN_INTEREST, Channel.ACCOUNT_RATIOS, Channel.TAKER_VOLUME})
#: Seconds after which a venue has certainly published what happened (by hand: no venue promises any).
_SETTLED_S: Final[Mapping[Channel, float]] = {
    **dict.fromkeys(CANDLES, 5.0),
    **dict.fromkeys(_FIVE_MINUTES, 600.0),
    Channel.FUNDING: 300.0,
    Channel.TRADES: 2.0,
}
_SETTLED_OTHER_S: Final = 300.0
#: Seconds by which a venue's clock and the way to us may move an event over the edge of a gap (by hand).
_EDGE_S: Final = 2.0


class Known(msgspec.Struct, frozen=True):
    """What is known of one stream."""

    seen: tuple[Span, ...] = ()  #: by listening or polling
    missed: tuple[Span, ...] = ()
    filled: tuple[Span, ...] = ()  #: asked for afterwards


def missing(known: Known, ts_from: int, ts_to: int, *, unseen: bool = True, gaps: bool = True) -> list[Span]:
    """What is still to be asked for between two moments, oldest first.

    Args:
        known: of the stream.
        ts_from: ns UTC.
        ts_to: ns UTC, not included.
        unseen: whether time that nobody listened in counts.
        gaps: whether recorded gaps count.

    >>> known = Known(seen=((50, 90),), missed=((60, 70),), filled=((20, 30),))
    >>> missing(known, 0, 100), missing(known, 0, 100, unseen=False), missing(known, 0, 100, gaps=False)
    ([(0, 20), (30, 50), (60, 70), (90, 100)], [(60, 70)], [(0, 20), (30, 50), (90, 100)])
    """
    window = [(ts_from, ts_to)]
    parts: list[Span] = []
    if unseen:
        parts += without(window, (*known.seen, *known.missed))
    if gaps:
        parts += common(window, known.missed)
    return without(union(parts), known.filled)


def settled_ns(channel: Channel) -> int:
    """How long after it happened a venue has certainly published it, ns; of candles: after they close."""
    return int(_SETTLED_S.get(channel, _SETTLED_OTHER_S) * _SECOND_NS)


def to_ask(channel: Channel, spans: Iterable[Span], now_ns: int) -> list[Span]:
    """Stretches that hold what was published in these spans, as far as it has certainly been published, oldest first.

    A row is published a little after the time it is stamped with, and may have been missed in a gap that began between
    the two: so a stretch begins with the last candle or row before it, or a few seconds before it.

    >>> second = 1_000_000_000
    >>> [(start // second, end // second) for start, end in to_ask(
    ...     Channel.CANDLES_1M, [(605 * second, 725 * second), (1190 * second, 1250 * second)], 1200 * second)]
    [(600, 725), (1140, 1195)]
    """
    until = now_ns - settled_ns(channel)
    edge = int(_EDGE_S * _SECOND_NS)
    asked: list[Span] = []
    for start, end in spans:
        if start >= until:
            continue
        if channel in CANDLES:
            asked.append((start - start % CANDLES[channel].ns, min(end, until)))
        elif channel in _FIVE_MINUTES:
            asked.append((start - start % _PERIOD_NS - _PERIOD_NS, min(end, until)))
        else:
            asked.append((start - edge, min(end + edge, until)))
    return union(asked)


def settles_at(channel: Channel, span: Span) -> int:
    """When everything published in a span can be asked for, ns UTC."""
    return span[1] + settled_ns(channel)


def union(spans: Iterable[Span]) -> list[Span]:
    """The same time in order, without overlap.

    >>> union([(5, 9), (0, 3), (2, 4), (7, 7)])
    [(0, 4), (5, 9)]
    """
    joined: list[Span] = []
    for start, end in sorted(spans):
        if start >= end:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def without(spans: Iterable[Span], taken: Iterable[Span]) -> list[Span]:
    """What of some time is left when other time is taken out.

    >>> without([(0, 10), (20, 30)], [(2, 3), (8, 25)])
    [(0, 2), (3, 8), (25, 30)]
    """
    left: list[Span] = []
    out = union(taken)
    first = 0
    for start, end in union(spans):
        while first < len(out) and out[first][1] <= start:
            first += 1
        at, place = start, first
        while place < len(out) and out[place][0] < end:
            if at < out[place][0]:
                left.append((at, out[place][0]))
            at = out[place][1]
            place += 1
        if at < end:
            left.append((at, end))
    return left


def common(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """The time that is in both.

    >>> common([(0, 10), (20, 30)], [(5, 25)])
    [(5, 10), (20, 25)]
    """
    ours = union(spans)
    return without(ours, without(ours, others))


def length(spans: Sequence[Span]) -> int:
    """How much time it is, ns."""
    return sum(end - start for start, end in union(spans))
