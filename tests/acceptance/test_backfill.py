"""The past, asked of a lab: after an outage, across `kill -9`, on demand, of five venues; its rows are the judge."""

import asyncio
import contextlib
import json
import os
import random
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path

import duckdb
import pytest

from perpscope.app import venues
from perpscope.app.collect import Collector
from perpscope.app.coverage import read_coverage
from perpscope.feeds.stretches import Known, Span, length, missing, union, without
from perpscope.lab.publisher import Publisher
from perpscope.lab.run import serve_market, serve_markets
from perpscope.lab.running import Lab
from perpscope.model.market import Interval
from perpscope.ports import Historic
from perpscope.settings import Backfill, Collect, Settings, Table

from .laboratory import heart, pointed_at

MINUTE = 60_000_000_000
DAY = 1440 * MINUTE
SYMBOLS, COINS = ("BTCUSDT", "ETHUSDT"), ("BTC", "ETH")
#: Channels of the outage that come back, and those that nobody gives back.
REPAIRED = ("candles_1m", "candles_15m", "candles_1h", "open_interest", "account_ratios", "taker_volume")
LOST = ("liquidations", "quotes", "book")


def asked(path: Path, query: str, *values: object) -> list[tuple[int, ...]]:
    """Rows of a store that somebody may be writing; none while there is no such table."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute(query, values).fetchall()
    except sqlite3.OperationalError:
        return []


def published(lab: Lab) -> Publisher:
    """The lab's market: what is true."""
    assert isinstance(lab.source, Publisher)
    return lab.source


def minutes(lab: Lab, symbol: str, ts_from: int, ts_to: int) -> list[tuple[float, ...]]:
    """The lab's own closed minutes that opened in a stretch."""
    told = published(lab).candles(symbol, Interval.M1, ts_from, ts_to)
    return [(c.ts_open, c.open, c.high, c.low, c.close, c.volume) for c in told if c.is_closed]


def _same(stored: Iterable[tuple[float, ...]], told: Iterable[tuple[float, ...]]) -> None:
    """Equal row by row, but for the last digits of sums."""
    mine, theirs = list(stored), list(told)
    assert [row[0] for row in mine] == [row[0] for row in theirs]
    for one, other in zip(mine, theirs, strict=True):
        assert all(abs(a - b) <= 1e-6 * abs(b) for a, b in zip(one, other, strict=True)), (one, other)


def stored_minutes(path: Path, symbol: str, ts_from: int, ts_to: int, venue: str = "binance") -> list[tuple[int, ...]]:
    """The store's."""
    query = """SELECT ts_open, open, high, low, close, volume FROM candles_1m
    WHERE venue = ? AND symbol = ? AND ts_open >= ? AND ts_open < ? ORDER BY ts_open"""
    return asked(path, query, venue, symbol, ts_from, ts_to)


def spans(path: Path, channel: str, kind: str, source: str = "%", coin: str = "BTC") -> list[Span]:
    """Intervals of a channel of a coin."""
    query = """SELECT ts_from, coalesce(ts_to, ts_from) FROM coverage
    WHERE channel = ? AND kind = ? AND source LIKE ? AND (instrument IS NULL OR instrument LIKE ?)"""
    return union((start, end) for start, end in asked(path, query, channel, kind, source, f"{coin}-%"))


async def until(condition: Callable[[], object], within_s: float = 60.0) -> None:
    """Wait for a condition; seldom looked at, for looking keeps the lab from answering."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"condition not met within {within_s:g} s"
        await asyncio.sleep(0.05)


async def market_minutes(lab: Lab, wanted: float) -> None:
    """Let so much market time pass."""
    end = lab.clock.now_ns() + int(wanted * MINUTE)
    await until(lambda: lab.clock.now_ns() >= end)


def holes(path: Path, channel: str, ts_from: int, ts_to: int) -> list[Span]:
    """What of a stretch was neither seen nor filled, of either coin."""
    found: list[Span] = []
    for coin in COINS:
        seen = [span for how in ("stream", "poll") for span in spans(path, channel, "covered", how, coin)]
        missed, filled = spans(path, channel, "gap", "%", coin), spans(path, channel, "covered", "backfill", coin)
        found += missing(Known(tuple(seen), tuple(missed), tuple(filled)), ts_from, ts_to)
    return found


RATE = 60.0
QUICK = {"PERPSCOPE_BACKFILL__DAYS": "0.1", "PERPSCOPE_FEED__BACKOFF_MAX_S": "0.3"}


async def _cut(lab: Lab, path: Path, market_min: float) -> None:
    """Cut and refuse the sockets of a running heart for so long: its candles are back soon after."""
    await until(lambda: spans(path, "candles_1m", "covered", "stream"))
    await market_minutes(lab, 1.0)
    lab.server.refuse(float("inf"))
    lab.server.drop_connections()
    cut_at = lab.clock.now_ns()
    await market_minutes(lab, market_min)
    lab.server.refuse(0)
    back_at, back_s = lab.clock.now_ns(), time.monotonic()
    await until(lambda: any(end >= back_at for _, end in spans(path, "candles_1m", "gap")))
    known_s = time.monotonic() - back_s
    await until(lambda: not holes(path, "candles_1m", cut_at, back_at))
    repaired_s = time.monotonic() - back_s
    for symbol in SYMBOLS:
        first, last = cut_at - cut_at % MINUTE, back_at - back_at % MINUTE
        _same(stored_minutes(path, symbol, first, last), minutes(lab, symbol, first, last))
    for name in LOST:
        assert length(without([(cut_at, back_at)], spans(path, name, "gap"))) < 10 * RATE * 1e9, name
        assert spans(path, name, "covered", "backfill") == []
    told = f"{market_min:g} market minutes at {RATE:g}x; back after {known_s:.2f} s, repaired after {repaired_s:.2f} s"
    print(f"cut for {told}; liquidations, quotes, books stay lost")


async def test_what_a_cut_hid_is_there_afterwards(tmp_path: Path) -> None:
    """The candles of a broken connection are the lab's own, and trades of the archive; the rest stays lost.

    Keeps S2-60.
    """
    path, folder = tmp_path / "d.db", tmp_path / "archive"
    async with await serve_market(3, RATE, symbols=SYMBOLS, activity=1.0) as lab:
        async with heart(lab, path, **QUICK, PERPSCOPE_ARCHIVE__FOLDER=str(folder)) as process:
            await _cut(lab, path, 2.0)
            ((ts_from, ts_to),) = [gap for gap in spans(path, "trades", "gap") if gap[1] - gap[0] > MINUTE]
            await until(lambda: not holes(path, "trades", ts_from, ts_to))
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        _judge_trades(lab, folder, ts_from, ts_to)
    for channel, is_repaired in (("candles_1m", True), ("liquidations", False)):
        told = read_coverage(path, channel=channel, from_ns=ts_from + MINUTE // 2, to_ns=ts_to - MINUTE // 2)
        assert told.intervals
        assert {(each.state, each.repaired, each.lost) for each in told.intervals} == {
            ("gap", is_repaired, not is_repaired)
        }


def _judge_trades(lab: Lab, folder: Path, ts_from: int, ts_to: int) -> None:
    """The archive holds each trade of a hole, once."""
    files = str(folder / "binance" / "trades" / "BTC-USDT-PERP" / "*" / "*.parquet")
    query = "SELECT trade_number FROM read_parquet(?) WHERE ts_event >= ? AND ts_event < ? ORDER BY trade_number"
    kept = [str(found) for (found,) in duckdb.connect().execute(query, [files, ts_from, ts_to]).fetchall()]
    told = [str(trade.trade_id) for trade in published(lab).stand("BTCUSDT").trades.between(ts_from, ts_to)]
    print(f"{len(told)} trades of the hole, {len(kept)} in the archive")
    assert told
    assert sorted(set(kept)) == sorted(told)


@pytest.mark.soak
@pytest.mark.timeout(300)
async def test_what_an_outage_hid_is_there_afterwards(tmp_path: Path) -> None:
    """Figures of a hole are the lab's own as well: sockets cut, then the heart killed for a quarter hour."""
    path = tmp_path / "d.db"
    async with await serve_market(3, RATE, symbols=SYMBOLS, activity=1.0) as lab:
        async with heart(lab, path, **QUICK) as process:
            await _cut(lab, path, 6.0)
            process.send_signal(signal.SIGKILL)
            await process.wait()
        down_at = lab.clock.now_ns()
        await market_minutes(lab, 15.0)
        up_at = lab.clock.now_ns()
        async with heart(lab, path, **QUICK) as process:
            await until(lambda: not any(holes(path, name, down_at, up_at) for name in REPAIRED))
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        for symbol in SYMBOLS:
            first, last = down_at - down_at % MINUTE, up_at - up_at % MINUTE
            _same(stored_minutes(path, symbol, first, last), minutes(lab, symbol, first, last))
            _judge_figures(lab, path, symbol, down_at, up_at)
        assert length(without([(down_at, up_at)], spans(path, "liquidations", "gap"))) == 0


def _judge_figures(lab: Lab, path: Path, symbol: str, ts_from: int, ts_to: int) -> None:
    """Ratios and taker volumes of the periods that ended in a hole are the lab's own."""
    ends = [each.ts for each in published(lab).censuses(symbol, 5 * MINUTE, ts_from, ts_to)]
    assert len(ends) >= 2
    for table, rows in (("long_short_ratio", 3), ("taker_volume", 1), ("open_interest", 1)):
        query = f"SELECT ts_event, count(*) FROM {table} WHERE symbol = ? AND ts_event IN ({','.join('?' * len(ends))})"
        found = asked(path, query + " GROUP BY 1 ORDER BY 1", symbol, *ends)
        assert found == [(ts, rows) for ts in ends], table


def lab_variables(lab: Lab, home: Path) -> dict[str, str]:
    """The environment of a command that asks a lab."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PERPSCOPE_", "XDG_"))}
    return {**kept, "HOME": str(home), "NO_COLOR": "1", **pointed_at(lab)}


@contextlib.asynccontextmanager
async def command(lab: Lab, path: Path, *words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`perpscope backfill` against a lab; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "perpscope", "backfill", "--db", str(path), "--json", *words),
        env=lab_variables(lab, path.parent),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def _claims_hold(lab: Lab, path: Path) -> int:
    """Every minute that is vouched for is there, and is the lab's; how many."""
    vouched = 0
    for symbol, coin in zip(SYMBOLS, COINS, strict=True):
        for start, end in spans(path, "candles_1m", "covered", "backfill", coin):
            opened = (-(-start // MINUTE) * MINUTE - MINUTE, -(-end // MINUTE) * MINUTE - MINUTE)
            told = minutes(lab, symbol, *opened)
            _same(stored_minutes(path, symbol, *opened), told)
            vouched += len(told)
    return vouched


async def _killed(tmp_path: Path, kills: int, days: int, seed: int) -> None:
    path, rng = tmp_path / "d.db", random.Random(seed)
    words = ("--days", str(days), "--symbols", "BTC,ETH")
    counts = []
    async with await serve_market(seed, symbols=SYMBOLS) as lab:
        expected = 2 * days * 1440
        for number in range(kills):
            enough = (number + rng.random()) / (kills + 1) * expected
            async with command(lab, path, *words) as process:
                await until(lambda: asked(path, "SELECT count(*) FROM candles_1m")[:1] > [(int(enough),)])  # noqa: B023
                process.send_signal(signal.SIGKILL)
                await process.wait()
            counts.append(_claims_hold(lab, path))
        now_ns = lab.clock.now_ns()
        async with command(lab, path, *words) as process:
            assert process.stdout is not None
            report = json.loads(await process.stdout.read())
            assert await process.wait() == 0
        assert all(line["whole"] and line["failed"] is None for line in report["series"])
        first = now_ns - days * DAY + MINUTE
        for symbol in SYMBOLS:
            told = minutes(lab, symbol, first - first % MINUTE, now_ns - now_ns % MINUTE - MINUTE)
            _same(stored_minutes(path, symbol, told[0][0], told[-1][0] + 1), told)  # type: ignore[arg-type]  # ns
        asked_again = next(line["rows"] for line in report["series"] if line["series"] == "candles_1m")
    print(f"minutes vouched for at each kill {counts}, of {expected}; the last run asked for {asked_again:,} of BTC")
    assert asked_again < days * 1440


async def test_killed_thrice_it_goes_on_where_it_stood(tmp_path: Path) -> None:
    """What was claimed at each kill is there and true; in the end every row is there once. Keeps S2-60."""
    await _killed(tmp_path, kills=3, days=4, seed=5)


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_killed_ten_times_it_goes_on_where_it_stood(tmp_path: Path) -> None:
    """The same with a month and ten kills."""
    await _killed(tmp_path, kills=10, days=30, seed=6)


async def test_ctrl_c_leaves_what_was_told(tmp_path: Path) -> None:
    """Interrupted, it ends with 130 and a report; what it had is kept, and the next run asks for the rest.

    Keeps S2-60.
    """
    path = tmp_path / "d.db"
    async with await serve_market(8, symbols=SYMBOLS) as lab:
        lab.rest.delay(0.05)
        async with command(lab, path, "--days", "20", "--symbols", "BTC", "--series", "candles_1m") as process:
            await until(lambda: asked(path, "SELECT count(*) FROM candles_1m")[:1] > [(2000,)])
            process.send_signal(signal.SIGINT)
            assert process.stdout is not None
            (line,) = json.loads(await process.stdout.read())["series"]
            assert await process.wait() == 130
        kept = len(asked(path, "SELECT ts_open FROM candles_1m"))
        assert 2000 < line["rows"] <= kept < 20 * 1440
        lab.rest.delay(0.0)
        async with command(lab, path, "--days", "20", "--symbols", "BTC", "--series", "candles_1m") as process:
            assert process.stdout is not None
            (line,) = json.loads(await process.stdout.read())["series"]
            assert await process.wait() == 0
        assert line["whole"]
        assert line["rows"] < 20 * 1440 - kept + 1500


async def test_a_running_collector_does_it_for_the_command(tmp_path: Path) -> None:
    """The store has one writer: the command hands its errand over, and prints the same report. Keeps S2-60."""
    path = tmp_path / "d.db"
    async with await serve_market(4, symbols=SYMBOLS) as lab:
        async with heart(lab, path, PERPSCOPE_BACKFILL__DAYS="0", PERPSCOPE_BACKFILL__GAPS="false") as process:
            await until(lambda: bool(spans(path, "candles_1m", "covered", "stream")))
            assert spans(path, "candles_1m", "covered", "backfill") == []
            async with command(lab, path, "--days", "1", "--symbols", "ETH") as asking:
                assert asking.stdout is not None
                report = json.loads(await asking.stdout.read())
                assert await asking.wait() == 0
            process.send_signal(signal.SIGTERM)
            assert await process.wait() == 0
        now_ns = lab.clock.now_ns()
        told = minutes(lab, "ETHUSDT", now_ns - DAY + 5 * MINUTE, now_ns - 5 * MINUTE)
        _same(stored_minutes(path, "ETHUSDT", told[0][0], told[-1][0] + 1), told)  # type: ignore[arg-type]  # ns
    assert report["by_collector"]
    assert {line["symbol"] for line in report["series"]} == {"ETHUSDT"}
    assert all(line["whole"] for line in report["series"])
    assert {"liquidations", "quotes", "book"} <= set(report["lost"]["binance"])


@pytest.mark.soak
@pytest.mark.timeout(120)
async def test_the_first_start_brings_two_days_of_five_venues(tmp_path: Path) -> None:
    """Beside the live feed, every venue's past comes, and its minutes are its lab's own. Keeps S2-60, S0-12."""
    path = tmp_path / "d.db"
    said: list[str] = []
    async with await serve_markets(7, symbols=("BTC",)) as labs:
        tables: dict[str, Table] = {
            name: {
                "rest_url": lab.rest_url,
                "websocket_url": lab.websocket_url,
                "clock_url": f"{lab.rest_url}/lab/clock",
                "weight_per_minute": 1e6,
            }
            for name, lab in labs.by_venue.items()
        }
        settings = Settings(
            venue=tables, collect=Collect(venues=tuple(tables), symbols=("BTC",)), backfill=Backfill(days=2.0)
        )
        started_s, now_ns = time.monotonic(), labs.clock.now_ns()
        collector = Collector(settings, database=path, announce=said.append)
        running = asyncio.create_task(collector.run())
        try:
            await until(lambda: sum("the past is here" in line for line in said) == len(tables), within_s=90.0)
            took_s = time.monotonic() - started_s
        finally:
            collector.stop()
            await running
        for name, lab in labs.by_venue.items():
            symbol = next(listing.symbol for listing in lab.server.listings)
            told = minutes(lab, symbol, now_ns - 2 * DAY + 2 * MINUTE, now_ns - 2 * MINUTE)
            stored = stored_minutes(path, symbol, told[0][0], told[-1][0] + 1, name)  # type: ignore[arg-type]  # ns
            assert len(told) > 2 * 1440 - 10
            _same(stored, told)
            assert isinstance(venues.find(name), Historic)
    print(f"two days of {len(tables)} venues in {took_s:.1f} s: {[line for line in said if 'is here' in line]}")
