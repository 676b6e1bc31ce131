"""Walks back through a stretch of the lab's past and keeps the pages, for what is read forward within a page too."""

from itertools import pairwise

from tests.contract.past_walk import asked, now_ns, time_of

from perpscope.lab.rehearsal import Rehearsal
from perpscope.model.instrument import Instrument
from perpscope.model.market import MarketEvent
from perpscope.model.stream import Urgency
from perpscope.ports import Historic, Past, Series, Stretch


def page(stage: Rehearsal, venue: Historic, series: Series, instrument: Instrument, stretch: Stretch) -> Past:
    """What the lab answers about a stretch."""
    request = venue.past_request(series, instrument, stretch)
    assert request.urgency is Urgency.PAST
    return venue.past(series, asked(stage, request), instrument, stretch, now_ns(stage))


def walked(
    stage: Rehearsal, venue: Historic, series: Series, instrument: Instrument, ts_from: int, ts_to: int
) -> list[Past]:
    """Every page of a stretch, the newest first."""
    pages: list[Past] = []
    rest: Stretch | None = Stretch(ts_from, ts_to)
    while rest is not None:
        pages.append(page(stage, venue, series, instrument, rest))
        assert pages[-1].rest != rest
        rest = pages[-1].rest
    return pages


def times(events: list[MarketEvent]) -> list[int]:
    """Their `ts_event`."""
    return [time_of(event) for event in events]


def newest_first(pages: list[Past], ts_from: int, ts_to: int) -> list[MarketEvent]:
    """The events of pages that join without hole or overlap and have nothing outside; oldest first."""
    assert (pages[0].ts_to, pages[-1].ts_from) == (ts_to, ts_from)
    assert all(newer.ts_from == older.ts_to for newer, older in pairwise(pages))
    for each in pages:
        stamps = times(each.events)
        assert stamps == sorted(stamps)
        assert all(each.ts_from <= ts < each.ts_to for ts in stamps)
    return [event for each in reversed(pages) for event in each.events]
