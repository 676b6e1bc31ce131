"""`perpscope doctor` against the lab's exchanges: all is well, and then one contract after another is broken."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from perpscope.app.doctor import Check, State, examine
from perpscope.lab.dialect import VENUES
from perpscope.lab.run import serve_markets
from perpscope.lab.running import Labs
from perpscope.lab.wire.binance.streams import Route
from perpscope.model.stream import Channel
from perpscope.settings import Collect, Settings, Table

from .conftest import Ran

RATE = 10.0
LISTEN_S = 20.0


def pointed_at(labs: Labs, *, follow: bool = True, **changes: Table) -> Settings:
    """Settings that point every venue at its lab; `changes` are laid over a venue's table."""
    tables: dict[str, Table] = {}
    for name, lab in labs.by_venue.items():
        tables[name] = {"rest_url": lab.rest_url, "websocket_url": lab.websocket_url, **changes.get(name, {})}
        if follow:
            tables[name]["clock_url"] = f"{lab.rest_url}/lab/clock"
    return Settings(venue=tables, collect=Collect(venues=tuple(tables), symbols=("BTC",)))


async def failed(settings: Settings, folder: Path, listen_s: float = LISTEN_S) -> dict[str, Check]:
    """What is not well, by name."""
    findings = await examine(settings, database=folder / "market.db", listen_s=listen_s)
    return {check.name: check for check in findings.checks if check.state is not State.OK and "disk" not in check.name}


@pytest.mark.timeout(180)
async def test_every_call_and_stream_of_five_venues_is_tried(tmp_path: Path) -> None:
    """Against venues that keep their contracts every check is ok, and none of a venue's channels is left out.

    Keeps B12.
    """
    async with await serve_markets(7, RATE, symbols=("BTC", "ETH")) as labs:
        findings = await examine(pointed_at(labs), database=tmp_path / "market.db", listen_s=60.0)
    wrong = [check for check in findings.checks if check.state is not State.OK and "disk" not in check.name]
    assert wrong == []
    names = {check.name for check in findings.checks}
    for venue in VENUES:
        assert {f"{venue}.rest", f"{venue}.symbols"} <= names
        streams = {name.rpartition(".")[2] for name in names if name.startswith(f"{venue}.")}
        assert {Channel.TRADES.value, Channel.BOOK.value, Channel.MARK_PRICES.value} <= streams
    assert {f"{venue}.clock" for venue in VENUES if venue != "hyperliquid"} <= names


async def test_a_muted_route_is_named(tmp_path: Path) -> None:
    """A venue that acknowledges on the old path and sends nothing there is the one that is named, with what to do.

    Keeps B12.
    """
    async with await serve_markets(7, RATE, venues=("binance", "bybit"), symbols=("BTC",)) as labs:
        labs["binance"].server.mute(Route.MARKET)
        wrong = await failed(pointed_at(labs), tmp_path, listen_s=4.0)
    assert {name.split(".")[1] for name in wrong} == {"market"}
    assert {name.rpartition(".")[2] for name in wrong} >= {"trades", "mark_prices"}
    assert all("silent" in check.detail and check.fix for check in wrong.values())


async def test_a_refusing_address_is_named(tmp_path: Path) -> None:
    """451 from one venue is said of that venue alone, which is asked nothing more. Keeps B12."""
    async with await serve_markets(7, RATE, venues=("okx", "bitget"), symbols=("BTC",)) as labs:
        labs["okx"].rest.fail(451)
        wrong = await failed(pointed_at(labs), tmp_path)
    assert list(wrong) == ["okx.rest"]
    assert "451" in wrong["okx.rest"].detail
    assert wrong["okx.rest"].fix


async def test_a_refused_topic_and_a_dead_socket_are_named(tmp_path: Path) -> None:
    """A topic a venue no longer knows, and a socket address nobody answers at, each by its name. Keeps B12."""
    async with await serve_markets(7, RATE, venues=("bybit", "hyperliquid"), symbols=("BTC",)) as labs:
        labs["bybit"].server.refuse_topic("tickers.BTCUSDT")
        settings = pointed_at(labs, hyperliquid={"websocket_url": "ws://127.0.0.1:1"})
        wrong = await failed(settings, tmp_path, listen_s=3.0)
    by_venue = {venue: {name for name in wrong if name.startswith(venue)} for venue in ("bybit", "hyperliquid")}
    assert {name.rpartition(".")[2] for name in by_venue["bybit"]} >= {"mark_prices"}
    assert all("refused" in wrong[name].detail for name in by_venue["bybit"])
    assert by_venue["hyperliquid"]
    assert all("not connected" in wrong[name].detail for name in by_venue["hyperliquid"])


async def test_a_wrong_clock_is_told(tmp_path: Path) -> None:
    """A machine a minute and a half off the venue's clock is told by how much. Keeps B12."""
    start = (time.time_ns() // 10**9 - 90) * 10**9
    async with await serve_markets(7, 1.0, venues=("binance",), symbols=("BTC",), ts_start=start) as labs:
        wrong = await failed(pointed_at(labs, follow=False), tmp_path, listen_s=2.0)
    told = wrong["binance.clock"]
    assert told.state is State.FAIL
    assert "ahead of binance" in told.detail
    assert math.isclose(float(told.detail.split()[3].replace(",", "")), 90_000, abs_tol=3_000)


def test_the_command_says_it_in_words_and_in_json(perpscope: Callable[..., Ran]) -> None:
    """One object on one line with `checks` of name, state, detail and fix; exit code 1 if something must be changed."""
    variables = {
        "PERPSCOPE_COLLECT__VENUES": "binance",
        "PERPSCOPE_VENUE__BINANCE__REST_URL": "http://127.0.0.1:1",
    }
    ran = perpscope("doctor", "--json", "--listen", "1", **variables)
    assert ran.code == 1
    checks = ran.json["checks"]
    assert {"name", "state", "detail", "fix"} == set(checks[0])
    assert [check["state"] for check in checks if check["name"] == "binance.rest"] == ["fail"]
    told = perpscope("doctor", "--listen", "1", **variables)
    assert "fail binance.rest" in told.out
    assert "→" in told.out
