"""The lab's REST side, and the bridge between its snapshots and its diff stream."""

import json
import time
from typing import Any

import aiohttp
import pytest

from perpscope.lab.run import serve_market
from perpscope.lab.running import Lab
from perpscope.lab.wire.binance.limits import WeightLimit

_START = 1_795_219_200_000_000_000
_DEADLINE_S = 60.0


async def _get(http: aiohttp.ClientSession, lab: Lab, path: str) -> tuple[int, Any]:
    async with http.get(lab.rest_url + path) as reply:
        return reply.status, json.loads(await reply.read())


def _applied(side: dict[str, str], changes: list[list[str]]) -> None:
    for price, size in changes:
        if float(size):
            side[price] = size
        else:
            side.pop(price, None)


def _bridged(snapshot: dict[str, Any], diffs: list[dict[str, Any]]) -> dict[int, tuple[list[str], list[str]]]:
    """Best bid and ask after each diff, by its last update id, following the venue's rules 3 to 6."""
    bids: dict[str, str] = dict(snapshot["bids"])
    asks: dict[str, str] = dict(snapshot["asks"])
    best: dict[int, tuple[list[str], list[str]]] = {}
    last = None
    for diff in diffs:
        if diff["u"] < snapshot["lastUpdateId"]:
            continue
        if last is None:
            assert diff["U"] <= snapshot["lastUpdateId"] <= diff["u"]
        else:
            assert diff["pu"] == last
        last = diff["u"]
        _applied(bids, diff["b"])
        _applied(asks, diff["a"])
        bid, ask = max(bids, key=float), min(asks, key=float)
        best[diff["u"]] = ([bid, bids[bid]], [ask, asks[ask]])
    return best


@pytest.mark.parametrize("stream", ["btcusdt@depth@100ms", "btcusdt@depth"])
async def test_snapshot_and_diffs_give_the_quoted_best_prices(stream: str) -> None:
    """Protects the book's wire: a REST snapshot bridged by the diff stream equals bookTicker at each update id."""
    async with (
        await serve_market(3, 60.0, symbols=("BTCUSDT",), ts_start=_START) as lab,
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{lab.websocket_url}/public/stream?streams={stream}/btcusdt@bookTicker") as client,
    ):
        diffs: list[dict[str, Any]] = []
        quotes: dict[int, tuple[list[str], list[str]]] = {}
        snapshot: dict[str, Any] = {}
        while len(diffs) < 150:
            frame = json.loads((await client.receive(_DEADLINE_S)).data)
            data = frame["data"]
            if data["e"] == "depthUpdate":
                diffs.append(data)
                if len(diffs) == 2:
                    status, snapshot = await _get(http, lab, "/fapi/v1/depth?symbol=BTCUSDT&limit=1000")
                    assert status == 200
            else:
                quotes[data["u"]] = ([data["b"], data["B"]], [data["a"], data["A"]])
        best = _bridged(snapshot, diffs)
        coinciding = [last for last in best if last in quotes]
        assert len(coinciding) > 100
        assert {last: best[last] for last in coinciding} == {last: quotes[last] for last in coinciding}


async def test_catalogue_quotes_and_candles_are_served() -> None:
    """Protects start-up of any client: what is traded, at what mark, with which candles."""
    async with await serve_market(7, 600.0, ts_start=_START) as lab, aiohttp.ClientSession() as http:
        while lab.ledger.events["Candle"] < 8 * 3 * 150:
            await _get(http, lab, "/lab/clock")
        status, clock = await _get(http, lab, "/fapi/v1/time")
        assert (status, clock["serverTime"] > _START // 1_000_000) == (200, True)
        assert await _get(http, lab, "/fapi/v1/ping") == (200, {})
        _, info = await _get(http, lab, "/fapi/v1/exchangeInfo")
        assert [row["symbol"] for row in info["symbols"]][:2] == ["BTCUSDT", "ETHUSDT"]
        assert len(info["symbols"]) == 8
        _, one = await _get(http, lab, "/fapi/v1/premiumIndex?symbol=BTCUSDT")
        assert float(one["markPrice"]) == pytest.approx(83_000, rel=0.1)
        _, every = await _get(http, lab, "/fapi/v1/premiumIndex")
        assert len(every) == 8
        _, rows = await _get(http, lab, "/fapi/v1/klines?symbol=BTCUSDT&interval=1m&limit=2")
        assert [rows[1][0] - rows[0][0], len(rows)] == [60_000, 2]
        _, first = await _get(
            http, lab, f"/fapi/v1/klines?symbol=BTCUSDT&interval=1m&startTime={_START // 10**6}&limit=1"
        )
        assert [row[0] for row in first] == [_START // 1_000_000]
        _, none = await _get(http, lab, "/fapi/v1/klines?symbol=BTCUSDT&interval=1h&endTime=5")
        assert none == []
        _, day = await _get(http, lab, "/fapi/v1/ticker/24hr?symbol=ETHUSDT")
        assert float(day["lowPrice"]) <= float(day["lastPrice"]) <= float(day["highPrice"])
        _, days = await _get(http, lab, "/fapi/v1/ticker/24hr")
        assert len(days) == 8
        status, anchor = await _get(http, lab, "/lab/clock")
        assert (status, anchor["rate"], anchor["is_running"]) == (200, 600.0, True)
        assert abs(anchor["wall_ns"] - time.time_ns()) < 60 * 10**9


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/fapi/v1/depth", 400, -1102),
        ("/fapi/v1/depth?symbol=NOPE", 400, -1121),
        ("/fapi/v1/depth?symbol=BTCUSDT&limit=7", 400, -4021),
        ("/fapi/v1/depth?symbol=BTCUSDT&limit=x", 400, -1130),
        ("/fapi/v1/klines?symbol=BTCUSDT&interval=7m", 400, -1120),
        ("/fapi/v1/klines?symbol=BTCUSDT", 400, -1120),
        ("/fapi/v1/allForceOrders", 404, -5000),
    ],
)
async def test_wrong_questions_get_the_venues_errors(path: str, status: int, code: int) -> None:
    """Protects error handling of clients: the code in the body, 400 or 404."""
    async with (
        await serve_market(7, symbols=("BTCUSDT",), ts_start=_START, is_held=True) as lab,
        aiohttp.ClientSession() as http,
    ):
        answered, body = await _get(http, lab, path)
        assert (answered, body["code"]) == (status, code)


async def test_used_weight_is_told_and_the_limit_is_kept() -> None:
    """Protects request budgets: weight in the header, 429 with Retry-After beyond it, 418 for whoever goes on."""
    async with await serve_market(7, ts_start=_START, is_held=True) as lab, aiohttp.ClientSession() as http:
        lab.rest.side.budget.limit = 50
        url = f"{lab.rest_url}/fapi/v1/depth?symbol=BTCUSDT&limit="
        used = []
        for limit in (5, 100, 500, 1000):
            async with http.get(url + str(limit)) as reply:
                used.append(reply.headers["X-MBX-USED-WEIGHT-1M"])
        assert used == ["2", "7", "17", "37"]
        async with http.get(url + "1000") as reply:
            assert (reply.status, json.loads(await reply.read())["code"]) == (429, -1003)
            assert 1 <= int(reply.headers["Retry-After"]) <= 60
        for _ in range(9):
            async with http.get(url + "5") as reply:
                assert reply.status == 429
        for _ in range(2):
            async with http.get(url + "5") as reply:
                assert (reply.status, int(reply.headers["Retry-After"]) > 60) == (418, True)


async def test_replies_are_delayed_and_failed_on_request() -> None:
    """Protects the poller's test bench: late answers, and any status with any body."""
    async with await serve_market(7, ts_start=_START, is_held=True) as lab, aiohttp.ClientSession() as http:
        lab.rest.fail(502, b"<html>bad gateway</html>")
        async with http.get(f"{lab.rest_url}/fapi/v1/ping") as reply:
            assert (reply.status, await reply.read()) == (502, b"<html>bad gateway</html>")
        lab.rest.fail(None)
        lab.rest.delay(0.05)
        before = time.monotonic()
        assert await _get(http, lab, "/fapi/v1/ping") == (200, {})
        assert time.monotonic() - before >= 0.05
        assert lab.ledger.requests["/fapi/v1/ping"] == 2


def test_weight_is_forgotten_with_the_minute() -> None:
    """Protects long runs: each real minute has the whole budget, and a ban ends."""
    limit = WeightLimit(10)
    assert limit.spend(10, 1000.0) == (200, 0)
    assert limit.spend(1, 1000.0) == (429, 61)
    assert limit.spend(10, 1060.0) == (200, 0)
    statuses = [limit.spend(1, 1060.0)[0] for _ in range(11)]
    assert statuses == [429] * 10 + [418]
    assert limit.spend(1, 1179.0)[0] == 418
    assert limit.spend(1, 1180.5) == (200, 0)
