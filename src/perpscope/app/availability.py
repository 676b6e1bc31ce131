"""How each venue tells what: streamed, asked for again and again, given back afterwards, or not published at all.

Read off the venues themselves, for the venues a store has feeds of; what is asked through ccxt is known by its feeds.
"""

from collections.abc import Collection, Iterator
from functools import cache

import msgspec

from perpscope.app import venues
from perpscope.model.instrument import Instrument, InstrumentId
from perpscope.model.market import RatioKind
from perpscope.model.stream import Channel
from perpscope.ports import Historic, Series, Venue

#: What venues differ in; trades, books, candles and mark prices are streamed by all of the five.
KINDS = (
    Series(Channel.LIQUIDATIONS),
    Series(Channel.OPEN_INTEREST),
    *(Series(Channel.ACCOUNT_RATIOS, kind) for kind in RatioKind),
    Series(Channel.TAKER_VOLUME),
    Series(Channel.FUNDING),
)
SINCE_LISTED = 36_500.0  #: days back that stand for "since the contract was listed"
STREAMED, POLLED, AFTERWARDS, UNPUBLISHED = "streamed", "polled", "afterwards", "not published"
_FOLDERS: set[str] = set()  # names of all venues, once they have been looked up


class Availability(msgspec.Struct, frozen=True):
    """One kind of data at one venue."""

    venue: str
    channel: Channel
    kind: RatioKind | None  #: of account ratios
    how: str  #: "streamed", "polled", "afterwards" (only as history) or "not published"
    every_s: float | None  #: market seconds between two calls, where it is polled
    days_back: float | None  #: how much of the past can be asked for; None = none, 36,500 = since it was listed


def availability(told: Collection[tuple[str, Channel]]) -> list[Availability]:
    """How the venues of a store's feeds tell each of `KINDS`.

    Args:
        told: venue and channel of every feed of the store.
    """
    lines: list[Availability] = []
    for venue in dict.fromkeys(name for name, _ in told):
        channels = {channel for name, channel in told if name == venue}
        if _has_folder(venue):
            lines += (_heard(line, channels) for line in _of_venue(venue))
        else:
            lines += _of_feeds(venue, channels)
    return lines


def _heard(line: Availability, channels: Collection[Channel]) -> Availability:
    """What a venue tells only of accounts it was told to follow is streamed where the store has a feed of it.

    Not so a kind of ratio: that the store has another kind of it says nothing.
    """
    if line.how in (STREAMED, POLLED) or line.kind is not None or line.channel not in channels:
        return line
    return msgspec.structs.replace(line, how=STREAMED)


def _has_folder(name: str) -> bool:
    """Whether a venue is one of ours; the disk is asked until it answers, and then never again."""
    if not _FOLDERS:
        _FOLDERS.update(venues.names())
    return name in _FOLDERS


@cache
def _of_venue(name: str) -> tuple[Availability, ...]:
    venue = venues.find(name)
    return tuple(_line(venue, series) for series in KINDS)


def _line(venue: Venue, series: Series) -> Availability:
    past = venue.series.get(series, 0.0) if isinstance(venue, Historic) else 0.0
    days = SINCE_LISTED if past is None else past / 86_400.0 or None
    every_s = _polled_every_s(venue, series)
    how = UNPUBLISHED if days is None else AFTERWARDS
    if every_s is not None:
        how = POLLED
    elif series.channel in venue.channels:
        how = STREAMED
    return Availability(venue.name, series.channel, series.kind, how, every_s, days)


def _polled_every_s(venue: Venue, series: Series) -> float | None:
    """Seconds between two calls; None if there are none. A poll's name says which ratio it is about."""
    example = Instrument(
        id=InstrumentId(f"BTC-USDT-PERP.{venue.name.upper()}"),
        venue=venue.name,
        symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
    )
    for poll in venue.polls([example], [series.channel]):
        if series.kind in (None, _kind_of(poll.name)) and any(
            stream.channel is series.channel for stream in poll.streams
        ):
            return poll.every_s
    return None


def _kind_of(poll: str) -> RatioKind:
    """Which ratio a poll is about; Bybit has one, and Bitget names its two in its own words."""
    words = poll.split("/")
    if "position_ratio" in words:
        return RatioKind.ALL_POSITIONS
    return next((kind for kind in RatioKind if kind.value in words), RatioKind.ALL_ACCOUNTS)


def _of_feeds(venue: str, channels: Collection[Channel]) -> Iterator[Availability]:
    for series in KINDS:
        how = POLLED if series.channel in channels else UNPUBLISHED
        yield Availability(venue, series.channel, series.kind, how, None, None)
