"""Asking a venue for its past: order, pages, failures, and what is claimed to be whole."""

import random
from collections.abc import Sequence

import pytest
from tests.contract.pasts import (
    ALL,
    BTC,
    DAY,
    ETH,
    FUNDING,
    HOUR,
    MINUTE,
    MINUTES,
    NEW_YEAR,
    TOP,
    Question,
    Truth,
    broken,
    fixed_clock,
    refuse,
)

from perpscope.errors import RateLimited
from perpscope.feeds.backfill import Backfill, Wanted, channels_of
from perpscope.feeds.clock import SECOND_NS
from perpscope.feeds.stretches import Span, common, union, without
from perpscope.model.instrument import Instrument
from perpscope.model.market import Covered, MarketEvent, Source
from perpscope.model.stream import Channel
from perpscope.ports import Past, Series, Stretch

NOW = NEW_YEAR + 40 * DAY


class Kept:
    """Keeps what it is given, in order."""

    def __init__(self) -> None:
        self.told: list[MarketEvent] = []

    async def __call__(self, events: Sequence[MarketEvent], covered: Sequence[Covered]) -> None:
        """Keep it."""
        self.told += [*events, *covered]

    def rows(self, series: Series, instrument: Instrument) -> list[MarketEvent]:
        """What was told of a series, in order of time."""
        found = [
            event
            for event in self.told
            if not isinstance(event, Covered)
            and getattr(event, "instrument", None) == instrument.id
            and getattr(event, "kind", None) == series.kind
            and (series == MINUTES) == hasattr(event, "ts_open")
            and (series == FUNDING) == hasattr(event, "funding_rate")
        ]
        return sorted(found, key=lambda event: event.ts_event)  # type: ignore[union-attr]  # rows have one

    def whole(self, channel: Channel, instrument: Instrument) -> list[Span]:
        """What is vouched for."""
        return union(
            (event.ts_from, event.ts_to)
            for event in self.told
            if isinstance(event, Covered)
            and (event.streams[0].channel, event.streams[0].instrument) == (channel, instrument.id)
        )


def worker(truth: Truth, kept: Kept) -> Backfill:
    """One that asks the truth at `NOW`."""
    return Backfill("truth", truth, http=truth, clock=fixed_clock(NOW), keep=kept, rng=random.Random(1))


def wanted(truth: Truth, ts_from: int, ts_to: int, *instruments: Instrument) -> list[Wanted]:
    """Everything it tells of a stretch."""
    return [
        Wanted(channel, series, instrument, ((ts_from, ts_to),), depth_s)
        for channel, (series, depth_s) in channels_of(truth).items()
        for instrument in instruments
    ]


async def test_everything_wanted_comes_once_and_is_vouched_for() -> None:
    """A stretch of many pages arrives whole, each row once, and exactly that is claimed. Keeps S2-60."""
    truth, kept = Truth(page=100), Kept()
    asking = worker(truth, kept)
    asking.want(wanted(truth, NOW - DAY, NOW, BTC, ETH))
    assert asking.share_done == 0.0
    await asking.run()
    assert asking.share_done == 1.0
    for instrument in (BTC, ETH):
        for series in truth.series:
            assert kept.rows(series, instrument) == truth.rows(series, instrument, NOW - DAY, NOW)
            assert kept.whole(series.channel, instrument) == [(NOW - DAY, NOW)]
    assert all(event.source is Source.BACKFILL for event in kept.told if isinstance(event, Covered))
    assert all(filled.is_whole and filled.failed is None for filled in asking.filled.values())
    ratios = asking.filled[Channel.ACCOUNT_RATIOS, BTC.id]
    assert (ratios.rows, ratios.calls, ratios.ts_from, ratios.ts_to) == (2 * 288, 6, NOW - DAY, NOW)


async def test_every_symbol_has_its_newest_day_before_any_has_an_older_one() -> None:
    """What is asked goes back day by day, whichever the symbol; candles come first and go ahead. Keeps S2-60."""
    truth, kept = Truth(page=500), Kept()
    asking = worker(truth, kept)
    asking.want(wanted(truth, NOW - 12 * DAY, NOW, BTC, ETH))
    await asking.run()
    for channel in ("candles_1m", "account_ratios"):
        days = [(NOW - question.ts_to) // DAY for question in truth.asked if question.channel == channel]
        turns = [day // 6 for day in days] if channel == "candles_1m" else days
        assert turns == sorted(turns)
        assert days[-1] >= 10
    newest = [(question.channel, question.symbol) for question in truth.asked if question.ts_to == NOW]
    assert newest[:2] == [("candles_1m", "BTCUSDT"), ("candles_1m", "ETHUSDT")]
    assert newest.index(("funding", "ETHUSDT")) < newest.index(("account_ratios", "BTCUSDT"))


async def test_a_stretch_is_whole_only_where_every_kind_of_ratio_is() -> None:
    """Two kinds share a channel: what one alone has told is not claimed. Keeps B6."""
    truth, kept = Truth(page=100, series=(ALL, TOP)), Kept()
    asking = worker(truth, kept)
    asking.want(wanted(truth, NOW - DAY, NOW, BTC))
    while not asking.filled[Channel.ACCOUNT_RATIOS, BTC.id].is_whole:
        seen = len(truth.asked)
        await asking.run(lambda seen=seen: len(truth.asked) > seen)  # type: ignore[misc]  # one call at a time
        claimed = kept.whole(Channel.ACCOUNT_RATIOS, BTC)
        for series in (ALL, TOP):
            rows = [event for event in truth.rows(series, BTC, NOW - DAY, NOW) if _in(event, claimed)]
            told = [event for event in kept.rows(series, BTC) if _in(event, claimed)]
            assert told == rows
    assert kept.whole(Channel.ACCOUNT_RATIOS, BTC) == [(NOW - DAY, NOW)]


def _in(event: MarketEvent, spans: list[Span]) -> bool:
    return any(start <= event.ts_event < end for start, end in spans)  # type: ignore[union-attr]  # rows have one


async def test_whoever_was_killed_goes_on_and_nothing_is_claimed_that_is_not_there() -> None:
    """Cut off at any call, what was claimed is there; the next run asks for the rest only. Keeps S2-60."""
    for deadly in range(1, 20):
        truth, kept = Truth(page=100), Kept()
        asking = worker(truth, kept)
        asking.want(wanted(truth, NOW - DAY, NOW, BTC))
        await asking.run(lambda truth=truth, deadly=deadly: len(truth.asked) >= deadly)  # type: ignore[misc]  # bound now
        claimed = {channel: kept.whole(channel, BTC) for channel in channels_of(truth)}
        for series in truth.series:
            spans = claimed[series.channel]
            rows = [event for event in truth.rows(series, BTC, NOW - DAY, NOW) if _in(event, spans)]
            assert [event for event in kept.rows(series, BTC) if _in(event, spans)] == rows
        again = worker(truth, kept)
        rest = [
            Wanted(each.channel, each.series, BTC, tuple(without(each.stretches, claimed[each.channel])), None)
            for each in wanted(truth, NOW - DAY, NOW, BTC)
        ]
        asked = len(truth.asked)
        again.want(rest)
        await again.run()
        for question in truth.asked[asked:]:
            if question.channel != Channel.ACCOUNT_RATIOS.value:
                assert not common([(question.ts_from, question.ts_to)], claimed[Channel(question.channel)])
        assert all(kept.whole(channel, BTC) == [(NOW - DAY, NOW)] for channel in channels_of(truth))


async def test_what_is_older_than_the_venue_tells_is_lost_and_not_asked() -> None:
    """Beyond the depth nothing is asked, and the edge is told. Keeps B6."""
    truth, kept = Truth(depth_s=3 * 3600.0, series=(MINUTES,)), Kept()
    asking = worker(truth, kept)
    asking.want(wanted(truth, NOW - DAY, NOW, BTC))
    await asking.run()
    oldest = NOW - 3 * HOUR + MINUTE
    filled = asking.filled[Channel.CANDLES_1M, BTC.id]
    assert filled.lost_before is not None
    assert abs(filled.lost_before - oldest) < SECOND_NS
    assert filled.is_whole
    assert all(question.ts_from >= oldest - SECOND_NS for question in truth.asked)
    ((start, end),) = kept.whole(Channel.CANDLES_1M, BTC)
    assert abs(start - oldest) < SECOND_NS
    assert end == NOW


async def test_a_stretch_wholly_beyond_the_depth_is_lost_without_a_call() -> None:
    """Nothing is left of it, so nobody is asked. Keeps B6."""
    truth, kept = Truth(depth_s=3600.0, series=(MINUTES,)), Kept()
    asking = worker(truth, kept)
    asking.want(wanted(truth, NOW - DAY, NOW - 2 * HOUR, BTC))
    await asking.run()
    assert truth.asked == []
    assert asking.filled[Channel.CANDLES_1M, BTC.id].lost_before is not None


class Forgetful(Truth):
    """Tells only its last rows, however old what was asked for."""

    def past(self, series: Series, raw: bytes, instrument: Instrument, stretch: Stretch, ts_recv: int) -> Past:
        """Whole from its oldest row on."""
        whole = super().past(series, raw, instrument, stretch, ts_recv)
        return Past(whole.events, whole.ts_from, whole.ts_to, None)


async def test_a_venue_that_keeps_only_its_last_rows_vouches_for_those_alone() -> None:
    """The rest of the stretch is lost, not whole. Keeps B6."""
    truth, kept = Forgetful(page=10, series=(MINUTES,)), Kept()
    asking = worker(truth, kept)
    asking.want(wanted(truth, NOW - HOUR, NOW, BTC))
    await asking.run()
    assert kept.whole(Channel.CANDLES_1M, BTC) == [(NOW - 10 * MINUTE, NOW)]
    assert asking.filled[Channel.CANDLES_1M, BTC.id].lost_before == NOW - 10 * MINUTE


class Stuck(Truth):
    """Says that all of it is still to come."""

    def past(self, _series: Series, _raw: bytes, _instrument: Instrument, stretch: Stretch, _ts_recv: int) -> Past:
        """No further than before."""
        return Past([], stretch.ts_to, stretch.ts_to, stretch)


async def test_a_venue_without_end_is_set_aside() -> None:
    """A rest that is what was asked would be asked for ever. Keeps S2-60."""
    truth, kept = Stuck(series=(MINUTES,)), Kept()
    said: list[str] = []
    asking = Backfill(
        "truth", truth, http=truth, clock=fixed_clock(NOW), keep=kept, rng=random.Random(1), announce=said.append
    )
    asking.want(wanted(truth, NOW - HOUR, NOW, BTC))
    await asking.run()
    assert len(truth.asked) == 1
    assert "no end" in (asking.filled[Channel.CANDLES_1M, BTC.id].failed or "")
    assert len(said) == 1


async def test_a_reply_that_cannot_be_read_costs_its_series_alone() -> None:
    """The others go on, and the reason is told. Keeps S2-60."""
    truth, kept = Truth(), Kept()
    truth.mishap = lambda _, question: refuse(question) if question.channel == "funding" else None
    asking = worker(truth, kept)
    asking.want(wanted(truth, NOW - HOUR, NOW, BTC))
    await asking.run()
    assert asking.filled[Channel.FUNDING, BTC.id].failed == "truth sent nonsense for funding"
    assert not asking.filled[Channel.FUNDING, BTC.id].is_whole
    assert asking.filled[Channel.CANDLES_1M, BTC.id].is_whole


async def test_calls_that_fail_now_and_then_are_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of three calls fail; everything comes all the same. Keeps S2-60."""
    monkeypatch.setattr("perpscope.feeds.backfill._BACKOFF_FIRST_S", 0.0)
    truth, kept = Truth(page=50), Kept()
    truth.mishap = lambda calls, question: broken(question) if calls % 3 else None
    asking = worker(truth, kept)
    asking.want(wanted(truth, NOW - 6 * HOUR, NOW, BTC))
    await asking.run()
    assert kept.rows(MINUTES, BTC) == truth.rows(MINUTES, BTC, NOW - 6 * HOUR, NOW)
    assert all(filled.is_whole for filled in asking.filled.values())


async def test_a_venue_that_never_answers_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """After eight failures in a row nothing more is asked, and every series says why. Keeps S2-60."""
    monkeypatch.setattr("perpscope.feeds.backfill._BACKOFF_FIRST_S", 0.0)
    truth, kept = Truth(), Kept()
    truth.mishap = lambda _, question: broken(question)
    asking = worker(truth, kept)
    asking.want(wanted(truth, NOW - HOUR, NOW, BTC, ETH))
    await asking.run()
    assert len(truth.asked) == 8
    assert {filled.failed for filled in asking.filled.values()} == {"truth does not answer"}


async def test_a_series_that_fails_again_and_again_is_set_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five failures in a row are enough for one series; the venue goes on. Keeps S2-60."""
    monkeypatch.setattr("perpscope.feeds.backfill._BACKOFF_FIRST_S", 0.0)
    truth, kept = Truth(), Kept()
    truth.mishap = lambda _, question: broken(question) if question.channel == "candles_1m" else None
    asking = worker(truth, kept)
    asking.want(wanted(truth, NOW - HOUR, NOW, BTC))
    await asking.run()
    assert sum(question.channel == "candles_1m" for question in truth.asked) == 5
    assert asking.filled[Channel.CANDLES_1M, BTC.id].failed == "truth does not answer"
    assert asking.filled[Channel.FUNDING, BTC.id].is_whole


@pytest.mark.parametrize(("patience_s", "comes"), [(None, True), (5.0, False)], ids=["patient", "impatient"])
async def test_a_venue_that_asks_to_wait_is_waited_for(patience_s: float | None, *, comes: bool) -> None:
    """A short ban is sat out; one that is longer than our patience ends the asking. Keeps B14."""
    truth, kept = Truth(series=(MINUTES,)), Kept()
    wait_s = 0.01 if comes else 60.0

    def limited(calls: int, _: Question) -> None:
        if calls == 1:
            raise RateLimited("truth answered 429", venue="truth", retry_after_s=wait_s)

    truth.mishap = limited
    asking = Backfill(
        "truth", truth, http=truth, clock=fixed_clock(NOW), keep=kept, rng=random.Random(1), patience_s=patience_s
    )
    asking.want(wanted(truth, NOW - HOUR, NOW, BTC))
    await asking.run()
    filled = asking.filled[Channel.CANDLES_1M, BTC.id]
    assert filled.is_whole is comes
    assert (filled.failed is None) is comes


def test_a_channel_reaches_as_far_back_as_all_of_its_series() -> None:
    """The shallowest kind bounds what can be whole. Keeps B6."""
    truth = Truth(series=(ALL, TOP))
    truth.series = {ALL: 7200.0, TOP: 3600.0}
    assert channels_of(truth) == {Channel.ACCOUNT_RATIOS: ((ALL, TOP), 3600.0)}
