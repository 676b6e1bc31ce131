"""One sweep over every venue, found by its folder: a proper plug plans, decodes and refuses alike.

What a venue's cards are read against stands in `tests/frames/<venue>/`: `market.jsonl` (a frame and the events it
means, or why it is passed over) and `symbols.json` (two instruments of ours, then a name that is not).
"""

import importlib
import json
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.contract.surgery import at_path, changed, leaves, number, numbers, paths, with_strangers, without

import perpscope.venues
from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument
from perpscope.model.market import (
    BookDelta,
    BookSnapshot,
    Candle,
    ContractUpdate,
    Liquidation,
    MarketEvent,
    OpenInterest,
    PositionSide,
    Side,
    Trade,
)
from perpscope.model.stream import Channel, Control, Ignored
from perpscope.ports import Venue, Watching, venue_of

FRAMES = Path(__file__).resolve().parent.parent / "frames"
NAMES = [module.name for module in pkgutil.iter_modules(perpscope.venues.__path__)]
TS_RECV = 1_800_000_000_000_000_000
MS = 1_000_000  #: ns
#: No venue takes more on a socket (Hyperliquid, Bitget and Binance about 1,000), nor should we ask it to.
MOST_TOPICS = 1000
#: Channels of the whole market: one stream for everybody.
WHOLE_MARKET = {Channel.CONTRACTS, Channel.POSITIONS}
#: Numbers no price, size or time may be, as a venue might write them.
IMPOSSIBLE = ("nan", "inf", "-inf", "-1", "1e400")


class Golden(msgspec.Struct, forbid_unknown_fields=True):
    """One line of `tests/frames/<venue>/market.jsonl`; events are without `ts_recv`."""

    note: str
    frame: msgspec.Raw
    events: list[dict[str, object]]
    ignored: str | None = None


def golden(name: str) -> list[Golden]:
    """Every golden frame of a venue."""
    return [
        msgspec.json.decode(line, type=Golden) for line in (FRAMES / name / "market.jsonl").read_bytes().splitlines()
    ]


def symbols(name: str) -> list[str]:
    """Two instruments in the venue's own words, and nonsense."""
    return msgspec.json.decode((FRAMES / name / "symbols.json").read_bytes(), type=list[str])


def instruments(venue: Venue) -> list[Instrument]:
    """Two perpetuals read off their names."""
    named = [venue.instrument_named(symbol) for symbol in symbols(venue.name)[:2]]
    return [instrument for instrument in named if instrument is not None]


def decoded(venue: Venue, raw: bytes) -> list[MarketEvent] | Control | Ignored:
    """A frame by a decoder of its own."""
    return venue.decoder({}).decode(raw, TS_RECV)


def events_of(venue: Venue) -> Iterator[MarketEvent]:
    """Every event of every golden frame."""
    for case in golden(venue.name):
        what = decoded(venue, bytes(case.frame))
        if isinstance(what, list):
            yield from what


@pytest.fixture(params=NAMES)
def venue(request: pytest.FixtureRequest) -> Venue:
    """Each venue in turn."""
    return venue_of(importlib.import_module(f"perpscope.venues.{request.param}"))


def test_a_venue_is_called_like_its_folder_and_says_where_it_is(venue: Venue) -> None:
    """1: a venue can be found by name and reached: it says its hosts, without paths, and what it publishes."""
    assert venue.name in NAMES
    assert venue.websocket_url.startswith("wss://")
    assert venue.rest_url.startswith("https://")
    assert not venue.websocket_url.endswith("/")
    assert venue.weight_per_minute > 0
    assert venue.channels
    assert not venue.channels & venue.polled


def test_a_plan_carries_each_stream_once_within_the_limits(venue: Venue) -> None:
    """2: nothing asked for is forgotten or asked for on two sockets, and connections have unique names."""
    asked, channels = instruments(venue), sorted(venue.channels, key=lambda channel: channel.value)
    plans = venue.plan(asked, channels)
    streams = [stream for plan in plans for stream in plan.streams]
    expected = sum(1 if channel in WHOLE_MARKET else len(asked) for channel in channels)
    assert len(streams) == len(set(streams)) == expected
    assert {stream.channel for stream in streams} == venue.channels
    assert len({plan.name for plan in plans}) == len(plans)
    for plan in plans:
        assert plan.name.startswith(f"{venue.name}/")
        assert plan.name[-1].isdigit()
        assert plan.path.startswith("/")
        assert 0 < len(plan.topics) <= MOST_TOPICS
        assert len({topic.name for topic in plan.topics}) == len(plan.topics)


def test_a_plan_is_the_same_for_the_same_question(venue: Venue) -> None:
    """3: reconnecting, or running a second collector, opens the same sockets in the same order."""
    asked, channels = instruments(venue), [*venue.channels]
    assert venue.plan(asked, channels) == venue.plan(asked, channels)
    assert venue.plan(asked, []) == []


def test_symbols_are_read_or_refused(venue: Venue) -> None:
    """4: a name of ours gives an instrument of this venue; nonsense gives none."""
    *ours, nonsense = symbols(venue.name)
    assert [instrument.symbol for instrument in instruments(venue)] == ours
    assert {instrument.venue for instrument in instruments(venue)} == {venue.name}
    assert venue.instrument_named(nonsense) is None


def test_golden_frames_decode_as_stated(venue: Venue) -> None:
    """5: each quirk of side, unit and time stands in a frame with its meaning beside it. Keeps S4-32, B22."""
    cases = golden(venue.name)
    assert cases
    for case in cases:
        for raw in (bytes(case.frame), memoryview(bytes(case.frame))):
            what = venue.decoder({}).decode(raw, TS_RECV)
            if case.ignored is not None:
                assert what == Ignored(case.ignored), case.note
                continue
            assert isinstance(what, list), (case.note, what)
            assert [event.ts_recv for event in what] == [TS_RECV] * len(what)
            stated = [event | {"ts_recv": TS_RECV} for event in case.events]
            assert json.loads(msgspec.json.encode(what)) == stated, case.note


def test_a_catalogue_decides_what_is_known(venue: Venue) -> None:
    """6: with a catalogue, another instrument's frames are passed over, never guessed at."""
    lonely = instruments(venue)[:1]
    decoder = venue.decoder({instrument.symbol: instrument for instrument in lonely})
    for case in golden(venue.name):
        what = decoder.decode(bytes(case.frame), TS_RECV)
        if isinstance(what, list):
            told = [event for event in what if not isinstance(event, ContractUpdate)]  # a listing is news
            assert {getattr(event, "instrument", None) for event in told} <= {lonely[0].id}, case.note
        else:
            assert isinstance(what, Ignored)


def test_a_fresh_decoder_remembers_nothing_of_another(venue: Venue) -> None:
    """7: a decoder lives as long as its connection: what one has seen changes nothing on the next."""
    frames = [bytes(case.frame) for case in golden(venue.name)]
    before = [decoded(venue, raw) for raw in frames]
    used = venue.decoder({})
    for raw in frames:
        used.decode(raw, TS_RECV)
    assert [decoded(venue, raw) for raw in frames] == before


@pytest.mark.parametrize(
    "raw",
    [b"", b"{", b"null", b"7", b'"text"', b"\xff\xfe", b"[" * 200_000, b'{"a":' * 200_000],
    ids=["empty", "cut", "null", "number", "text", "not-utf8", "nested-lists", "nested-objects"],
)
def test_nonsense_costs_one_frame(venue: Venue, raw: bytes) -> None:
    """8: what is no message is a FrameError naming the venue, whatever broke; the decoder goes on. Keeps S2-22."""
    decoder = venue.decoder({})
    with pytest.raises(FrameError) as caught:
        decoder.decode(raw, TS_RECV)
    assert caught.value.venue == venue.name
    assert len(str(caught.value)) < 1000
    first = next(case for case in golden(venue.name) if case.events)
    assert isinstance(decoder.decode(bytes(first.frame), TS_RECV), list)


def test_books_begin_with_a_snapshot(venue: Venue) -> None:
    """9: a book begins with a REST call that has a path and a weight, or with its subscription; neither is guessed."""
    if Channel.BOOK not in venue.channels:
        pytest.skip("this venue publishes no books")
    instrument = instruments(venue)[0]
    request = venue.snapshot_request(instrument)
    begins = any(isinstance(event, BookSnapshot) and event.is_stream for event in events_of(venue))
    assert begins is (request is None)
    if request is not None:
        assert request.path.startswith("/")
        assert request.weight >= 1
    with pytest.raises(FrameError):
        venue.snapshot(b"{}", instrument, TS_RECV)


def test_the_catalogue_is_asked_for_and_refused_politely(venue: Venue) -> None:
    """10: every reply that is none is a FrameError: catalogue, turnover, tiers and polls."""
    asked = instruments(venue)
    catalogue = {instrument.symbol: instrument for instrument in asked}
    assert venue.catalogue_request().path.startswith("/")
    assert venue.turnover_request().path.startswith("/")
    for nonsense in (b"", b"{}", b"[7]", b'{"code":"x"}', b"\xff"):
        with pytest.raises(FrameError):
            venue.instruments(nonsense)
        with pytest.raises(FrameError):
            venue.turnover(nonsense)
        for poll in venue.polls(asked, sorted(venue.polled, key=lambda channel: channel.value)):
            with pytest.raises(FrameError):
                venue.polled_events(poll.name, nonsense, TS_RECV, catalogue)
        if venue.tier_requests(asked):
            with pytest.raises(FrameError):
                venue.tiers(nonsense, catalogue)


def test_polls_have_names_weights_and_cover_what_is_polled(venue: Venue) -> None:
    """11: every polled channel of every instrument is asked for under a name of its own, within the venue's weight."""
    asked = instruments(venue)
    polls = venue.polls(asked, sorted(venue.polled, key=lambda channel: channel.value))
    assert {stream.channel for poll in polls for stream in poll.streams} == venue.polled
    assert len({poll.name for poll in polls}) == len(polls)
    assert all(poll.name.startswith(f"{venue.name}/") and poll.every_s >= 1 for poll in polls)
    assert sum(60 / poll.every_s * poll.request.weight for poll in polls) <= venue.weight_per_minute
    assert venue.polls(asked, []) == []


def test_kinds_of_answers_are_told_apart(venue: Venue) -> None:
    """12: golden frames hold book states, one frame passed over, and no control answers among the events."""
    kinds = [decoded(venue, bytes(case.frame)) for case in golden(venue.name)]
    assert any(isinstance(one, Ignored) for one in kinds)
    assert not any(isinstance(one, Control) for one in kinds)
    assert any(isinstance(event, BookDelta | BookSnapshot) for event in events_of(venue))


def test_both_sides_are_shown(venue: Venue) -> None:
    """13: takers that buy and that sell; and, where liquidations are public, longs and shorts that were closed. B22."""
    events = list(events_of(venue))
    assert {event.side for event in events if isinstance(event, Trade)} == set(Side)
    if Channel.LIQUIDATIONS in venue.channels:
        sides = {event.position_side for event in events if isinstance(event, Liquidation)}
        assert sides == set(PositionSide)


def test_units_are_base_units_and_times_the_venues_own(venue: Venue) -> None:
    """14: sizes are positive and finite; each time is a whole millisecond that stands in the frame itself. B22."""
    for case in golden(venue.name):
        told = {moment for moment in numbers(json.loads(bytes(case.frame))) if moment > 1e12}
        what = decoded(venue, bytes(case.frame))
        for event in what if isinstance(what, list) else []:
            moments = told if told else {TS_RECV // MS}  # a frame without a time happened when it came
            if isinstance(event, Candle):
                moments = moments | {(event.ts_open + event.interval.ns) // MS}  # where only the bar is dated
            ts_event = getattr(event, "ts_event", 0)
            assert ts_event % MS == 0, case.note
            assert ts_event // MS in moments, case.note
    for found in events_of(venue):
        if isinstance(found, Trade | Liquidation):
            assert 0 < found.size < 1e12
        if isinstance(found, OpenInterest):
            assert 0 <= found.open_interest < 1e15


def test_closed_candles_are_told_from_forming_ones(venue: Venue) -> None:
    """15: a forming candle is never taken for a closed one; where a frame alone can tell, both are shown."""
    candles = [event for event in events_of(venue) if isinstance(event, Candle)]
    assert any(not candle.is_closed for candle in candles)
    assert all(candle.low <= min(candle.open, candle.close) <= candle.high for candle in candles)
    assert all(candle.ts_open % candle.interval.ns == 0 for candle in candles)


def test_fields_nobody_asked_for_are_passed_over(venue: Venue) -> None:
    """16: a venue may add fields at any time: nothing changes."""
    for case in golden(venue.name):
        more = json.dumps(with_strangers(json.loads(bytes(case.frame)))).encode()
        assert decoded(venue, more) == decoded(venue, bytes(case.frame)), case.note


def test_a_missing_field_is_refused_or_was_not_needed(venue: Venue) -> None:
    """17: without a field a frame is refused, passed over, or means the same less what that field said: never more."""
    for case in golden(venue.name):
        frame = json.loads(bytes(case.frame))
        whole = decoded(venue, bytes(case.frame))
        for path in paths(frame):
            try:
                less = decoded(venue, json.dumps(without(frame, path)).encode())
            except FrameError:
                continue
            if isinstance(less, list) and less:
                assert isinstance(whole, list), (case.note, path)
                assert _says_no_more(less, whole), (case.note, path, less)


def test_impossible_numbers_are_refused_or_were_not_used(venue: Venue) -> None:
    """18: no event ever holds nan, infinity or a negative price or size, whichever field they were put in."""
    for case in golden(venue.name):
        frame = json.loads(bytes(case.frame))
        for path in paths(frame):
            if number(at_path(frame, path)) is None:
                continue
            for impossible in IMPOSSIBLE:
                try:
                    what = decoded(venue, json.dumps(changed(frame, path, impossible)).encode())
                except FrameError:
                    continue
                for event in what if isinstance(what, list) else []:
                    assert _is_possible(event), (case.note, path, impossible)


def test_a_frame_sent_twice_is_the_same_event_twice(venue: Venue) -> None:
    """19: feeds repeat themselves; a repeat carries the same names and times, by which it is known again."""
    for case in golden(venue.name):
        decoder = venue.decoder({})
        first, second = (decoder.decode(bytes(case.frame), TS_RECV) for _ in range(2))
        if isinstance(first, list) and isinstance(second, list):
            again = [event for event in second if isinstance(event, Trade | Liquidation)]
            assert again == [event for event in first if isinstance(event, Trade | Liquidation)], case.note


def test_the_dialogue_names_its_topics_and_numbers_its_messages(venue: Venue) -> None:
    """20: subscribing and leaving say different things about the same topics, within the venue's pace."""
    dialogue = venue.dialogue
    for plan in venue.plan(instruments(venue), sorted(venue.channels, key=lambda channel: channel.value)):
        names = [topic.name for topic in plan.topics][: dialogue.topics_per_request]
        join, leave = dialogue.subscribe(names, 1), dialogue.unsubscribe(names, 1)
        assert join != leave
        for name in names:
            words = {str(word) for word in leaves(json.loads(name))} if name.startswith("{") else {name}
            assert words <= {str(word) for word in leaves(json.loads(join))}
    assert dialogue.topics_per_request >= 1
    assert 0.0 < dialogue.between_requests_s <= 1.0
    assert (dialogue.ping is None) == (dialogue.ping_every_s == 0.0)
    assert dialogue.lifetime_s is None or dialogue.lifetime_s > 3600


def test_accounts_can_be_followed_where_the_venue_shows_them(venue: Venue) -> None:
    """21: a venue that can follow accounts refuses names that are none, with a word on what is wrong."""
    if not isinstance(venue, Watching):
        pytest.skip("this venue shows nobody's account")
    with pytest.raises(Exception, match=r"account|address"):
        venue.watching(["nobody"])


def _is_possible(event: MarketEvent) -> bool:
    fields = msgspec.to_builtins(event)
    ratios = {"funding_rate"}
    values = [value for name, value in fields.items() if name not in ratios and isinstance(value, float)]
    return all(0.0 <= value < 1e300 for value in values)


def _says_no_more(less: list[MarketEvent], whole: list[MarketEvent]) -> bool:
    """Each event of the poorer frame is one of the whole one's, but for values it no longer tells and shorter lists."""
    return all(any(_is_poorer(one, other) for other in whole) for one in less)


def _is_poorer(one: MarketEvent, other: MarketEvent) -> bool:
    if type(one) is not type(other):
        return False
    mine, theirs = msgspec.to_builtins(one), msgspec.to_builtins(other)
    for name in mine.keys() | theirs.keys():
        value, known = mine.get(name), theirs.get(name)
        if isinstance(value, list | tuple) and isinstance(known, list | tuple):
            if any(level not in known for level in value):
                return False
        elif value is not None and value != known and name not in _DERIVED:
            return False
    return True


#: What a decoder reckons from several fields, or takes from the next best one (any of the frame's times: card 14).
_DERIVED = {"trades", "venue_id", "ts_event"}
