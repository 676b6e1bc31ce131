"""A socket that is acknowledged and mute, cut off, or fed nonsense: found, reported, replaced; the stream goes on."""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from perpscope.lab.dialect import SessionRules
from perpscope.lab.run import serve_market
from perpscope.lab.wire.binance.streams import Route
from perpscope.model.stream import Channel
from perpscope.stores.sqlite import SqliteReader

from .laboratory import connected, heart

Wait = Callable[[Callable[[], bool]], Awaitable[None]]


async def test_a_mute_socket_is_found_reported_and_replaced(tmp_path: Path, eventually: Wait) -> None:
    """Acknowledged, answering pings, sending nothing: replaced, and the mute time is a gap, not coverage.

    Keeps S1-03, S4-48.
    """
    async with await serve_market(1, 5.0, symbols=("BTCUSDT",)) as lab:
        async with heart(lab, tmp_path / "d.db", PERPSCOPE_FEED__SILENT_AFTER_S="1.0") as process:
            await eventually(lambda: lab.ledger.frames > 300)
            opened = connected(lab)
            lab.server.mute(Route.MARKET)
            muted_at, muted_ns = time.monotonic(), lab.clock.now_ns()
            await eventually(lambda: connected(lab) > opened)
            print(f"mute socket replaced after {time.monotonic() - muted_at:.1f} s (bound 1.0 s)")
            lab.server.unmute(Route.MARKET)
            frames = lab.ledger.frames_by_stream["btcusdt@markPrice@1s"]
            await eventually(lambda: lab.ledger.frames_by_stream["btcusdt@markPrice@1s"] > frames + 20)
            await asyncio.sleep(0.5)
            process.terminate()
            await process.wait()
        with SqliteReader.open(tmp_path / "d.db") as reader:
            gaps = [row for row in reader.coverage() if row.kind == "gap" and row.channel is Channel.MARK_PRICES]
    assert [gap.cause for gap in gaps][:1] == ["silent"]
    on_its_way_ns = 250_000_000  # of market time: what was sent just before arrived just after
    assert gaps[0].ts_from - on_its_way_ns <= muted_ns <= (gaps[-1].ts_to or 0)


async def test_a_cut_connection_is_replaced_and_its_books_are_made_anew(tmp_path: Path, eventually: Wait) -> None:
    """Every TCP connection aborted at once: all come back, subscribed, with a fresh book snapshot each.

    Keeps S1-03, S1-63, S2-16.
    """
    async with (
        await serve_market(2, 5.0, symbols=("BTCUSDT", "ETHUSDT")) as lab,
        heart(lab, tmp_path / "d.db", ("--symbols", "BTC,ETH")) as process,
    ):
        await eventually(lambda: lab.ledger.requests["/fapi/v1/depth"] >= 2)
        await eventually(lambda: lab.ledger.frames > 300)
        lab.server.drop_connections()
        await eventually(lambda: lab.ledger.requests["/fapi/v1/depth"] >= 4)
        frames = lab.ledger.frames
        await eventually(lambda: lab.ledger.frames > frames + 300)
        await asyncio.sleep(0.5)
        process.terminate()
        assert process.stdout is not None
        status = json.loads(await process.stdout.read())
    by_channel = {feed["channel"]: feed for feed in status["feeds"]}
    assert by_channel["quotes"]["gaps"] == by_channel["mark_prices"]["gaps"] == 1
    assert by_channel["book"]["state"] == "live"


async def test_nonsense_on_the_wire_costs_only_itself(tmp_path: Path, eventually: Wait) -> None:
    """Mutated frames between good ones, 300 kB and invalid UTF-8 among them: the connection stays, data goes on.

    What they might have said is missing of their own route at the most. Keeps S2-22, S4-44.
    """
    rng = random.Random(3)
    async with (
        await serve_market(3, 5.0, symbols=("BTCUSDT",)) as lab,
        heart(lab, tmp_path / "d.db", PERPSCOPE_FEED__MAX_BAD_FRAMES_PER_MINUTE="100000") as process,
    ):
        await eventually(lambda: lab.ledger.frames > 300)
        opened = connected(lab)
        for _ in range(500):
            lab.server.send_raw("btcusdt@bookTicker", _nonsense(rng))
            await asyncio.sleep(0)
        frames = lab.ledger.frames
        await eventually(lambda: lab.ledger.frames > frames + 300)
        assert connected(lab) == opened
        process.terminate()
        assert process.stdout is not None
        status = json.loads(await process.stdout.read())
    assert {feed["channel"] for feed in status["feeds"] if feed["gaps"]} <= {"quotes", "book"}


def _nonsense(rng: random.Random) -> bytes:
    good = b'{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":1,"s":"BTCUSDT","b":"1.0","B":"1","a":"2.0"'
    return rng.choice(
        [
            good,
            good + b',"A":"NaN","T":1790000000000,"E":1790000000000}}',
            good + b',"A":"1","T":17900000000000000000,"E":1}}',
            good.replace(b"1.0", b"\xff\xfe") + b"}}",
            b'{"stream":"x","data":' + b"[" * 20_000,
            b"x" * rng.choice([30, 300, 300_000]),
            b"",
            b"null",
        ]
    )


@pytest.mark.parametrize("cause", ["lifetime"])
async def test_the_24_hour_close_is_an_ordinary_reconnect(tmp_path: Path, eventually: Wait, cause: str) -> None:
    """The venue closes each socket at the end of its life; collection goes on. Keeps S2-19."""
    rules = SessionRules(lifetime_s=1.5, ping_interval_s=0.3)
    async with (
        await serve_market(4, 5.0, symbols=("BTCUSDT",), rules=rules) as lab,
        heart(lab, tmp_path / "d.db") as process,
    ):
        await eventually(lambda: lab.ledger.closed[cause] >= 3)
        process.terminate()
        await process.wait()
    assert set(lab.ledger.closed) <= {cause, "client", "closed by client", "peer"}, lab.ledger.closed
