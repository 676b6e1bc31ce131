"""REST calls against a real server on loopback: answers, refusals, limits, deadlines, and the budget of weight."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiohttp import web

from perpscope.errors import FrameError, RateLimited, VenueUnreachable
from perpscope.feeds import limits, rest
from perpscope.feeds.clock import Anchor
from perpscope.feeds.limits import PacedConnector, WeightLimiter
from perpscope.feeds.rest import RestClient, market_clock
from perpscope.model.stream import HttpRequest
from perpscope.ports import OnFrame, Socket

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

DEPTH = HttpRequest(path="/fapi/v1/depth", params=(("symbol", "BTCUSDT"), ("limit", "1000")), weight=20)
#: Nothing listens there.
NOWHERE = "http://127.0.0.1:1"
PLENTY = 1e9


@asynccontextmanager
async def served(answer: Answer) -> AsyncIterator[str]:
    """A server that answers every path alike; yields its base URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def saying(status: int, body: bytes = b"{}", headers: Mapping[str, str] | None = None) -> Answer:
    """An answer that is always the same."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, body=body, headers=headers)

    return answer


@asynccontextmanager
async def client(url: str, limiter: WeightLimiter | None = None, timeout_s: float = 5.0) -> AsyncIterator[RestClient]:
    """A client of a venue at `url`."""
    limiter = limiter or WeightLimiter(PLENTY, PLENTY)
    async with RestClient("binance", url, limiter, timeout_s=timeout_s) as http:
        yield http


async def asked(answer: Answer, limiter: WeightLimiter | None = None, timeout_s: float = 5.0) -> bytes:
    """One call to a server that answers so."""
    async with served(answer) as url, client(url, limiter, timeout_s) as http:
        return await http.get(DEPTH)


async def test_a_call_is_made_as_the_venue_described_it() -> None:
    """Method, path and parameters go out; the body of a 200 comes back untouched, whatever the base URL ends in."""
    seen: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append((request.method, request.path_qs))
        return web.Response(body=b'{"lastUpdateId":1}')

    async with served(answer) as url, client(f"{url}/") as http:
        assert await http.get(DEPTH) == b'{"lastUpdateId":1}'
        await http.get(HttpRequest(method="POST", path="/fapi/v1/listenKey"))
    assert seen == [("GET", "/fapi/v1/depth?symbol=BTCUSDT&limit=1000"), ("POST", "/fapi/v1/listenKey")]


async def test_a_body_is_sent_as_json() -> None:
    """A venue that is asked by POST gets the question as it was written, and is told that it is JSON."""
    seen: list[tuple[bytes, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append((await request.read(), request.content_type))
        return web.Response(body=b"[]")

    async with served(answer) as url, client(url) as http:
        await http.get(HttpRequest(method="POST", path="/info", body=b'{"type":"meta"}'))
    assert seen == [(b'{"type":"meta"}', "application/json")]


async def test_an_address_that_asks_too_often_is_told_to_wait_in_bybits_words() -> None:
    """403 is the limit there, not a refusal of the place: ten minutes of nothing."""
    with pytest.raises(RateLimited) as caught:
        await asked(saying(403, b"access too frequent"))
    assert caught.value.retry_after_s == 600.0


async def test_an_answer_in_pieces_is_read_whole() -> None:
    """A long catalogue comes in many reads: none of it may be left behind."""
    assert len(await asked(saying(200, b"x" * 3_000_000))) == 3_000_000


async def test_an_answer_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A venue, or somebody in its place, cannot fill our memory."""
    monkeypatch.setattr(rest, "_MAX_BYTES", 100)
    with pytest.raises(VenueUnreachable, match="longer than 100 bytes"):
        await asked(saying(200, b"x" * 101))


@pytest.mark.parametrize(
    ("status", "headers", "wait_s"),
    [
        (429, {"Retry-After": "7"}, 7.0),
        (429, {}, 10.0),
        (418, {"Retry-After": "300"}, 300.0),
        (418, {}, 120.0),
        (429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 10.0),
        (429, {"Retry-After": "-1"}, 0.0),
        (429, {"Retry-After": "inf"}, 259_200.0),
    ],
)
async def test_a_venue_that_asks_for_patience_gets_it(status: int, headers: dict[str, str], wait_s: float) -> None:
    """429 and 418 carry how long to wait, and the limiter spends nothing until then. Keeps S1-63."""
    limiter = WeightLimiter(60.0, 100.0)
    with pytest.raises(RateLimited) as caught:
        await asked(saying(status, headers=headers), limiter)
    assert caught.value.retry_after_s == wait_s
    assert caught.value.hint == f"retry after {wait_s:g} s"
    if wait_s > 1.0:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(limiter.take(1.0), 0.01)


@pytest.mark.parametrize(("status", "why"), [(403, "forbidden"), (451, "not available where you are")])
async def test_a_refused_address_is_told_in_words(status: int, why: str) -> None:
    """The venue is not asked in vain: the hint says what to do."""
    with pytest.raises(VenueUnreachable, match=why) as caught:
        await asked(saying(status))
    assert "another network" in (caught.value.hint or "")
    assert caught.value.exit_code == 4
    assert caught.value.venue == "binance"


async def test_any_other_status_is_an_invalid_frame() -> None:
    """Status, path and the start of the body are in the message."""
    with pytest.raises(FrameError, match=r"HTTP 400 from /fapi/v1/depth: .*-1121") as caught:
        await asked(saying(400, b'{"code":-1121,"msg":"Invalid symbol."}' + b" " * 1000))
    assert len(caught.value.message) < 300


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    """A hanging call ends at its deadline, as unreachable. Keeps S1-63."""

    async def answer(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    started = time.monotonic()
    with pytest.raises(VenueUnreachable, match="binance at http://127"):
        await asked(answer, timeout_s=0.05)
    assert time.monotonic() - started < 5.0


async def test_a_closed_port_is_unreachable() -> None:
    """No server at all: the setting to look at is named."""
    async with client(NOWHERE) as http:
        with pytest.raises(VenueUnreachable, match=r"127\.0\.0\.1:1") as caught:
            await http.get(DEPTH)
    assert "[venue.binance] rest_url" in (caught.value.hint or "")


async def test_a_labs_clock_is_read() -> None:
    """The anchor as the lab publishes it; what more it says is passed over."""
    anchor = {"market_ns": 5, "wall_ns": 6, "rate": 60.0, "is_running": True}
    async with served(saying(200, json.dumps(anchor).encode())) as url:
        assert await market_clock(f"{url}/lab/clock") == Anchor(5, 6, 60.0)


@pytest.mark.parametrize("body", [b"", b"hello", b'{"market_ns":1}', b'{"market_ns":1,"wall_ns":2,"rate":null}'])
async def test_what_is_no_clock_is_refused(body: bytes) -> None:
    """Anything but an anchor, or nothing at all: there is no lab."""
    async with served(saying(200, body)) as url:
        with pytest.raises(VenueUnreachable, match="no market clock"):
            await market_clock(url)
    with pytest.raises(VenueUnreachable, match=r"127\.0\.0\.1:1") as caught:
        await market_clock(NOWHERE)
    assert caught.value.hint == "is the lab running?"


class HandTime:
    """Real time as the limiter sees it, moved by its own naps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 1000.0
        self.naps: list[float] = []
        self.meanwhile: Callable[[], None] | None = None
        monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: self.now_s))
        monkeypatch.setattr(limits, "asyncio", SimpleNamespace(sleep=self._sleep, Lock=asyncio.Lock))

    async def _sleep(self, seconds: float) -> None:
        self.naps.append(round(seconds, 6))
        self.now_s += seconds + 1e-9
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()


async def test_weight_is_spent_at_once_and_refills_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    """A burst is free, then each call waits for its weight; never more than a burst is saved up. Keeps S1-63."""
    hand = HandTime(monkeypatch)
    limiter = WeightLimiter(per_minute=60.0, burst=20.0)
    await limiter.take(20)
    assert hand.naps == []
    await limiter.take(5)
    assert hand.naps == [5.0]
    hand.now_s += 1000
    await limiter.take(20)
    await limiter.take(1)
    assert hand.naps == [5.0, 1.0]


async def test_a_weight_over_the_burst_is_owed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call dearer than the burst goes out when the budget is full, and the next one pays."""
    hand = HandTime(monkeypatch)
    limiter = WeightLimiter(per_minute=60.0, burst=10.0)
    await limiter.take(40)
    assert hand.naps == []
    await limiter.take(1)
    assert hand.naps == [31.0]


async def test_a_pause_binds_those_who_wait_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was about to be let through waits as long as the venue has said meanwhile."""
    hand = HandTime(monkeypatch)
    limiter = WeightLimiter(per_minute=60.0, burst=10.0)
    await limiter.take(10)
    hand.meanwhile = lambda: limiter.pause(30.0)
    await limiter.take(2)
    assert hand.naps == [2.0, 32.0]
    limiter.pause(5.0)
    await limiter.take(1)
    assert hand.naps[-1] == 6.0


async def test_connections_are_opened_so_many_seconds_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """OKX takes three a second: tries wait their turn, those that failed before them included."""
    now, opened = [100.0], list[float]()

    async def sleep(seconds: float) -> None:
        now[0] += seconds

    async def refuse(url: str, on_frame: OnFrame, on_burst: Callable[[], None]) -> Socket:
        opened.append(now[0])
        raise OSError(url, on_frame, on_burst)

    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(limits, "asyncio", SimpleNamespace(sleep=sleep, Lock=asyncio.Lock))
    connect = PacedConnector(refuse, 0.4)
    for _ in range(3):
        with pytest.raises(OSError, match="ws://x"):
            await connect("ws://x", lambda _raw, _ts: None, lambda: None)
    assert opened == pytest.approx([100.0, 100.4, 100.8])
