"""What two venues' clients hear and ask of an agent market is what its people did; as a process of its own as well."""

import asyncio
import copy
import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import numpy as np
import pytest

from perpscope.lab.agents.lived import Past, live
from perpscope.lab.agents.past import save
from perpscope.lab.agents.truth import Truth
from perpscope.lab.agents.world import Shock
from perpscope.lab.crowds import People
from perpscope.lab.run import serve_markets
from perpscope.lab.running import Labs

Json: TypeAlias = Any  # decoded; the shape is what the test is about
_SOURCES = Path(__file__).resolve().parents[2] / "src"
_START_S = 1_795_219_200  # 2026-11-21T00:00:00Z
_START = _START_S * 1_000_000_000
_SECONDS = 180
_BINANCE, _BYBIT = 0, 1  # rows of the crowd
_DEADLINE_S = 60.0


@pytest.fixture(scope="module")
def lived() -> Past:
    """Six hours of three thousand people; the index is about to fall by a seventh."""
    return live(11, "BTC", _START, days=0.25, agents=3000, shocks=(Shock(40.0, 90.0, -0.15),))


@pytest.fixture
def past(lived: Past) -> Past:
    """One of its own for each test: a lab goes on from it."""
    return copy.deepcopy(lived)


class Heard:
    """What two clients have been told."""

    def __init__(self) -> None:
        self.volume: dict[int, dict[int, float]] = {_BINANCE: defaultdict(float), _BYBIT: defaultdict(float)}
        self.liquidations: list[tuple[int, float, str, float]] = []
        self.marks: dict[int, float] = {}
        self.held: dict[int, float] = {}
        self.reached_s = {_BINANCE: 0, _BYBIT: 0}  #: of what each has been told last, seconds since the opening

    def binance(self, frame: Json) -> None:
        """One frame of the combined stream."""
        data = frame["data"]
        if data["e"] == "aggTrade":
            self.volume[_BINANCE][data["T"] // 1000 - _START_S] += float(data["q"])
        else:
            self.reached_s[_BINANCE] = round(data["E"] / 1000) - _START_S
            self.marks[self.reached_s[_BINANCE]] = float(data["p"])

    def bybit(self, frame: Json) -> None:
        """One frame of the public socket."""
        topic = frame.get("topic", "")
        self.reached_s[_BYBIT] = frame.get("ts", _START_S * 1000) // 1000 - _START_S
        if topic.startswith("publicTrade"):
            for row in frame["data"]:
                self.volume[_BYBIT][row["T"] // 1000 - _START_S] += float(row["v"])
        elif topic.startswith("allLiquidation"):
            self.liquidations += [(row["T"], float(row["v"]), row["S"], float(row["p"])) for row in frame["data"]]
        elif topic.startswith("tickers") and "singleOpenInterest" in frame["data"] and frame["ts"] % 1000:
            self.held[frame["ts"] // 1000 - _START_S] = float(frame["data"]["singleOpenInterest"])


async def _listen(labs: Labs, heard: Heard) -> None:
    """Two clients from before the opening until the last second has been told."""
    streams = "btcusdt@aggTrade/btcusdt@markPrice@1s"
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(f"{labs['binance'].websocket_url}/market/stream?streams={streams}") as binance,
        http.ws_connect(f"{labs['bybit'].websocket_url}/v5/public/linear") as bybit,
    ):
        topics = ["publicTrade.BTCUSDT", "allLiquidation.BTCUSDT", "tickers.BTCUSDT"]
        await bybit.send_str(json.dumps({"op": "subscribe", "args": topics}))
        assert json.loads((await bybit.receive(_DEADLINE_S)).data)["success"]
        labs.start()

        async def read(client: aiohttp.ClientWebSocketResponse, row: int, take: Callable[[Json], None]) -> None:
            while heard.reached_s[row] < _SECONDS + 5:
                take(json.loads((await client.receive(_DEADLINE_S)).data))

        await asyncio.gather(read(binance, _BINANCE, heard.binance), read(bybit, _BYBIT, heard.bybit))


async def test_what_two_venues_tell_is_the_truth_of_one_crowd(past: Past) -> None:
    """Protects every grade given in the lab: a complete venue's liquidations one by one, volume, marks, open interest.

    Keeps B13.
    """
    heard = Heard()
    people = People(pasts={"BTC": past}, keeps_truth=True)
    async with await serve_markets(
        11, 30.0, venues=("binance", "bybit"), symbols=("BTC",), ts_start=_START, is_held=True, people=people
    ) as labs:
        await _listen(labs, heard)
        truth = labs.crowds["BTC"].truth()
        await _compare_candles(labs, past)
    _compare_trades(heard, truth)
    _compare_liquidations(heard, truth)
    for second in range(1, _SECONDS):
        assert heard.marks[second] == pytest.approx(truth.by_venue("mark")[second - 1, _BINANCE], abs=1e-8)
    for second, held in heard.held.items():
        if 0 < second < _SECONDS:
            assert held == pytest.approx(truth.by_venue("open_interest")[second - 1, _BYBIT] * truth.lot, abs=1e-6)
    assert len(heard.held) > 50


def _compare_trades(heard: Heard, truth: Truth) -> None:
    for row, volume in heard.volume.items():
        taken = (truth.by_venue("bought") + truth.by_venue("sold"))[:_SECONDS, row] * truth.lot
        assert np.allclose([volume[second] for second in range(_SECONDS)], taken, atol=1e-9)


def _compare_liquidations(heard: Heard, truth: Truth) -> None:
    table = truth["liquidations"]
    mine = (table["venue"] == _BYBIT) & (table["ts"] >= _START) & (table["ts"] < _START + _SECONDS * 1_000_000_000)
    told = [row for row in heard.liquidations if row[0] < (_START_S + _SECONDS) * 1000]
    assert len(told) >= 3
    assert [row[0] for row in told] == (table["ts"][mine] // 1_000_000).tolist()
    assert [row[1] for row in told] == pytest.approx((table["lots"][mine] * truth.lot).tolist())
    assert [row[2] == "Buy" for row in told] == (table["side"][mine] > 0).tolist()
    assert [row[3] for row in told] == pytest.approx(table["bankruptcy_price"][mine].tolist(), abs=0.051)


async def _compare_candles(labs: Labs, past: Past) -> None:
    """Candles asked for by REST go on over the opening, and before it they are the past's."""
    begin = (_START_S - 3600) * 1000
    async with aiohttp.ClientSession() as http:
        query = f"symbol=BTCUSDT&interval=1m&startTime={begin}&endTime={(_START_S + 120) * 1000 - 1}&limit=100"
        async with http.get(f"{labs['binance'].rest_url}/fapi/v1/klines?{query}") as reply:
            rows = json.loads(await reply.read())
    assert [row[0] for row in rows] == [begin + number * 60_000 for number in range(62)]
    for earlier, later in pairwise(rows):
        assert float(later[1]) == pytest.approx(float(earlier[4]), rel=5e-3)
    volumes = [float(row[5]) for row in rows[:60]]
    assert volumes == pytest.approx((past.bought + past.sold)[_BINANCE, -60:].tolist(), abs=1e-8)


@pytest.mark.soak
async def test_same_people_give_the_same_frames(lived: Past) -> None:
    """Protects the demo's promise: the first ten minutes of two labs with one past are one hash. Keeps S1-22."""
    hashes, hurry = [], asyncio.Event()
    hurry.set()
    for _ in range(2):
        people = People(pasts={"BTC": copy.deepcopy(lived)})
        async with await serve_markets(
            11,
            venues=("bybit", "hyperliquid"),
            symbols=("BTC",),
            ts_start=_START,
            is_held=True,
            is_witnessed=True,
            people=people,
        ) as labs:
            hashes.append(await labs.fingerprint(hurry))
    assert hashes[0] == hashes[1]


# as a process ---------------------------------------------------------------------------------------------------------


@contextmanager
def _lab(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "perpscope.lab", "--speed", "30", "--symbols", "BTC", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(_SOURCES)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_process_goes_on_from_a_past_and_leaves_the_truth(past: Past, tmp_path: Path) -> None:
    """Protects studies: a past made elsewhere is gone on from, and at the end there is a folder of truth a coin."""
    parquet = pytest.importorskip("pyarrow.parquet")
    save({"BTC": past}, tmp_path / "past")
    words = ("--past", str(tmp_path / "past"), "--start-ns", str(_START), "--truth", str(tmp_path / "truth"))
    with _lab("--seed", "11", *words) as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["clock"]["market_ns"] >= _START
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=_DEADLINE_S)
        assert (process.returncode, err) == (0, b"")
    table = parquet.read_table(tmp_path / "truth" / "BTC" / "market.parquet")
    assert table.num_rows == 0 or table["ts"][0].as_py() == _START + 1_000_000_000
    assert parquet.read_table(tmp_path / "truth" / "BTC" / "positions.parquet").num_rows > 1000


@pytest.mark.skipif(not Path("/proc").exists(), reason="makers are counted in /proc")
def test_process_can_be_ended_while_people_live() -> None:
    """Protects Ctrl-C: a lab whose past takes long ends at once, with nothing said and its makers gone."""
    with _lab("--agents", "6000", "--past-days", "300") as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        asyncio.run(_until_there_are(children))
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=_DEADLINE_S)
        assert (process.returncode, out, err) == (0, b"", b"")


async def _until_there_are(children: Path) -> None:
    async with asyncio.timeout(_DEADLINE_S):
        while not (children.exists() and children.read_text().split()):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("words", "said", "status"),
    [
        (("--past", "/nowhere/past"), b"/nowhere/past", 3),
        (("--agents", "100", "--start-ns", "1795219201000000000"), b"whole minutes", 2),
        (("--truth", "somewhere"), b"--agents", 2),
    ],
    ids=["no-file", "crooked-opening", "nobody"],
)
def test_people_that_make_no_sense_are_refused(words: tuple[str, ...], said: bytes, status: int) -> None:
    """Protects the caller's typing: one error with what is wrong, and nothing on stdout."""
    with _lab(*words) as process:
        out, err = process.communicate(timeout=_DEADLINE_S)
        assert (process.returncode, out) == (status, b"")
        assert said in err
