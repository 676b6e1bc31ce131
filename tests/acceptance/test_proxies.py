"""REST and sockets through real proxies on loopback: every kind, with a password that nobody gets to read."""

import asyncio
import logging
from pathlib import Path

import pytest

from perpscope.app import venues
from perpscope.app.collect import Collector
from perpscope.errors import ConfigError, VenueUnreachable
from perpscope.feeds import way_out
from perpscope.feeds.ccxt_calls import CcxtCalls
from perpscope.feeds.ccxt_dialect import CcxtVenue
from perpscope.feeds.clock import MarketClock
from perpscope.feeds.governor import Governor
from perpscope.feeds.rest import RestClient
from perpscope.feeds.socket import PicowsConnector
from perpscope.lab.run import serve_market
from perpscope.settings import Collect, Proxy, Settings
from tests.acceptance.proxies import proxy

SECRET = "hunter2"
KINDS = [("http", "GET", "CONNECT"), ("socks5", "SOCKS5", "SOCKS5"), ("socks5h", "SOCKS5", "SOCKS5")]
TIME = venues.find("binance").catalogue_request()


@pytest.mark.parametrize(("scheme", "of_rest", "of_sockets"), KINDS, ids=[kind[0] for kind in KINDS])
async def test_calls_and_sockets_go_through_the_proxy(scheme: str, of_rest: str, of_sockets: str) -> None:
    """With its user and password, for REST and WebSocket alike; names are left to the proxy. Keeps B14."""
    async with await serve_market(1) as lab, proxy("me", SECRET) as out:
        url = f"{scheme}://me:{SECRET}@127.0.0.1:{out.port}"
        base = lab.rest_url.replace("127.0.0.1", "localhost") if scheme != "http" else lab.rest_url
        async with RestClient("binance", base, Governor("binance", 1e9), proxy=url) as http:
            assert b"BTCUSDT" in await http.get(TIME)
        connect = PicowsConnector(MarketClock(), timeout_s=5.0, max_frame_bytes=100_000, proxies={"": url})
        socket = await connect(f"{lab.websocket_url}/market/stream", lambda _raw, _ts: None, lambda: None)
        socket.close()
        host = base.removeprefix("http://")
        assert out.asked == [f"{of_rest} {host}", f"{of_sockets} {lab.websocket_url.removeprefix('ws://')}"]


async def test_socks4_is_given_addresses() -> None:
    """It knows no names, and no passwords."""
    async with await serve_market(1) as lab, proxy() as out:
        url = f"socks4://127.0.0.1:{out.port}"
        async with RestClient("binance", lab.rest_url, Governor("binance", 1e9), proxy=url) as http:
            assert b"BTCUSDT" in await http.get(TIME)
        assert out.asked == [f"SOCKS4 {lab.rest_url.removeprefix('http://')}"]


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_what_is_asked_through_ccxt_goes_through_the_proxy(scheme: str) -> None:
    """The general way out is that of other exchanges too; one named in their settings comes first. Keeps B14."""
    pytest.importorskip("ccxt", reason="ccxt is not installed: the extra [ccxt]")
    async with await serve_market(1) as lab, proxy("me", SECRET) as out:
        settings = way_out.for_ccxt(f"{scheme}://me:{SECRET}@127.0.0.1:{out.port}", {})
        async with CcxtCalls("binanceusdm", rest_url=lab.rest_url, settings=settings) as calls:
            venue = CcxtVenue("binanceusdm", has=calls.has)
            assert venue.instruments(await calls.get(venue.catalogue_request())).instruments
        assert out.asked


@pytest.mark.parametrize("settings", [{"httpProxy": "http://x:1"}, {"aiohttp_proxy": "http://x:1"}])
def test_a_proxy_of_an_exchanges_own_settings_comes_first(settings: dict[str, object]) -> None:
    """Ccxt takes one proxy only, and refuses two."""
    assert way_out.for_ccxt("http://h:1", settings) == settings
    assert way_out.for_ccxt("", {}) == {}
    assert way_out.for_ccxt("http://h:1", {"a": 1}) == {"a": 1, "httpsProxy": "http://h:1"}


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_refuses_is_told_without_its_password(scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    """What failed is said, where is said, and the secret is in no message and no log. Keeps B14."""
    caplog.set_level(logging.DEBUG)
    async with await serve_market(1) as lab, proxy("me", "another") as out:
        url = f"{scheme}://me:{SECRET}@127.0.0.1:{out.port}"
        async with RestClient("binance", lab.rest_url, Governor("binance", 1e9), proxy=url) as http:
            with pytest.raises(VenueUnreachable) as caught:
                await http.get(TIME)
        connect = PicowsConnector(MarketClock(), timeout_s=5.0, max_frame_bytes=100_000, proxies={"": url})
        with pytest.raises(OSError, match="no WebSocket at") as failed:
            await connect(f"{lab.websocket_url}/market/stream", lambda _raw, _ts: None, lambda: None)
    assert SECRET not in f"{caught.value.message} {caught.value.hint} {failed.value} {caplog.text}"


@pytest.mark.parametrize("scheme", ["http", "https", "socks4", "socks5"])
async def test_a_proxy_that_is_not_there_is_unreachable(scheme: str) -> None:
    """No call goes out directly instead. Keeps B14."""
    async with await serve_market(1) as lab:
        url = f"{scheme}://me:{SECRET}@127.0.0.1:1"
        async with RestClient("binance", lab.rest_url, Governor("binance", 1e9), proxy=url) as http:
            with pytest.raises(VenueUnreachable) as caught:
                await http.get(TIME)
        connect = PicowsConnector(MarketClock(), timeout_s=5.0, max_frame_bytes=100_000, proxies={"": url})
        with pytest.raises(OSError, match=r".") as failed:
            await connect(f"{lab.websocket_url}/market/stream", lambda _raw, _ts: None, lambda: None)
        assert not lab.ledger.requests
    assert SECRET not in f"{caught.value.message} {failed.value}"


@pytest.mark.parametrize(
    ("own", "general", "used"),
    [
        ("", "", ""),
        ("", "http://h:1", "http://h:1"),
        ("none", "http://h:1", ""),
        ("socks5://s:2", "http://h:1", "socks5://s:2"),
    ],
    ids=["none", "general", "direct", "own"],
)
def test_a_venue_has_its_own_way_out_or_the_general_one(own: str, general: str, used: str) -> None:
    """`[venue.X] proxy` wins; "none" is direct. Keeps B14."""
    assert way_out.chosen(own, general) == used


@pytest.mark.parametrize(
    "url", ["http://me:hunter2@host", "ftp://me:hunter2@h:1", "http://me:hunter2@h:x", "http://:1"]
)
def test_what_is_no_proxy_is_refused_before_anything_starts(url: str) -> None:
    """A port is missing, or no such kind: a setting is wrong, and the message hides the password."""
    with pytest.raises(ConfigError, match="proxy") as caught:
        way_out.chosen("", url)
    assert SECRET not in caught.value.message


async def test_a_collection_goes_out_through_its_proxy(tmp_path: Path) -> None:
    """Every call and socket of a collection: the venue sees nobody but the proxy. Keeps B14."""
    async with await serve_market(1) as lab, proxy("me", SECRET) as out:
        own = {"rest_url": lab.rest_url, "websocket_url": lab.websocket_url, "clock_url": f"{lab.rest_url}/lab/clock"}
        settings = Settings(
            collect=Collect(venues=("binance",), symbols=("BTC",)),
            proxy=Proxy(url=f"socks5://me:{SECRET}@127.0.0.1:{out.port}"),
            venue={"binance": {**own, "weight_per_minute": 1e6}},
        )
        said: list[str] = []
        collector = Collector(settings, database=tmp_path / "m.db", announce=said.append)
        outcome = await asyncio.wait_for(collector.run(3.0), 60.0)
        assert outcome.market_events > 0
        connections = sum(asked.endswith(lab.websocket_url.removeprefix("ws://")) for asked in out.asked)
        assert connections >= 2
        assert SECRET not in " ".join(said)
