"""Asking a venue for its past page by page, as a back-fill does, and what has to hold at every page."""

from importlib import import_module
from typing import NamedTuple

import pytest

from perpscope.lab.rehearsal import Rehearsal
from perpscope.model.instrument import Instrument
from perpscope.model.market import Candle, Interval, MarketEvent
from perpscope.model.stream import HttpRequest, Urgency
from perpscope.ports import Historic, Past, Series, Stretch

MINUTE = 60_000_000_000
DAY = 86_400_000_000_000


class Walked(NamedTuple):
    """What came of it."""

    events: list[MarketEvent]  #: oldest first
    requests: list[HttpRequest]
    ts_from: int  #: ns UTC, from where on all that there was has been told


def historic(venue: str) -> Historic:
    """A venue that tells of its past."""
    found = import_module(f"perpscope.venues.{venue}").VENUE
    assert isinstance(found, Historic)
    return found


def asked(stage: Rehearsal, request: HttpRequest) -> bytes:
    """The lab's answer, with time enough before it for every limit."""
    stage.now_s += 61.0
    if request.method == "POST":
        answer = stage.post(request.path, request.body or b"")
    else:
        answer = stage.get(request.path, **dict(request.params))
    assert answer.status == 200, answer.body
    return answer.body


def now_ns(stage: Rehearsal) -> int:
    """Market time, ns UTC."""
    return stage.now_ms * 1_000_000


def walk(stage: Rehearsal, venue: Historic, series: Series, instrument: Instrument, stretch: Stretch) -> Walked:
    """Ask until nothing rests: newest first, each page of the stretch only, joined to the one before without a hole."""
    events: list[MarketEvent] = []
    requests: list[HttpRequest] = []
    rest: Stretch | None = stretch
    past = Past([], stretch.ts_to, stretch.ts_to, stretch)
    while rest is not None:
        request = venue.past_request(series, instrument, rest)
        assert request.urgency is Urgency.PAST
        past = venue.past(series, asked(stage, request), instrument, rest, now_ns(stage))
        times = [time_of(event) for event in past.events]
        assert times == sorted(times)
        assert all(rest.ts_from <= ts < rest.ts_to for ts in times)
        assert (past.ts_to, rest.ts_from) == (rest.ts_to, stretch.ts_from)
        assert rest.ts_from <= past.ts_from <= past.ts_to
        assert past.rest is None or past.rest.ts_to == past.ts_from
        events, rest = [*past.events, *events], past.rest
        requests.append(request)
        assert len(requests) < 1000
    return Walked(events, requests, past.ts_from)


def time_of(event: MarketEvent) -> int:
    """Of an event that has a time of the venue's, ns UTC."""
    ts: int = getattr(event, "ts_event")  # noqa: B009 - of the events of a past, all have it
    return ts


def compare_candles(
    told: list[MarketEvent], stage: Rehearsal, symbol: str, interval: Interval, stretch: Stretch
) -> None:
    """They are the lab's own that closed in the stretch, with prices as the venue writes them, and none is forming."""
    price = stage.publisher.stand(symbol).listing.price
    opened = stretch.ts_from - interval.ns, stretch.ts_to - interval.ns
    own = [row for row in stage.publisher.candles(symbol, interval, *opened) if row.is_closed]
    assert [time_of(event) for event in told] == [row.ts_open + interval.ns for row in own]
    for event, row in zip(told, own, strict=True):
        assert isinstance(event, Candle)
        assert event.is_closed
        assert (event.ts_open, event.interval) == (row.ts_open, interval)
        assert [event.open, event.high, event.low, event.close] == [
            float(price(each)) for each in (row.open, row.high, row.low, row.close)
        ]
        assert event.volume == pytest.approx(row.volume, abs=1e-3)
        assert event.quote_volume is None or event.quote_volume == pytest.approx(row.quote_volume, abs=1.0)
