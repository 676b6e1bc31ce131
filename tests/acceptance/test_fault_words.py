"""Each word of the fault script, seen on the wire of each venue by a plain client; and each word of the bad line.

A word that is added to the script fails here until somebody has written down what a client sees of it.
"""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import aiohttp
import msgspec
import pytest

from perpscope.lab.dialect import VENUES
from perpscope.lab.faults import FaultKind
from perpscope.lab.proxy import Line
from tests.unit import test_lab_proxy

from .raw_socket import Refused
from .scene import Feed, Scene, scene, until

Sight: TypeAlias = Callable[[Scene], Awaitable[None]]
_TIME = re.compile(rb"(?<!\d)17\d{11}(?!\d)")  # of the market's: milliseconds of 2023 to 2027

SEEN: dict[FaultKind, Sight] = {}


def sees(kind: FaultKind) -> Callable[[Sight], Sight]:
    """Enter what a client sees of a word."""

    def enter(sight: Sight) -> Sight:
        SEEN[kind] = sight
        return sight

    return enter


# frames --------------------------------------------------------------------------------------------------------------


@sees(FaultKind.DROP)
async def _two_frames_never_come(on: Scene) -> None:
    trades = on.wire.trades
    await on.suffer(FaultKind.DROP, 2, target=f"topic:{trades.topic}", for_s=10.0)
    await on.is_over(on.trades, trades)
    meant, heard, vain = on.against(on.trades, trades)
    assert len([frame for frame in meant if frame not in heard]) == 2
    assert vain == []


@sees(FaultKind.DELAY)
async def _frames_come_late_and_in_order(on: Scene) -> None:
    trades, late_ns = on.wire.trades, 4_000_000_000
    await on.suffer(FaultKind.DELAY, 4.0, target=f"topic:{trades.topic}", for_s=16.0)
    await on.is_over(on.trades, trades)
    meant, heard, _ = on.against(on.trades, trades)
    assert heard == meant
    injected = on.lab.ledger.injected[-1]
    come = dict(zip(on.trades.heard, on.trades.heard_at, strict=True))
    waited = [
        come[told.payload] - told.market_ns
        for told in on.told(trades)
        if injected.market_from < told.market_ns < injected.market_to - late_ns
    ]
    assert waited
    assert min(waited) >= 0.99 * late_ns


@sees(FaultKind.REORDER)
async def _frames_come_in_another_order(on: Scene) -> None:
    trades = on.wire.trades
    await on.suffer(FaultKind.REORDER, 4.0, target=f"topic:{trades.topic}", for_s=16.0)
    await on.is_over(on.trades, trades)
    meant, heard, _ = on.against(on.trades, trades)
    assert sorted(heard) == sorted(meant)
    assert heard != meant


@sees(FaultKind.DUPLICATE)
async def _frames_come_up_to_three_times(on: Scene) -> None:
    trades = on.wire.trades
    await on.suffer(FaultKind.DUPLICATE, target=f"topic:{trades.topic}", for_s=10.0)
    await on.is_over(on.trades, trades)
    meant, heard, vain = on.against(on.trades, trades)
    times = Counter(heard)
    assert set(times) == set(meant)
    assert set(times.values()) == {1, 2, 3}
    assert vain == []


@sees(FaultKind.SNAPSHOT_AGAIN)
async def _a_snapshot_comes_again(on: Scene) -> None:
    """Whoever subscribes next gets the same words; Binance's streams begin with nothing."""
    book = on.wire.book
    begins = on.lab.server.opening(book.topic)
    await on.suffer(FaultKind.SNAPSHOT_AGAIN, target=f"topic:{book.topic}", for_s=0.0)
    await on.is_over(on.book, book)
    _, _, vain = on.against(on.book, book)
    assert len(vain) == len(begins) == on.lab.ledger.injected[-1].hit
    assert [_kind(frame) for frame in vain] == [_kind(frame) for frame in begins]


def _kind(frame: bytes) -> object:
    told = json.loads(frame)
    return told.get("type") or told.get("action") or told.get("channel")


@sees(FaultKind.FLIP)
async def _every_frame_is_spoilt(on: Scene) -> None:
    trades = on.wire.trades
    await on.suffer(FaultKind.FLIP, target=f"topic:{trades.topic}", for_s=10.0)
    await on.is_over(on.trades, trades)
    meant, heard, vain = on.against(on.trades, trades)
    lost = [frame for frame in meant if frame not in heard]
    assert len(lost) == len(vain) == on.lab.ledger.injected[-1].hit


@sees(FaultKind.NOISE)
async def _spoilt_copies_come_beside(on: Scene) -> None:
    trades = on.wire.trades
    await on.suffer(FaultKind.NOISE, target=f"topic:{trades.topic}", for_s=10.0)
    await on.is_over(on.trades, trades)
    meant, heard, vain = on.against(on.trades, trades)
    assert [frame for frame in heard if frame not in vain] == meant
    assert len(vain) == on.lab.ledger.injected[-1].hit


@sees(FaultKind.OVERSIZE)
async def _one_frame_is_as_long_as_asked(on: Scene) -> None:
    await on.suffer(FaultKind.OVERSIZE, 300_000, target=f"topic:{on.wire.trades.topic}", for_s=0.0)
    await on.is_over(on.trades, on.wire.trades)
    _, _, vain = on.against(on.trades, on.wire.trades)
    assert [len(frame) for frame in vain] == [300_000]


@sees(FaultKind.SHIFT_TIMES)
async def _times_are_an_hour_ahead(on: Scene) -> None:
    trades = on.wire.trades
    await on.suffer(FaultKind.SHIFT_TIMES, 3600.0, target=f"topic:{trades.topic}", for_s=10.0)
    await on.is_over(on.trades, trades)
    for frame, wrong in _pairs(on, trades):
        times = [int(time) for time in _TIME.findall(frame)]
        assert [int(time) for time in _TIME.findall(wrong)] == [time + 3_600_000 for time in times]
        assert times


@sees(FaultKind.SECONDS)
async def _times_are_in_seconds(on: Scene) -> None:
    trades = on.wire.trades
    await on.suffer(FaultKind.SECONDS, target=f"topic:{trades.topic}", for_s=10.0)
    await on.is_over(on.trades, trades)
    for frame, wrong in _pairs(on, trades):
        assert wrong == _TIME.sub(lambda time: time[0][:-3], frame)


def _pairs(on: Scene, feed: Feed) -> list[tuple[bytes, bytes]]:
    """Frames that did not come, each with what came instead."""
    meant, heard, vain = on.against(on.trades, feed)
    lost = [frame for frame in meant if frame not in heard]
    assert len(lost) == on.lab.ledger.injected[-1].hit
    return list(zip(lost, vain, strict=True))


@sees(FaultKind.RENUMBER)
async def _a_book_is_numbered_anew(on: Scene) -> None:
    """Ids fall, rise one after another, and are the old ones again in the end; a book without any is as it was."""
    book = on.wire.book
    await on.suffer(FaultKind.RENUMBER, target=f"topic:{book.topic}", for_s=10.0)
    await on.is_over(on.book, book)
    meant, heard, vain = on.against(on.book, book)
    assert len(heard) == len(meant)
    ids = [on.wire.book_id(json.loads(frame)) for frame in heard]
    if ids[0] is None:
        assert vain == []
        return
    true = [on.wire.book_id(json.loads(frame)) for frame in meant]
    assert len(vain) == on.lab.ledger.injected[-1].hit
    falls = [at for at in range(1, len(ids)) if (ids[at] or 0) < (ids[at - 1] or 0)]
    assert len(falls) == 1
    assert (ids[falls[0]], ids[-1]) == (1, true[-1])


# connections ---------------------------------------------------------------------------------------------------------


@sees(FaultKind.MUTE)
async def _nothing_comes_and_pings_are_answered(on: Scene) -> None:
    trades = on.wire.trades
    await on.suffer(FaultKind.MUTE, target=f"topic:{trades.topic}")
    meant = await on.grown(trades, 10)
    await on.answered(on.trades)
    assert not set(meant) & set(on.trades.heard)
    assert not on.trades.is_over


@sees(FaultKind.MISROUTE)
async def _a_new_connection_is_acknowledged_and_never_hears(on: Scene) -> None:
    trades = on.wire.trades
    await on.suffer(FaultKind.MISROUTE)
    await until(lambda: on.trades.is_over, "the end of the old connection")
    lost = await on.listen(trades)
    await until(lambda: any(on.wire.ack in frame for frame in lost.heard), "an acknowledgement")
    meant = await on.grown(trades, 10)
    await on.answered(lost)
    assert not set(meant) & set(lost.heard)
    assert not lost.is_over


@sees(FaultKind.STALL)
async def _nothing_is_read_or_written(on: Scene) -> None:
    trades = on.wire.trades
    await on.suffer(FaultKind.STALL)
    on.trades.ping()
    meant = await on.grown(trades, 20)
    assert on.trades.pongs == 0
    assert not set(meant) & set(on.trades.heard)
    assert not on.trades.is_over


@sees(FaultKind.CUT)
async def _tcp_ends_without_a_word(on: Scene) -> None:
    await on.suffer(FaultKind.CUT)
    await until(lambda: on.trades.is_over and on.book.is_over, "the end of both connections")
    assert (on.trades.goodbye, on.trades.rest) == (None, b"")


@sees(FaultKind.CUT_MID_FRAME)
async def _tcp_ends_within_a_frame(on: Scene) -> None:
    await on.suffer(FaultKind.CUT_MID_FRAME)
    await until(lambda: on.trades.is_over, "the end of the connection")
    assert on.trades.goodbye is None
    assert on.trades.rest.startswith(b"\x81")


@sees(FaultKind.CLOSE)
async def _the_venue_says_goodbye(on: Scene) -> None:
    await on.suffer(FaultKind.CLOSE)
    await until(lambda: on.trades.is_over, "the end of the connection")
    assert on.trades.goodbye == on.wire.goodbye
    assert any(on.wire.notice in frame for frame in on.trades.heard)


@sees(FaultKind.REFUSE)
async def _handshakes_are_refused_while_it_lasts(on: Scene) -> None:
    async with on.standing_still():
        await on.suffer(FaultKind.REFUSE, for_s=1.0)
        await until(lambda: on.trades.is_over, "the end of the old connection")
        with pytest.raises(Refused) as refused:
            await on.connect(on.wire.trades)
    assert refused.value.status == 503
    await until(on.nemesis.is_over.is_set, "the end of the fault")
    again = await on.listen(on.wire.trades)
    await on.is_over(again, on.wire.trades)


@sees(FaultKind.REFUSE_TOPIC)
async def _one_topic_is_refused_in_the_venues_words(on: Scene) -> None:
    trades, book = on.wire.trades, on.wire.book
    await on.suffer(FaultKind.REFUSE_TOPIC, target=f"topic:{trades.topic}")
    await until(lambda: on.trades.is_over, "the end of the old connection")
    refused, other = await on.listen(trades), await on.listen(book)
    await until(lambda: any(on.wire.refusal in frame for frame in refused.heard), "a refusal")
    meant = await on.grown(trades, 10)
    assert not set(meant) & set(refused.heard)
    await until(lambda: any(on.wire.ack in frame for frame in other.heard), "an acknowledgement of the other topic")


@sees(FaultKind.IGNORE)
async def _nothing_asked_for_is_answered(on: Scene) -> None:
    trades = on.wire.trades
    await on.suffer(FaultKind.IGNORE)
    await until(lambda: on.trades.is_over, "the end of the old connection")
    deaf = await on.listen(trades)
    await on.grown(trades, 10)
    await on.answered(deaf)
    assert deaf.heard == []


# REST ----------------------------------------------------------------------------------------------------------------


async def _asked(on: Scene) -> tuple[int, bytes, Mapping[str, str]]:
    """What the venue's clock says: status, body, headers."""
    path, body = on.wire.clock
    async with aiohttp.ClientSession() as http:
        url = on.lab.rest_url + path
        async with http.post(url, data=body) if body else http.get(url) as reply:
            return reply.status, await reply.read(), reply.headers


async def _asked_well(on: Scene) -> bytes:
    """The clock, answered as it should be."""
    status, body, _ = await _asked(on)
    assert status == 200
    assert json.loads(body)
    return body


_BAD_REQUESTS = {403: b"403 Forbidden", 418: b"", 429: b"", 451: b"restricted location", 500: b"", 503: b"upstream"}


@sees(FaultKind.STATUS)
async def _requests_are_answered_with_a_status(on: Scene) -> None:
    """418 tells how long to wait; 429 is said in the venue's words, which are Bybit's code in an answer of 200."""
    await _asked_well(on)
    for asked, words in _BAD_REQUESTS.items():
        async with on.standing_still():
            await on.suffer(FaultKind.STATUS, asked, target=f"rest:{on.wire.clock[0]}", for_s=1.0)
            status, body, headers = await _asked(on)
        is_bybit = asked == 429 and on.lab.server.venue == "bybit"
        assert status == (200 if is_bybit else asked)
        assert words in body
        assert b"10006" in body or not is_bybit
        assert asked != 418 or int(headers["Retry-After"]) > 0
        await until(on.nemesis.is_over.is_set, "the end of the fault")
    await _asked_well(on)


@sees(FaultKind.HTML)
async def _a_web_page_comes_for_an_answer(on: Scene) -> None:
    await on.suffer(FaultKind.HTML, target="rest:*")
    status, body, _ = await _asked(on)
    assert (status, body[:15]) == (200, b"<!DOCTYPE html>")


@sees(FaultKind.EMPTY)
async def _nothing_comes_for_an_answer(on: Scene) -> None:
    await on.suffer(FaultKind.EMPTY, target="rest:*")
    assert (await _asked(on))[:2] == (200, b"")


@sees(FaultKind.HANG)
async def _no_answer_comes_for_so_long(on: Scene) -> None:
    await on.suffer(FaultKind.HANG, 0.5, target="rest:*")
    began = asyncio.get_running_loop().time()
    await _asked_well(on)
    assert asyncio.get_running_loop().time() - began >= 0.5


@sees(FaultKind.STALE)
async def _the_answer_is_that_of_before(on: Scene) -> None:
    before = await _asked_well(on)
    await on.grown(on.wire.trades, 5)
    async with on.standing_still():
        await on.suffer(FaultKind.STALE, target="rest:*", for_s=1.0)
        assert await _asked_well(on) == before
    await until(on.nemesis.is_over.is_set, "the end of the fault")
    assert await _asked_well(on) != before


# every word ----------------------------------------------------------------------------------------------------------


def _everyday() -> list[tuple[FaultKind, str]]:
    """Each word on one venue, the venues by turns."""
    return [(kind, VENUES[number % len(VENUES)]) for number, kind in enumerate(FaultKind)]


async def _seen(kind: FaultKind, venue: str) -> None:
    async with scene(venue) as on:
        await SEEN[kind](on)
    assert {injected.kind for injected in on.lab.ledger.injected} == {kind.value}
    hits = [injected.hit for injected in on.lab.ledger.injected]
    assert all(hits) or (kind, venue) == (FaultKind.SNAPSHOT_AGAIN, "binance")


def test_every_word_of_the_script_has_somebody_who_sees_it() -> None:
    """A new kind of fault is not done before a client has seen it."""
    assert set(SEEN) == set(FaultKind)


@pytest.mark.parametrize(("kind", "venue"), _everyday(), ids=lambda value: getattr(value, "value", value))
async def test_a_plain_client_sees_the_word(kind: FaultKind, venue: str) -> None:
    """What the page promises of a word comes over TCP, and the ledger says that it was injected. Keeps B13."""
    await _seen(kind, venue)


@pytest.mark.soak
@pytest.mark.timeout(300)
@pytest.mark.parametrize("venue", VENUES)
@pytest.mark.parametrize("kind", FaultKind, ids=lambda kind: kind.value)
async def test_a_plain_client_sees_the_word_on_each_venue(kind: FaultKind, venue: str) -> None:
    """The same for every word on every wire."""
    await _seen(kind, venue)


#: who sees each word of a bad line, in tests/unit/test_lab_proxy.py
LINE = {
    "latency_s": "test_latency_is_added_each_way",
    "bytes_per_s": "test_a_slow_line_keeps_to_its_rate",
    "is_mute_up": "test_a_line_mute_upwards_brings_the_server_nothing",
    "is_mute_down": "test_a_line_mute_downwards_swallows_the_answers",
    "is_half_open": "test_a_half_open_line_stays_connected",
    "flips": "test_flipped_bits_are_few_and_repeatable",
    "cut_after": "test_a_cut_ends_the_connection_within_the_bytes",
}


def test_every_word_of_a_bad_line_has_its_test() -> None:
    """What the TCP proxy can do is seen by a client of it, word by word."""
    assert set(LINE) == {field.name for field in msgspec.structs.fields(Line)}
    assert all(callable(getattr(test_lab_proxy, name)) for name in LINE.values())
