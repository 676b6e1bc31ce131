"""The lab under TLS, by the venues' own names behind a CONNECT proxy: who gets through, and who does not."""

import asyncio
import json
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from perpscope.errors import ConfigError
from perpscope.lab.__main__ import main
from perpscope.lab.connect import ConnectProxy
from perpscope.lab.dialect import VENUES
from perpscope.lab.hosts import HOSTS
from perpscope.lab.run import serve_markets
from perpscope.lab.running import Labs
from perpscope.lab.tls import CA_FILE, Sealed, authority, sealed

_SOURCES = Path(__file__).resolve().parents[2] / "src"
_DEADLINE_S = 60.0
#: of each venue: something its REST answers at once, and a path its sockets open on
_REST = {
    "binance": "/fapi/v1/time",
    "bybit": "/v5/market/time",
    "okx": "/api/v5/public/time",
    "bitget": "/api/v2/public/time",
    "hyperliquid": "/lab/clock",
}
_SOCKET = {
    "binance": "wss://fstream.binance.com/market/ws/btcusdt@markPrice@1s",
    "bybit": "wss://stream.bybit.com/v5/public/linear",
    "okx": "wss://ws.okx.com/ws/v5/public",
    "bitget": "wss://ws.bitget.com/v2/ws/public",
    "hyperliquid": "wss://api.hyperliquid.xyz/ws",
}


class Street:
    """All exchanges under TLS, and who may be trusted there."""

    def __init__(self, labs: Labs, doors: Sealed) -> None:
        self.labs = labs
        self.doors = doors
        self.trust = ssl.create_default_context(cafile=doors.ca_file)


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    """Five exchanges behind one proxy."""
    pytest.importorskip("trustme", reason="the lab's extra is not installed: no TLS")
    async with await serve_markets(7, 60.0, symbols=("BTC",)) as labs, sealed(labs.by_venue, tmp_path / "ca") as doors:
        yield Street(labs, doors)


async def _said(proxy: str, request: bytes) -> bytes:
    """What the proxy answers, to its end."""
    port = int(proxy.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(_DEADLINE_S):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("venue", VENUES)
async def test_venue_is_reached_by_its_own_names(street: Street, venue: str) -> None:
    """Protects clients with addresses in their source: each name leads to that venue's lab, REST and sockets."""
    async with aiohttp.ClientSession() as http:
        for host in HOSTS[venue]:
            url = f"https://{host}{_REST[venue]}"
            async with http.get(url, proxy=street.doors.proxy_url, ssl=street.trust) as reply:
                assert (host, reply.status) == (host, 200)
                await reply.read()
        async with http.ws_connect(_SOCKET[venue], proxy=street.doors.proxy_url, ssl=street.trust) as client:
            assert not client.closed
            assert [name for name, lab in street.labs.by_venue.items() if lab.server.connections] == [venue]
    assert street.labs[venue].ledger.requests[_REST[venue]] == (
        len(HOSTS[venue]) if _REST[venue] != "/lab/clock" else 0
    )
    assert set(street.doors.proxy.asked) == set(HOSTS[venue])
    assert not street.doors.proxy.refused


async def test_market_is_heard_under_tls_without_the_proxy(street: Street) -> None:
    """Protects clients that take an address, but only `wss://`: frames come through the sealed door."""
    url = f"wss://{street.doors.venues['binance']}/market/ws/btcusdt@markPrice@1s"
    async with aiohttp.ClientSession() as http, http.ws_connect(url, ssl=street.trust) as client:
        assert json.loads((await client.receive(_DEADLINE_S)).data)["e"] == "markPriceUpdate"


async def test_certificate_is_worth_nothing_to_others(street: Street, tmp_path: Path) -> None:
    """Protects the machine: nobody trusts the CA who was not given its file, and no key is in the folder."""
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await http.get(f"https://{street.doors.venues['okx']}/", ssl=ssl.create_default_context())
    assert [path.name for path in (tmp_path / "ca").iterdir()] == [CA_FILE]
    assert "PRIVATE KEY" not in Path(street.doors.ca_file).read_text("ascii")


async def test_proxy_leads_nowhere_else() -> None:
    """Protects everybody else: an unknown host, port or method is refused, in words, and nothing is connected."""
    reached = []
    behind = await asyncio.start_server(lambda *ends: reached.append(ends), "127.0.0.1", 0)
    port = behind.sockets[0].getsockname()[1]
    proxy = ConnectProxy({"fapi.binance.com:443": port})
    url = await proxy.start()
    try:
        for host in ("example.com:443", f"127.0.0.1:{port}", "fapi.binance.com:80", "fapi.binance.com", ""):
            answer = await _said(url, f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
            assert answer.endswith(f"{host} is no venue of this lab\n".encode())
        answer = await _said(url, b"GET http://fapi.binance.com/ HTTP/1.1\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
        assert (proxy.asked, sum(proxy.refused.values()), reached) == ({}, 6, [])
    finally:
        await proxy.aclose()
        behind.close()
        await behind.wait_closed()


@pytest.mark.parametrize("is_legacy", [False, True], ids=["as it is", "as it was"])
async def test_retired_port_is_closed_unless_asked_for(is_legacy: bool, tmp_path: Path) -> None:
    """Protects the faithful default: OKX's 8443 is closed since 2026-10-31, and opens with legacy routes alone."""
    pytest.importorskip("trustme", reason="the lab's extra is not installed: no TLS")
    async with (
        await serve_markets(7, 60.0, venues=["okx"], symbols=("BTC",)) as labs,
        sealed(labs.by_venue, tmp_path, legacy_routes=is_legacy) as doors,
        aiohttp.ClientSession() as http,
    ):
        trust = ssl.create_default_context(cafile=doors.ca_file)
        meant = http.ws_connect("wss://ws.okx.com:8443/ws/v5/public", proxy=doors.proxy_url, ssl=trust)
        if is_legacy:
            async with meant as client:
                assert not client.closed
        else:
            with pytest.raises(aiohttp.ClientHttpProxyError, match="502"):
                await meant


async def test_tunnels_end_with_the_proxy() -> None:
    """Protects a quick end: a tunnel that stands is cut, at both ends."""
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await reader.read()
        writer.close()
        gone.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as behind:
        proxy = ConnectProxy({"venue.example:443": behind.sockets[0].getsockname()[1]})
        url = await proxy.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
        writer.write(b"CONNECT Venue.Example:443 HTTP/1.1\r\n\r\n")
        async with asyncio.timeout(_DEADLINE_S):
            assert await reader.readuntil(b"hello") == b"HTTP/1.1 200 Connection established\r\n\r\nhello"
            await proxy.aclose()
            assert await reader.read() == b""
            await gone.wait()
        writer.close()


def test_without_trustme_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Protects a user without the extra: the message names what is missing, the hint how to have it."""
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ConfigError) as caught:
        authority(tmp_path, ("localhost",))
    assert (caught.value.code, caught.value.hint) == ("extra-missing", "pip install 'perpscope[lab]'")
    assert list(tmp_path.iterdir()) == []


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Protects a user with a slip in the path: the folder is in the message, and the status is that of a flag."""
    pytest.importorskip("trustme", reason="the lab's extra is not installed: no TLS")
    taken = tmp_path / "taken"
    taken.write_text("a file", "utf-8")
    with pytest.raises(ConfigError, match=str(taken)) as caught:
        authority(taken, ("localhost",))
    assert caught.value.code == "lab-tls-folder"
    assert main(["--symbols", "BTC", "--tls", str(taken)]) == ConfigError.exit_code


async def test_process_says_how_it_is_reached(tmp_path: Path) -> None:
    """Protects the command line: `--tls` adds proxy, CA file and doors, `--legacy-routes` gives un-routed paths all."""
    pytest.importorskip("trustme", reason="the lab's extra is not installed: no TLS")
    paths = os.pathsep.join([str(_SOURCES), *filter(None, [os.environ.get("PYTHONPATH")])])
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "perpscope.lab", "--symbols", "BTC", "--legacy-routes", "--tls", str(tmp_path)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": paths},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(_DEADLINE_S):
            ready = json.loads(await process.stdout.readline())
        assert ready["tls"]["ca_file"] == str(tmp_path / CA_FILE)
        assert ready["tls"]["venues"].keys() == {"binance"}
        trust = ssl.create_default_context(cafile=ready["tls"]["ca_file"])
        url = "wss://fstream.binance.com/stream?streams=btcusdt@markPrice@1s"
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(url, proxy=ready["tls"]["proxy"], ssl=trust) as client,
        ):
            assert json.loads((await client.receive(_DEADLINE_S)).data)["stream"] == "btcusdt@markPrice@1s"
    finally:
        process.kill()
        await process.communicate()


@pytest.mark.parametrize("is_legacy", [False, True], ids=["as it is", "as it was"])
async def test_unrouted_sockets_hear_the_market_only_as_it_was(is_legacy: bool) -> None:
    """Protects the trap of 2026 and who needs it undone: market streams on `/ws` come with legacy routes alone."""
    streams = ["btcusdt@markPrice@1s", "btcusdt@bookTicker"]
    async with await serve_markets(7, 60.0, venues=["binance"], symbols=("BTC",), is_held=True) as labs:
        lab = labs["binance"]
        if is_legacy:
            lab.keep_legacy_routes()
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{lab.websocket_url}/stream") as client:
            await client.send_json({"method": "SUBSCRIBE", "params": streams, "id": 1})
            assert json.loads((await client.receive(_DEADLINE_S)).data) == {"result": None, "id": 1}
            labs.start()
            seen: list[str] = []
            while len(seen) < 200 and set(streams) - set(seen):
                seen.append(json.loads((await client.receive(_DEADLINE_S)).data)["stream"])
            # the mark comes each second, quotes some times a second: two hundred of them are a minute without a mark
            assert ("btcusdt@markPrice@1s" in seen) is is_legacy
            assert "btcusdt@bookTicker" in seen
