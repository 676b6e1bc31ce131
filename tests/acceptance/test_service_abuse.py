"""Questions meant to hurt a face: refused before the store is opened, bounded where allowed, unnoticed by the heart."""

import asyncio
import ctypes
import json
import os
import sqlite3
import struct
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec
import pytest
from yarl import URL

from perpscope.app import demo_past
from perpscope.errors import PerpscopeError
from perpscope.feeds.clock import wall_ns
from perpscope.lab.agents.past import Making
from perpscope.lab.dialect import VENUES
from perpscope.stores.sqlite import SqliteReader
from perpscope.web.app import found
from perpscope.web.endpoint import Endpoint
from tests.acceptance.facing import face, heart

LONG_S = 60.0
#: Real seconds of load, and how late the heart may be meanwhile on a machine that is shared: it speaks each second.
LOADED_S, MOST_LATE_S = 5.0, 20.0
OFTEN = {"PERPSCOPE_WEB__REQUESTS_PER_MIN": "10000000"}
_HOUR_NS = 3_600_000_000_000
_IN_OPEN = 0x20
_PROBLEM = "application/problem+json"

Wait = Callable[..., Awaitable[None]]


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with some demo hours in it."""
    database = tmp_path_factory.mktemp("abuse") / "demo.db"
    making = Making(7, ("BTC",), wall_ns() // _HOUR_NS * _HOUR_NS, 0.25, processes=1)
    try:
        demo_past.fill(database, making.result(), VENUES, lambda: False)
    finally:
        making.close()
    return database


@contextmanager
def opens(path: Path) -> Iterator[Callable[[], int]]:
    """Count how often a file is opened, by whomever, as the kernel tells (inotify)."""
    if not sys.platform.startswith("linux"):
        pytest.skip("only Linux tells who opens a file")
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, os.fsencode(path), _IN_OPEN) >= 0, os.strerror(ctypes.get_errno())
    told = 0

    def count() -> int:
        nonlocal told
        try:
            while data := os.read(watch, 65_536):
                at = 0
                while at < len(data):
                    told += 1
                    at += 16 + struct.unpack_from("I", data, at + 12)[0]
        except BlockingIOError:
            pass
        return told

    try:
        yield count
    finally:
        os.close(watch)


#: What no endpoint takes, whether it knows the name or not.
ANYWHERE = (
    "hours=1e9",
    "hours=-1",
    "hours=NaN",
    "hours=Infinity",
    "hours=1e400",
    "limit=1000000000",
    "limit=1e9",
    "limit=0",
    "limit=-5",
    "limit=99999999999999999999999999",
    "bins=100000000",
    "bins=-1",
    "bins=2.5",
    "top=1e9",
    "largest=1000000000",
    "lookback_days=1e9",
    "every=1e-9",
    "horizon=1e9",
    "threshold=NaN",
    "prices=" + ",".join(["1"] * 500),
    "moves_pct=-1e9",
    "shocks_pct=" + ",".join(["1"] * 500),
    "depth_usd=-1",
    "min_usd=-1",
    "min_usd=inf",
    "cursor=" + "A" * 300,
    "cursor=A",
    "cursor=WzEsMl0",
    "cursor=%00%00",
    "symbols=" + ",".join(["BTC"] * 1000),
    "symbols=" + ",".join(f"C{number}" for number in range(10_000)),
    "symbols=" + quote("[" * 600),
    "symbol=" + "A" * 100_000,
    "symbol=" + "A" * 500,
    "symbol=" + quote("BTC'; DROP TABLE liquidation_events;--"),
    "symbol=..%2F..%2Fetc%2Fpasswd",
    "symbol=%00",
    "symbol=%F0%9F%92%A5",
    "symbol=%FF%FE",
    "symbol=",
    "symbol=BTC&symbol=ETH",
    "limit=1&limit=1",
    "a" * 5000 + "=1",
    "&".join(f"x{number}=1" for number in range(1000)),
    "unknown=1",
    "__class__=1",
    "meta[deep][deeper]=1",
    "from=9999999999999999",
    "from=1e9",
    "from=-1h",
    "from=2026-13-45T99:99:99Z",
    "format=exe",
    "interval=1ns",
    "profile=../neutral",
    "=",
    "&&&=&",
    "%",
)


def paths(endpoint: Endpoint) -> list[str]:
    """Where an endpoint is asked, with a symbol where the path names one."""
    return [path.replace("{symbol}", "BTC") for path in endpoint.paths]


async def test_abusive_questions_are_refused_before_the_store_is_opened(past: Path) -> None:
    """Everything a stranger might try, at every path: a 4xx that says why, no 5xx, and the file is never opened.

    Keeps G3, S0-42.
    """
    with face(past, **OFTEN) as url, opens(past) as count:
        async with aiohttp.ClientSession(url) as session:
            async with session.get("/api/liquidations/24h") as answer:
                assert answer.status == 200
            before = count()
            assert before > 0
            wrong = []
            every = [path for endpoint in found() for path in paths(endpoint)]
            for target in [*(f"{path}?{query}" for path in every for query in ANYWHERE), *PATHS]:
                status, kind, body = await asked(session, target)
                if not (400 <= status < 500 and kind == _PROBLEM and {"code", "detail"} <= body.keys()):
                    wrong.append((target[:100], status, str(body)[:200]))
            assert wrong == []
            assert count() == before


async def asked(session: aiohttp.ClientSession, target: str) -> tuple[int, str, Any]:
    """Status, content type and body; the target is sent as it stands. No JSON, or one with NaN, fails."""
    async with session.get(URL(target, encoded=True)) as answer:
        body = await answer.read()
        kind = answer.content_type
        return answer.status, kind, json.loads(body, parse_constant=_none) if "json" in kind else {}


def _none(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


#: What no path takes: a symbol in it is bounded as one in the query, a stream's channels are counted.
PATHS = (
    *(
        f"/api{version}/long-short/{symbol}"
        for version in ("", "/v1")
        for symbol in (
            "A" * 60_000,
            "%00",
            "..%2F..%2Fdemo.db",
            "%FF",
            "BTC%27%20OR%201=1",
            "%F0%9F%92%A5",
            "-",
            "B%20C",
        )
    ),
    "/api/v1/stream?channels=" + ",".join(["market:BTC"] * 65),
    "/api/v1/stream?channels=" + "x" * 200,
    "/api/v1/stream?ticket=" + "x" * 200,
    "/api/v1/stream?x=1",
    *(f"/api/liquidations/real-time?{query}" for query in ("recent=1e9", "min_usd=NaN", "symbol=%00")),
)


#: What befalls one venue's rows each: nothing held, delisted, no price, nothing told that need not be, infinities.
ODDITIES = (
    "UPDATE open_interest SET open_interest = 0, open_interest_usd = 0 WHERE venue = 'okx'",
    "UPDATE candles_1m SET volume = 0, quote_volume = 0, trades = 0 WHERE venue = 'okx'",
    "UPDATE instruments SET is_trading = 0 WHERE venue = 'bitget'",
    "DELETE FROM premium_index WHERE venue = 'bybit'",
    "DELETE FROM candles_1m WHERE venue = 'bybit'",
    "DELETE FROM open_interest WHERE venue = 'bybit'",
    "UPDATE premium_index SET index_price = NULL, funding_rate = NULL WHERE venue = 'hyperliquid'",
    "UPDATE liquidation_events SET lpi = NULL, lpi_bps = NULL WHERE venue = 'hyperliquid'",
    "UPDATE premium_index SET index_price = 9e999, funding_rate = -9e999 WHERE venue = 'binance'",
    "UPDATE open_interest SET open_interest_usd = 9e999 WHERE venue = 'binance'",
    "UPDATE candles_1m SET quote_volume = 9e999, taker_buy_volume = -9e999 WHERE venue = 'binance'",
    "UPDATE long_short_ratio SET long_short_ratio = 9e999 WHERE venue = 'binance'",
    "UPDATE liquidation_events SET lpi = 9e999, lpi_bps = 9e999 WHERE venue = 'binance'",
)


#: Endpoints that reckon for long: asked for one name.
_LONG = frozenset({"liquidation_map", "liquidation_map_custom", "liquidation_heatmap", "market_sentiment", "cascades"})


def questions() -> list[str]:
    """Every endpoint, asked for a coin, a symbol and ids."""
    made = []
    for endpoint in found():
        if "{id}" in endpoint.paths[-1]:  # of what somebody made: there is none
            continue
        names = {field.encode_name for field in msgspec.structs.fields(endpoint.query)} & {"symbol", "ticker"}
        symbols = ["BTC", "BTCUSDT", "BTC-USDT-PERP.OKX", "BTC-USDC-PERP.HYPERLIQUID"]
        for symbol in symbols[:1] if endpoint.name in _LONG else symbols:
            path = endpoint.paths[-1]
            if "{symbol}" in path:
                made.append(path.replace("{symbol}", symbol) + "?hours=12")
            else:
                made += [f"{path}?{name}={symbol}" for name in names] or [path]
    return list(dict.fromkeys(made))


async def test_odd_rows_become_nulls(past: Path, tmp_path: Path) -> None:
    """Symbols without a price, with nothing held, delisted, with infinite figures: 200, valid JSON, null.

    Keeps G4.
    """
    database = tmp_path / "odd.db"
    with closing(sqlite3.connect(past)) as whole, closing(sqlite3.connect(database)) as copy, copy:
        whole.backup(copy)
        for oddity in ODDITIES:
            copy.execute(oddity)
    with face(database, **OFTEN) as url:
        async with aiohttp.ClientSession(url) as session:
            wrong = []
            for target in questions():
                status, kind, body = await asked(session, target)
                if status != 200 or "json" not in kind:
                    wrong.append((target, status, str(body)[:300]))
            assert wrong == []
            _, _, body = await asked(session, "/api/v1/symbols?symbols=BTC")
            contracts = {contract["venue"]: contract for contract in body["coins"][0]["contracts"]}
            assert contracts["bybit"]["mark"] is None
            assert contracts["bybit"]["open_interest"] is None
            assert contracts["okx"]["open_interest"] == 0
            assert contracts["bitget"]["is_trading"] is False
            assert contracts["binance"]["funding_rate"] is None
            assert contracts["binance"]["open_interest_usd"] is None


@pytest.mark.soak
async def test_a_face_at_its_limit_does_not_hold_up_its_heart(eventually: Wait) -> None:
    """A hundred who ask for maps at once, for seconds: a bound on them, and a heart that misses nothing.

    Keeps G6.
    """
    with tempfile.TemporaryDirectory(prefix="p-") as folder:
        database = Path(folder) / "d.db"
        words = ("--days", "0.1", "--speed", "2x", "--symbols", "BTC")
        with heart(database, *words, RUNTIME_DIRECTORY=folder) as running:
            await eventually(lambda: beats(database), LONG_S)
            with face(database, RUNTIME_DIRECTORY=folder, **OFTEN) as url:
                async with aiohttp.ClientSession(url) as session:
                    before = counted(database)
                    answers, late_s = await loaded(session, database)
            assert set(answers) == {200, 503}, answers
            assert late_s < MOST_LATE_S
            after = counted(database)
            assert {feed: count for feed, count in before.items() if count > after[feed]} == {}
            assert sum(after.values()) > sum(before.values())
            assert running.end() == 130, running.said.read_text()
        with SqliteReader.open(database) as reader:
            assert [feed for feed in reader.feeds() if feed.gaps] == []
            assert [row for row in reader.coverage() if row.kind == "gap"] == []


async def loaded(session: aiohttp.ClientSession, database: Path) -> tuple[Counter[int], float]:
    """Ask for maps of one's own, each another, by a hundred at once; answers by status, and how late the heart was."""
    answers: Counter[int] = Counter()
    until = time.monotonic() + LOADED_S

    async def insist(who: int) -> None:
        number = 0
        while time.monotonic() < until:
            number += 1
            async with session.get(f"/api/v1/liquidation-map/custom?horizon={who}.{number}&lookback_days=30") as answer:
                answers[answer.status] += 1
                if answer.status == 503:
                    assert int(answer.headers["retry-after"]) > 0
                    assert answer.content_type == _PROBLEM
                    await asyncio.sleep(0.05)

    asking = [asyncio.create_task(insist(who)) for who in range(100)]
    late_s = 0.0
    while time.monotonic() < until:
        late_s = max(late_s, await asyncio.to_thread(age_s, database))
        await asyncio.sleep(0.1)
    for task in asking:
        if task.done():
            task.result()
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    return answers, late_s


def beats(database: Path) -> bool:
    """Whether the heart has begun, and every venue has told something."""
    try:
        counts = counted(database)
    except PerpscopeError:  # it is not there yet, or being made
        return False
    return len({venue for venue, channel in counts if counts[venue, channel]}) >= len(VENUES)


def counted(database: Path) -> dict[tuple[str, str], int]:
    """Events by feed, as the heart said last."""
    with SqliteReader.open(database) as reader:
        return {(feed.venue, feed.channel.value): feed.events for feed in reader.feeds()}


def age_s(database: Path) -> float:
    """Real seconds since the heart said anything."""
    with SqliteReader.open(database) as reader:
        told = reader.heart()
    assert told is not None
    return (wall_ns() - told.ts_wall) / 1e9
