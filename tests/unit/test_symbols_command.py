"""`perpscope symbols` against small REST servers on loopback: rows, names, what is said when nobody answers."""

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from aiohttp import web

from perpscope.app.lookup import Found, Question, look_up
from perpscope.cli import symbols
from perpscope.errors import ConfigError, FrameError, VenueUnreachable
from perpscope.settings import Collect, Settings

NOWHERE = "http://127.0.0.1:1"
FILTERS = [
    {"filterType": "PRICE_FILTER", "tickSize": "0.0000001"},
    {"filterType": "LOT_SIZE", "stepSize": "1"},
    {"filterType": "MIN_NOTIONAL", "notional": "5"},
]


def row(symbol: str, base: str, quote: str = "USDT", kind: str = "PERPETUAL", status: str = "TRADING") -> object:
    """One row of Binance's exchangeInfo."""
    names = {"symbol": symbol, "baseAsset": base, "quoteAsset": quote}
    return names | {"contractType": kind, "status": status, "filters": FILTERS}


LISTED = [
    row("BTCUSDT", "BTC"),
    row("1000PEPEUSDT", "1000PEPE"),
    row("BTCUSDT_261225", "BTC", kind="CURRENT_QUARTER"),
    row("TSLAUSDT", "TSLA", kind="TRADIFI_PERPETUAL"),
    row("LUNAUSDT", "LUNA", status="SETTLING"),
    row("ETHBTC", "ETH", "BTC"),
]
TRADED = {"BTCUSDT": "250", "1000PEPEUSDT": "1000", "TSLAUSDT": "1", "ETHBTC": "7"}


@asynccontextmanager
async def settings(*, up: tuple[str, ...] = ("binance",), down: tuple[str, ...] = ()) -> AsyncIterator[Settings]:
    """Settings whose venues answer as Binance does, or not at all."""
    served = web.Application()
    tickers = [{"symbol": symbol, "quoteVolume": volume} for symbol, volume in TRADED.items()]

    async def catalogue(_: web.Request) -> web.Response:
        return web.json_response({"symbols": LISTED})

    async def turnover(_: web.Request) -> web.Response:
        return web.json_response(tickers)

    async def funding(_: web.Request) -> web.Response:
        return web.json_response([])

    served.router.add_get("/fapi/v1/exchangeInfo", catalogue)
    served.router.add_get("/fapi/v1/ticker/24hr", turnover)
    served.router.add_get("/fapi/v1/fundingInfo", funding)
    runner = web.AppRunner(served)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    urls = dict.fromkeys(up, site.name) | dict.fromkeys(down, NOWHERE)
    try:
        yield Settings(
            venue={name: {"rest_url": url, "weight_per_minute": 1e6} for name, url in urls.items()},
            collect=Collect(venues=(*up, *down)),
        )
    finally:
        await runner.cleanup()


async def found(question: Question) -> Found:
    """What one venue answers."""
    async with settings() as tree:
        return await look_up(tree, question)


@pytest.mark.parametrize(
    ("question", "listed"),
    [
        (Question(), ["1000PEPEUSDT", "BTCUSDT", "ETHBTC"]),
        (Question(every=True), ["1000PEPEUSDT", "BTCUSDT", "TSLAUSDT", "BTCUSDT_261225", "ETHBTC", "LUNAUSDT"]),
        (Question(names=("pepe", "TSLAUSDT")), ["1000PEPEUSDT", "TSLAUSDT"]),
        (Question(default=True), ["1000PEPEUSDT", "BTCUSDT"]),
    ],
    ids=["plain", "all", "names", "default"],
)
async def test_a_question_selects_its_rows(question: Question, listed: list[str]) -> None:
    """What trades, everything, what is named, the default set; the most traded in dollars first."""
    answer = await found(question)
    assert [one.symbol for one in answer.symbols] == listed
    assert answer.unreachable == {}
    assert (answer.default is not None) == question.default
    assert answer.margin is None


async def test_a_row_says_what_the_venue_lists() -> None:
    """Names, units, steps and dollars; turnover in another currency is not called dollars."""
    by_symbol = {one.symbol: one for one in (await found(Question())).symbols}
    pepe = by_symbol["1000PEPEUSDT"]
    assert (pepe.id, pepe.base, pepe.coin) == ("1000PEPE-USDT-PERP.BINANCE", "1000PEPE", "PEPE")
    assert (pepe.multiplier, pepe.tick_size, pepe.min_notional) == (1000, Decimal("0.0000001"), Decimal(5))
    assert (pepe.turnover_usd_24h, pepe.is_trading, pepe.is_crypto) == (1000.0, True, True)
    assert by_symbol["ETHBTC"].turnover_usd_24h is None


async def test_margin_is_shown_with_its_quality() -> None:
    """Binance does not tell it: what ships stands there with its date."""
    answer = await found(Question(names=("BTC",), margin=True))
    assert answer.margin is not None
    (margin,) = answer.margin
    assert (margin.symbol, margin.table.quality.value, margin.table.as_of) == ("BTCUSDT", "dated", "2026-09")


async def test_a_venue_that_does_not_answer_is_named() -> None:
    """The others are shown; with none the venue's own error is raised, or one for all."""
    async with settings(down=("bybit",)) as tree:
        answer = await look_up(tree, Question(names=("BTC", "DOGE")))
        assert [one.venue for one in answer.symbols] == ["binance"]
        assert list(answer.unreachable) == ["bybit"]
        assert answer.notes == ["binance: does not list 'DOGE'", "'DOGE' has to wait for bybit"]
    async with settings(up=("bybit",)) as tree:
        with pytest.raises(FrameError, match="404"):
            await look_up(tree, Question())
    async with settings(up=(), down=("binance", "bybit")) as tree:
        with pytest.raises(VenueUnreachable, match=r"no venue answered: binance .*; bybit "):
            await look_up(tree, Question())


async def test_a_wrong_venue_is_refused_before_anything_is_asked() -> None:
    """Exit 2 with the nearest name."""
    with pytest.raises(ConfigError, match="unknown venue 'binanse'"):
        await look_up(Settings(collect=Collect(venues=("binanse",))), Question())


async def test_the_answer_is_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers are numbers, what was not asked for is left out."""
    symbols.print_json(await found(Question(names=("PEPE",))))
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) == {"symbols", "unreachable", "notes"}
    assert answer["symbols"][0]["tick_size"] == 1e-7
    symbols.print_json(await found(Question(names=("PEPE",), margin=True)))
    assert {"margin"} <= set(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize(
    ("question", "shown", "hidden"),
    [
        (Question(every=True), ["1000 PEPE", "1e-7", "halted", "TradFi", "261225"], ["price is"]),
        (Question(names=("PEPE",)), ["1000PEPE-USDT-PERP.BINANCE", "its price ÷ 1000", "5 USDT"], ["BTCUSDT"]),
        (Question(default=True), ["PEPE", "$1.00K", "binance"], ["1000PEPEUSDT"]),
        (Question(names=("BTC",), margin=True), ["DATED", "2026-09", "0.4 %", "300,000"], ["24 h"]),
        (Question(names=("1000PEPEUSDT", "TSLAUSDT"), margin=True), ["DATED"], []),
    ],
    ids=["all", "name", "default", "tiers", "several"],
)
async def test_people_get_tables(
    capsys: pytest.CaptureFixture[str], question: Question, shown: list[str], hidden: list[str]
) -> None:
    """Eighty columns; a name is answered with its ids and what a coin's price is."""
    symbols.print_found(await found(question), is_answer=bool(question.names), out=sys.stdout)
    page = capsys.readouterr().out
    assert [word for word in shown if word not in page] == []
    assert [word for word in hidden if word in page] == []
    assert max(map(len, page.splitlines())) <= 80
