"""What is to be asked of a venue's past: what the store does not have, as far back as the venue tells.

In: the store, the venue, the instruments. Out: what is wanted of each series, and what nobody gives back. Nothing is
remembered between two plans but the store, so that whoever was killed goes on where it stood.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from perpscope.feeds.backfill import Wanted, channels_of
from perpscope.feeds.clock import SECOND_NS
from perpscope.feeds.stretches import CANDLES, Known, Span, common, missing, settles_at, to_ask, union, without
from perpscope.model.instrument import Instrument
from perpscope.model.stream import Channel
from perpscope.ports import Historic, Venue
from perpscope.stores.intervals import StreamIntervals, absent_candles, intervals

DAY_NS: Final = 86_400 * SECOND_NS
#: Recorded gaps are asked for as far back as this, where no more days are wanted.
GAPS_BACK_DAYS: Final = 30.0
#: What is too much to ask for but where something is known to be missing.
_GAPS_ONLY: Final = frozenset({Channel.TRADES})


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What of the past is wanted."""

    ts_from: int  #: ns UTC
    ts_to: int  #: ns UTC, not included
    gaps_from: int  #: ns UTC: recorded gaps, however far back the rest goes
    unseen: bool = True  #: time that nobody listened in
    gaps: bool = True  #: recorded gaps
    channels: frozenset[Channel] | None = None  #: None = all that can be asked for
    is_archived: bool = False  #: somebody keeps trades
    rows: bool = False  #: look for rows that are not there although their time was seen


class Plan(msgspec.Struct, frozen=True):
    """What to ask a venue for."""

    wanted: list[Wanted]
    again_at: int | None  #: ns UTC, when what the venue has not certainly published yet can be asked for


def recent(now_ns: int, days: float, *, gaps: bool = True, kept_days: float = 0.0, is_archived: bool = False) -> Scope:
    """The scope of the last days; no more of them than rows are kept for (0 = for ever)."""
    most = min(days, kept_days) if kept_days else days
    back = min(max(days, GAPS_BACK_DAYS), kept_days) if kept_days else max(days, GAPS_BACK_DAYS)
    return Scope(
        ts_from=now_ns - int(most * DAY_NS),
        ts_to=now_ns,
        gaps_from=now_ns - int(back * DAY_NS),
        unseen=days > 0,
        gaps=gaps,
        is_archived=is_archived,
    )


def plan(path: Path, venue: Venue, instruments: Sequence[Instrument], scope: Scope, now_ns: int) -> Plan:
    """What is missing of a venue, and can be had. Blocks: it reads the store.

    Raises:
        DataError: there is no such store.
        StoreError: it cannot be read.
    """
    if not isinstance(venue, Historic):
        return Plan([], None)
    known = intervals(path, venue.name, min(scope.ts_from, scope.gaps_from), now_ns)
    wanted: list[Wanted] = []
    again: list[int] = []
    for channel, (series, depth_s) in channels_of(venue).items():
        if not _is_chosen(channel, scope):
            continue
        for instrument in instruments:
            of_stream = _known(known, channel, instrument)
            spans = _missing(of_stream, channel, scope)
            if scope.rows and channel in CANDLES:
                spans = [*spans, *_absent(path, channel, instrument, of_stream, scope)]
            told_from = 0 if depth_s is None else now_ns - int(depth_s * SECOND_NS)
            lost = common(spans, [(0, told_from)])
            spans = without(spans, [(0, told_from)])
            stretches = tuple(to_ask(channel, spans, now_ns))
            again += [settles_at(channel, span) for span in spans if _settles_later(channel, span, now_ns)]
            lost_before = lost[-1][1] if lost else None
            wanted.append(Wanted(channel, series, instrument, stretches, depth_s, lost_before))
    return Plan(wanted, min(again, default=None))


def merged(one: Plan, other: Plan) -> Plan:
    """Both at once; what both want is asked for once."""
    wanted = {(each.channel, each.instrument.id): each for each in one.wanted}
    for each in other.wanted:
        key = (each.channel, each.instrument.id)
        if key in wanted:
            stretches = tuple(union((*wanted[key].stretches, *each.stretches)))
            wanted[key] = msgspec.structs.replace(each, stretches=stretches)
        else:
            wanted[key] = each
    return Plan([*wanted.values()], min((at for at in (one.again_at, other.again_at) if at), default=None))


def lost_channels(venue: Venue) -> list[Channel]:
    """What a venue streams or is polled for, and does not give back, in the order of `Channel`."""
    asked = channels_of(venue) if isinstance(venue, Historic) else {}
    return [channel for channel in Channel if channel in venue.channels | venue.polled and channel not in asked]


def in_words(venues: Collection[Venue]) -> list[str]:
    """What cannot be had afterwards, a line for each venue.

    >>> from perpscope.app.venues import find
    >>> "quotes" in in_words([find("binance")])[0]
    True
    """
    lines = []
    for venue in venues:
        if lost := lost_channels(venue):
            names = ", ".join(channel.value.replace("_", " ") for channel in lost)
            lines.append(f"{names} of {venue.name} cannot be asked for afterwards")
    return lines


def _is_chosen(channel: Channel, scope: Scope) -> bool:
    if scope.channels is not None and channel not in scope.channels:
        return False
    return channel is not Channel.TRADES or scope.is_archived


def _settles_later(channel: Channel, span: Span, now_ns: int) -> bool:
    """Whether a span that has ended holds what may not have been published yet."""
    return span[1] < now_ns < settles_at(channel, span)


def _missing(known: Known, channel: Channel, scope: Scope) -> list[Span]:
    unseen = scope.unseen and channel not in _GAPS_ONLY
    spans = missing(known, scope.ts_from, scope.ts_to, unseen=unseen, gaps=scope.gaps)
    if scope.gaps and scope.gaps_from < scope.ts_from:
        spans = [*missing(known, scope.gaps_from, scope.ts_from, unseen=False), *spans]
    return spans


def _absent(path: Path, channel: Channel, instrument: Instrument, known: Known, scope: Scope) -> list[Span]:
    """Time that was seen, and of which no row is there."""
    holes = absent_candles(path, channel, instrument.venue, instrument.symbol, scope.ts_from, scope.ts_to)
    return without(common(holes, known.seen), known.filled)


def _known(
    known: Mapping[tuple[Channel, str | None], StreamIntervals], channel: Channel, instrument: Instrument
) -> Known:
    """Of an instrument's stream, with what is said of every instrument."""
    parts = [known[key] for key in ((channel, str(instrument.id)), (channel, None)) if key in known]
    return Known(
        seen=tuple(span for part in parts for span in part.seen),
        missed=tuple(span for part in parts for span in part.missed),
        filled=tuple(span for part in parts for span in part.filled),
    )
