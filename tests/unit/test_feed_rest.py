"""REST calls against a real server on loopback: answers, refusals, limits, deadlines and proxies."""

import asyncio
import json
import shutil
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from perpscope.errors import FrameError, RateLimited, VenueUnreachable
from perpscope.feeds import rest, way_out
from perpscope.feeds.clock import Anchor, MarketClock
from perpscope.feeds.governor import Governor
from perpscope.feeds.rest import RestClient, market_clock
from perpscope.feeds.socket import PicowsConnector
from perpscope.model.stream import HttpRequest
from perpscope.venues.bybit import VENUE as BYBIT

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
async def client(
    url: str, governor: Governor | None = None, *, timeout_s: float = 5.0, proxy: str = ""
) -> AsyncIterator[RestClient]:
    """A client of a venue at `url`."""
    governor = governor or Governor("binance", PLENTY)
    async with RestClient("binance", url, governor, timeout_s=timeout_s, proxy=proxy) as http:
        yield http


async def asked(answer: Answer, governor: Governor | None = None, timeout_s: float = 5.0) -> bytes:
    """One call to a server that answers so."""
    async with served(answer) as url, client(url, governor, timeout_s=timeout_s) as http:
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
    """403 is the limit there, not a refusal of the place: ten minutes of nothing. Keeps B14."""
    with pytest.raises(RateLimited) as caught:
        await asked(saying(403, b"access too frequent"), Governor("bybit", PLENTY, metered=BYBIT))
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
    """429 and 418 carry how long to wait, and nothing is sent until then. Keeps S1-63."""
    governor = Governor("binance", PLENTY)
    with pytest.raises(RateLimited) as caught:
        await asked(saying(status, headers=headers), governor)
    assert caught.value.retry_after_s == wait_s
    assert caught.value.hint == f"retry after {wait_s:g} s"
    if wait_s > 5.0:
        with pytest.raises(RateLimited, match=r"nothing is sent before .* UTC: binance answered"):
            await governor.take(DEPTH)


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


# what hangs, and who is not who he says ----------------------------------------------------------------------------


async def test_a_server_that_hangs_does_not_use_up_the_connections() -> None:
    """More calls than connections, none answered: each ends at its deadline, and the next get through. Keeps B14."""
    hangs = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if not hangs.is_set() and request.path != "/fapi/v1/time":
            await hangs.wait()
        return web.Response(body=b"{}")

    async with served(answer) as url, client(url, timeout_s=0.3) as http:
        started = time.monotonic()
        asked = [http.get(DEPTH) for _ in range(3 * way_out.CONNECTIONS_PER_HOST)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(answer, VenueUnreachable) for answer in answers)
        assert time.monotonic() - started < 5.0
        assert await http.get(HttpRequest(path="/fapi/v1/time")) == b"{}"
        hangs.set()


@pytest.mark.parametrize("status", [500, 502, 503, 504, 302])
async def test_a_page_of_the_load_balancer_is_an_error_of_the_venue(status: int) -> None:
    """Typed, with the status; a redirect is followed nowhere, as nobody would count the call there. Keeps B14."""
    with pytest.raises(FrameError, match=f"HTTP {status}"):
        await asked(saying(status, b"<html>sorry</html>", {"Location": "/elsewhere"}))


async def test_a_name_that_is_not_known_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS fails: which host, and what to look at."""

    def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    async with client("https://fapi.binance.invalid") as http:
        with pytest.raises(VenueUnreachable, match=r"fapi\.binance\.invalid") as caught:
            await http.get(DEPTH)
    assert "check the network" in (caught.value.hint or "")


async def test_a_wrong_certificate_is_never_accepted(tmp_path: Path) -> None:
    """Nothing is sent to somebody who cannot prove who he is, by REST or by socket, and the message says so."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    made = await asyncio.create_subprocess_exec(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=other.invalid"),
        *("-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await made.wait() == 0
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    heard: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    async with server, client(f"https://127.0.0.1:{port}") as http:
        with pytest.raises(VenueUnreachable, match=r"(?i)certificate"):
            await http.get(DEPTH)
        connect = PicowsConnector(MarketClock(), timeout_s=5.0, max_frame_bytes=1000)
        with pytest.raises(OSError, match=r"(?i)certificate"):
            await connect(f"wss://127.0.0.1:{port}/ws", lambda _raw, _ts: None, lambda: None)
    assert not any(heard)
