"""One sweep over every venue, found by its folder: a proper plug plans, decodes and refuses alike."""

import importlib
import json
import pkgutil
from pathlib import Path

import msgspec
import pytest

import perpscope.venues
from perpscope.errors import FrameError
from perpscope.model.instrument import Instrument
from perpscope.model.market import BookDelta
from perpscope.model.stream import Channel, Control, Ignored
from perpscope.ports import Venue, venue_of

FRAMES = Path(__file__).resolve().parent.parent / "frames"
NAMES = [module.name for module in pkgutil.iter_modules(perpscope.venues.__path__)]
TS_RECV = 1_800_000_000_000_000_000
#: No venue takes more on a socket (Hyperliquid and Binance about 1,000), nor should we ask it to.
MOST_STREAMS = 1000
#: Two perpetuals and nonsense, in each venue's own words.
SYMBOLS = {"binance": ("BTCUSDT", "ETHUSDT", "!!")}


class Golden(msgspec.Struct, forbid_unknown_fields=True):
    """One line of `tests/frames/<venue>/*.jsonl`; events are without `ts_recv`."""

    note: str
    frame: msgspec.Raw
    events: list[dict[str, object]]
    ignored: str | None = None


def golden(name: str) -> list[Golden]:
    """Every golden frame of a venue."""
    lines = [line for path in sorted((FRAMES / name).glob("*.jsonl")) for line in path.read_bytes().splitlines()]
    return [msgspec.json.decode(line, type=Golden) for line in lines]


def instruments(venue: Venue) -> list[Instrument]:
    """Two perpetuals read off their names."""
    named = [venue.instrument_named(symbol) for symbol in SYMBOLS[venue.name][:2]]
    return [instrument for instrument in named if instrument is not None]


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
    assert venue.channels


def test_a_plan_carries_each_stream_once_within_the_limits(venue: Venue) -> None:
    """2: nothing asked for is forgotten or asked for twice, connections have unique names, and requests unique ids."""
    asked, channels = instruments(venue), sorted(venue.channels, key=lambda channel: channel.value)
    plans = venue.plan(asked, channels)
    streams = [stream for plan in plans for stream in plan.streams]
    assert len(streams) == len(set(streams)) == len(asked) * len(channels)
    assert {stream.channel for stream in streams} == venue.channels
    assert len({plan.name for plan in plans}) == len(plans)
    for plan in plans:
        assert plan.name.startswith(f"{venue.name}/")
        assert plan.path.startswith("/")
        assert 0 < len(plan.streams) <= MOST_STREAMS
        assert len({request.id for request in plan.requests}) == len(plan.requests)
        assert all(json.loads(request.payload) for request in plan.requests)


def test_a_plan_is_the_same_for_the_same_question(venue: Venue) -> None:
    """3: reconnecting, or running a second collector, opens the same sockets in the same order."""
    asked, channels = instruments(venue), [*venue.channels]
    assert venue.plan(asked, channels) == venue.plan(asked, channels)
    assert venue.plan(asked, []) == []


def test_symbols_are_read_or_refused(venue: Venue) -> None:
    """4: a name of ours gives an instrument of this venue; nonsense gives none."""
    *ours, nonsense = SYMBOLS[venue.name]
    assert [instrument.symbol for instrument in instruments(venue)] == ours
    assert {instrument.venue for instrument in instruments(venue)} == {venue.name}
    assert venue.instrument_named(nonsense) is None


def test_golden_frames_decode_as_stated(venue: Venue) -> None:
    """5: each quirk of side, unit and time stands in a frame with its meaning beside it. Keeps S4-32."""
    cases = golden(venue.name)
    assert cases
    for case in cases:
        for raw in (bytes(case.frame), memoryview(bytes(case.frame))):
            decoded = venue.decoder({}).decode(raw, TS_RECV)
            if case.ignored is not None:
                assert decoded == Ignored(case.ignored), case.note
                continue
            assert isinstance(decoded, list)
            assert [event.ts_recv for event in decoded] == [TS_RECV] * len(decoded)
            stated = [event | {"ts_recv": TS_RECV} for event in case.events]
            assert json.loads(msgspec.json.encode(decoded)) == stated, case.note


def test_a_catalogue_decides_what_is_known(venue: Venue) -> None:
    """6: with a catalogue, another instrument's frames are passed over, never guessed at."""
    lonely = instruments(venue)[:1]
    decoder = venue.decoder({instrument.symbol: instrument for instrument in lonely})
    for case in golden(venue.name):
        decoded = decoder.decode(bytes(case.frame), TS_RECV)
        if isinstance(decoded, list):
            assert {getattr(event, "instrument", None) for event in decoded} == {lonely[0].id}
        else:
            assert isinstance(decoded, Ignored)


def test_a_fresh_decoder_remembers_nothing_of_another(venue: Venue) -> None:
    """7: a decoder lives as long as its connection: frames decode alike on a new one and after all the others."""
    used = venue.decoder({})
    frames = [bytes(case.frame) for case in golden(venue.name)]
    for raw in frames:
        used.decode(raw, TS_RECV)
    assert [used.decode(raw, TS_RECV) for raw in frames] == [venue.decoder({}).decode(raw, TS_RECV) for raw in frames]


@pytest.mark.parametrize("raw", [b"", b"{", b"null", b"7", b'"text"', b"\xff\xfe", b"[" * 200_000, b'{"a":' * 200_000])
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
    """9: a venue that publishes books says how to ask for a whole one, and what the asking weighs."""
    if Channel.BOOK not in venue.channels:
        pytest.skip("this venue publishes no books")
    request = venue.snapshot_request(instruments(venue)[0])
    assert request.path.startswith("/")
    assert request.weight >= 1
    with pytest.raises(FrameError):
        venue.snapshot(b"{}", instruments(venue)[0].id, TS_RECV)


def test_the_catalogue_is_asked_for_and_refused_politely(venue: Venue) -> None:
    """10: the listing call has a path and a weight, and an answer that is none is a FrameError."""
    assert venue.catalogue_request().path.startswith("/")
    with pytest.raises(FrameError):
        venue.instruments(b"{}")


def test_kinds_of_answers_are_told_apart(venue: Venue) -> None:
    """11: golden frames hold at least one book change, one passed over, and no control answers among the events."""
    decoded = [venue.decoder({}).decode(bytes(case.frame), TS_RECV) for case in golden(venue.name)]
    assert any(isinstance(one, Ignored) for one in decoded)
    assert not any(isinstance(one, Control) for one in decoded)
    assert any(isinstance(event, BookDelta) for one in decoded if isinstance(one, list) for event in one)
