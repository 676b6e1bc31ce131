"""What is asked of a venue's past, from what a real store holds."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from tests.contract.pasts import ALL, BTC, DAY, ETH, FUNDING, HOUR, MINUTE, MINUTES, NEW_YEAR, Truth

from perpscope.app.backfill_plan import DAY_NS, Plan, Scope, in_words, lost_channels, merged, plan, recent
from perpscope.feeds.backfill import Wanted
from perpscope.feeds.stretches import Span
from perpscope.model.instrument import Instrument
from perpscope.model.market import Candle, Covered, Gap, Interval, Source
from perpscope.model.stream import Channel, Stream
from perpscope.ports import Venue
from perpscope.stores.sqlite import SqliteStore, StoreKind

NOW = NEW_YEAR + 40 * DAY
TRADES = Channel.TRADES


def venue(truth: Truth | None = None) -> Venue:
    """A venue of that past, that streams quotes as well; or one without any."""
    past = truth or SimpleNamespace()
    past.name = "truth"  # type: ignore[union-attr]  # what else a venue has is not asked for
    past.channels = frozenset({Channel.CANDLES_1M, Channel.QUOTES})  # type: ignore[union-attr]
    past.polled = frozenset({Channel.ACCOUNT_RATIOS})  # type: ignore[union-attr]
    return cast(Venue, past)


def covered(
    channel: Channel, ts_from: int, ts_to: int, *, is_open: bool = False, source: Source = Source.STREAM
) -> Covered:
    """Of BTC."""
    streams = (Stream(channel, BTC.id),)
    return Covered("truth", "truth/0", streams, ts_from, ts_to, is_open, ts_to, source)


def gap(channel: Channel, ts_from: int, ts_to: int | None) -> Gap:
    """Of BTC."""
    return Gap("truth", (Stream(channel, BTC.id),), ts_from, ts_to, "disconnect", ts_to or ts_from)


def holding(path: Path, *events: object) -> Path:
    """A store of these events."""
    store = SqliteStore.open(path / "d.db", kind=StoreKind.OBSERVED)
    store.register([BTC, ETH])
    for event in events:
        store.sink().accept(event)  # type: ignore[arg-type]  # market events
    store.close()
    return path / "d.db"


def stretches(wanted: list[Wanted], channel: Channel, instrument: Instrument = BTC) -> tuple[Span, ...]:
    """What is asked for of one stream."""
    return next(each.stretches for each in wanted if (each.channel, each.instrument) == (channel, instrument))


def test_a_new_store_wants_every_day(tmp_path: Path) -> None:
    """At the first start, everything of the last days is asked for, of every instrument. Keeps S2-60."""
    path = holding(tmp_path)
    found = plan(path, venue(Truth(series=(MINUTES, FUNDING))), [BTC, ETH], recent(NOW, 30), NOW)
    for instrument in (BTC, ETH):
        ((start, end),) = stretches(found.wanted, Channel.CANDLES_1M, instrument)
        assert (start, end) == (NOW - 30 * DAY, NOW - 5 * 10**9)
    assert found.again_at is None


def test_a_live_stream_needs_only_what_was_before_it(tmp_path: Path) -> None:
    """An interval that is open counts as seen up to now, however old its last word. Keeps S2-60."""
    path = tmp_path / "d.db"
    store = SqliteStore.open(path, kind=StoreKind.OBSERVED)
    store.sink().accept(covered(Channel.CANDLES_1M, NOW - HOUR, NOW - MINUTE, is_open=True))
    store.flush()
    try:
        found = plan(path, venue(Truth(series=(MINUTES,))), [BTC], recent(NOW, 1), NOW)
    finally:
        store.close()
    assert stretches(found.wanted, Channel.CANDLES_1M) == ((NOW - DAY, NOW - HOUR),)


def test_gaps_are_asked_for_and_what_was_filled_is_not(tmp_path: Path) -> None:
    """Filled parts of a gap are whole; the rest is asked, and asked again when it is settled. Keeps S2-60, B6."""
    path = holding(
        tmp_path,
        covered(Channel.CANDLES_1M, NOW - 40 * DAY, NOW),
        gap(Channel.CANDLES_1M, NOW - 3 * HOUR, NOW - 2 * HOUR),
        gap(Channel.CANDLES_1M, NOW - 10 * MINUTE, NOW - 10**9),
        covered(Channel.CANDLES_1M, NOW - 3 * HOUR, NOW - 2 * HOUR - 30 * MINUTE, source=Source.BACKFILL),
    )
    found = plan(path, venue(Truth(series=(MINUTES,))), [BTC], recent(NOW, 30), NOW)
    assert stretches(found.wanted, Channel.CANDLES_1M) == (
        (NOW - 2 * HOUR - 30 * MINUTE, NOW - 2 * HOUR),
        (NOW - 10 * MINUTE, NOW - 5 * 10**9),
    )
    assert found.again_at == NOW + 4 * 10**9
    without_gaps = plan(path, venue(Truth(series=(MINUTES,))), [BTC], recent(NOW, 30, gaps=False), NOW)
    assert stretches(without_gaps.wanted, Channel.CANDLES_1M) == ()


def test_without_days_only_gaps_are_asked_for(tmp_path: Path) -> None:
    """`backfill.days = 0` still repairs what a month's gaps left. Keeps S2-60."""
    path = holding(tmp_path, gap(Channel.CANDLES_1M, NOW - 20 * DAY, NOW - 20 * DAY + HOUR))
    found = plan(path, venue(Truth(series=(MINUTES,))), [BTC], recent(NOW, 0), NOW)
    assert stretches(found.wanted, Channel.CANDLES_1M) == ((NOW - 20 * DAY, NOW - 20 * DAY + HOUR),)


def test_rows_that_would_be_deleted_are_not_asked_for() -> None:
    """No more days than rows are kept for. Keeps S2-60."""
    assert recent(NOW, 30, kept_days=7).ts_from == NOW - 7 * DAY_NS
    assert recent(NOW, 30, kept_days=7).gaps_from == NOW - 7 * DAY_NS
    assert recent(NOW, 3, kept_days=0).gaps_from == NOW - 30 * DAY_NS


def test_trades_are_asked_for_in_gaps_only_and_only_where_somebody_keeps_them(tmp_path: Path) -> None:
    """A month of ticks is the archive's business, and nobody's without one. Keeps S2-60."""
    path = holding(tmp_path, gap(TRADES, NOW - HOUR, NOW - HOUR + MINUTE))
    truth = Truth(series=(MINUTES,))
    truth.series = {type(MINUTES)(TRADES): 48 * 3600.0, FUNDING: None}
    kept = plan(path, venue(truth), [BTC], recent(NOW, 30, is_archived=True), NOW)
    assert stretches(kept.wanted, TRADES) == ((NOW - HOUR - 2 * 10**9, NOW - HOUR + MINUTE + 2 * 10**9),)
    unkept = plan(path, venue(truth), [BTC], recent(NOW, 30), NOW)
    assert {each.channel for each in unkept.wanted} == {Channel.FUNDING}


def test_what_is_deeper_than_the_venue_tells_is_lost(tmp_path: Path) -> None:
    """It is told, and not asked. Keeps B6."""
    truth = Truth(depth_s=3600.0, series=(MINUTES,))
    found = plan(holding(tmp_path), venue(truth), [BTC], recent(NOW, 1), NOW)
    assert found.wanted[0].lost_before == NOW - HOUR
    assert stretches(found.wanted, Channel.CANDLES_1M)[0][0] == NOW - HOUR


def test_a_candle_that_is_not_there_is_asked_for_though_its_time_was_seen(tmp_path: Path) -> None:
    """On demand, holes between rows count as well. Keeps S2-60."""
    opens = [NOW - HOUR + number * MINUTE for number in range(10) if number not in (4, 5)]
    rows = [
        Candle(BTC.id, ts + MINUTE, ts + MINUTE, Interval.M1, ts, 1, 1, 1, 1, 1, 1, 1, 1, 1, is_closed=True)
        for ts in opens
    ]
    path = holding(tmp_path, *rows, covered(Channel.CANDLES_1M, NOW - DAY, NOW))
    scope = Scope(ts_from=NOW - DAY, ts_to=NOW, gaps_from=NOW - DAY, rows=True)
    found = plan(path, venue(Truth(series=(MINUTES,))), [BTC], scope, NOW)
    closes = [NOW - HOUR + 5 * MINUTE, NOW - HOUR + 6 * MINUTE]
    ((start, end),) = stretches(found.wanted, Channel.CANDLES_1M)
    assert [ts for ts in (opens[3] + MINUTE, *closes, opens[4] + MINUTE) if start <= ts < end] == closes


def test_what_is_said_of_every_instrument_counts_for_each(tmp_path: Path) -> None:
    """A gap without an instrument is a gap of all of them. Keeps B6."""
    everything = Gap("truth", (Stream(Channel.CANDLES_1M, None),), NOW - HOUR, NOW - MINUTE, "disconnect", NOW)
    path = holding(tmp_path, everything)
    found = plan(path, venue(Truth(series=(MINUTES,))), [ETH], recent(NOW, 0), NOW)
    assert stretches(found.wanted, Channel.CANDLES_1M, ETH) == ((NOW - HOUR, NOW - MINUTE),)


def test_two_plans_at_once_ask_for_what_both_want_once() -> None:
    """Stretches are united, and the earlier of two moments is kept. Keeps S2-60."""
    one = Wanted(Channel.CANDLES_1M, (MINUTES,), BTC, ((0, 10),), None)
    same = Wanted(Channel.CANDLES_1M, (MINUTES,), BTC, ((5, 20), (30, 40)), None)
    other = Wanted(Channel.CANDLES_1M, (MINUTES,), ETH, ((1, 2),), None)
    found = merged(Plan([one], 7), Plan([same, other], None))
    assert [each.stretches for each in found.wanted] == [((0, 20), (30, 40)), ((1, 2),)]
    assert found.again_at == 7
    assert merged(Plan([], None), Plan([], None)).again_at is None


@pytest.mark.parametrize(
    ("past", "lost"),
    [(Truth(series=(MINUTES, ALL)), ["quotes"]), (None, ["quotes", "candles 1m", "account ratios"])],
    ids=["some", "none"],
)
def test_what_nobody_gives_back_is_named(past: Truth | None, lost: list[str]) -> None:
    """Whatever is heard and cannot be asked for is lost, in words. Keeps B6."""
    told = venue(past)
    assert [channel.value.replace("_", " ") for channel in lost_channels(told)] == lost
    assert in_words([told]) == [f"{', '.join(lost)} of truth cannot be asked for afterwards"]


def test_a_venue_without_a_past_wants_nothing(tmp_path: Path) -> None:
    """Nothing is asked of a venue that tells none. Keeps S2-60."""
    assert plan(holding(tmp_path), venue(None), [BTC], recent(NOW, 1), NOW).wanted == []
