"""`perpscope symbols` as a user runs it, against the lab's exchanges: every venue the lab speaks."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from perpscope.lab.dialect import VENUES
from perpscope.lab.run import serve_markets
from perpscope.lab.running import Labs
from perpscope.lab.symbols import CONTRACTS

COINS = {contract.base for contract in CONTRACTS}
NOWHERE = "http://127.0.0.1:1"
_DEADLINE_S = 60.0


@pytest.fixture
async def labs() -> AsyncIterator[Labs]:
    """An exchange for each of them, on one clock."""
    async with await serve_markets(7) as opened:
        yield opened


async def run(words: str, urls: Mapping[str, str], environment: Mapping[str, str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `perpscope symbols …`, pointed at these REST addresses."""
    pointed = {f"PERPSCOPE_VENUE__{venue.upper()}__REST_URL": url for venue, url in urls.items()}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "perpscope", "symbols", *words.split()),
        env={**environment, **pointed, "PERPSCOPE_COLLECT__VENUES": ",".join(urls)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), _DEADLINE_S)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def answer(words: str, urls: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, Any]:
    """The JSON object on the one line of stdout."""
    code, out, err = await run(f"{words} --json", urls, environment)
    assert (code, len(out.splitlines())) == (0, 1), err
    found: dict[str, Any] = json.loads(out)
    return found


def at(labs: Labs) -> dict[str, str]:
    """REST addresses by venue."""
    return {venue: labs[venue].rest_url for venue in VENUES}


async def test_every_venue_lists_the_market_of_the_lab(labs: Labs, environment: dict[str, str]) -> None:
    """Eight coins on each, with ids, steps and what was turned over."""
    found = await answer("", at(labs), environment)
    while any(row["turnover_usd_24h"] is None for row in found["symbols"]):  # a market that opens has none yet
        found = await answer("", at(labs), environment)
    assert found["unreachable"] == {}
    for venue in VENUES:
        rows = [row for row in found["symbols"] if row["venue"] == venue]
        assert {row["coin"] for row in rows} == COINS, venue
        assert all(row["id"].endswith(f"-PERP.{venue.upper()}") for row in rows)
        assert all(row["tick_size"] > 0 and row["step_size"] > 0 and row["contract_size"] > 0 for row in rows)
        assert all(row["is_trading"] and row["is_crypto"] for row in rows)
        assert all(row["turnover_usd_24h"] >= 0 for row in rows)


async def test_a_coin_and_an_id_are_found(labs: Labs, environment: dict[str, str]) -> None:
    """A coin on every venue; an id on its own, and by it the margin tiers with their quality."""
    coin = await answer("btc", at(labs), environment)
    assert sorted(row["venue"] for row in coin["symbols"]) == sorted(VENUES)
    assert {row["coin"] for row in coin["symbols"]} == {"BTC"}
    by_id = await answer("--tiers BTC-USDT-PERP.BINANCE", at(labs), environment)
    (margin,) = by_id["margin"]
    assert (margin["symbol"], margin["table"]["quality"]) == ("BTCUSDT", "dated")
    assert margin["table"]["tiers"][0] == {
        **{"floor": 0, "cap": 300_000, "mmr": 0.004, "max_leverage": 150, "deduction": 0, "basis": "notional"}
    }


async def test_the_default_set_is_the_coins_of_the_lab(labs: Labs, environment: dict[str, str]) -> None:
    """All eight, by falling turnover, and how they were chosen."""
    found = await answer("--default", at(labs), environment)
    coins = found["default"]["coins"]
    assert {entry["coin"] for entry in coins} == COINS
    turnovers = [entry["turnover_usd_24h"] for entry in coins]
    assert turnovers == sorted(turnovers, reverse=True)
    assert all(entry["venues"] == sorted(VENUES) for entry in coins)
    assert found["default"]["how"].startswith("the 8 coins with the largest turnover in 24 h")


async def test_an_unreachable_venue_is_named_and_the_others_shown(labs: Labs, environment: dict[str, str]) -> None:
    """Exit 0 while anybody answers; with nobody, the house's error and exit 4."""
    code, out, err = await run("BTC", {"binance": labs["binance"].rest_url, "bybit": NOWHERE}, environment)
    assert code == 0, err
    assert "bybit did not answer: bybit at http://127.0.0.1:1" in err
    assert "BTC-USDT-PERP.BINANCE" in out
    found = await answer("", {"binance": labs["binance"].rest_url, "bybit": NOWHERE}, environment)
    assert list(found["unreachable"]) == ["bybit"]
    code, out, err = await run("", {"binance": NOWHERE, "bybit": NOWHERE}, environment)
    assert (code, out) == (4, "")
    assert "error venue-unreachable: no venue answered: binance at" in err


async def test_a_wrong_name_is_refused(labs: Labs, environment: dict[str, str]) -> None:
    """Exit 2 with the nearest name; two questions at once are refused before anybody is asked."""
    code, out, err = await run("BTCUSTD", {"binance": labs["binance"].rest_url}, environment)
    assert (code, out) == (2, "")
    assert "error symbol-unknown: unknown symbol 'BTCUSTD' on binance" in err
    assert "did you mean 'BTCUSDT'?" in err
    code, out, err = await run("--default BTC", {"binance": NOWHERE}, environment)
    assert (code, out) == (2, "")
    assert "error option-value" in err
