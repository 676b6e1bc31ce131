"""The demo's lab process: its speed, its place, a start that fails, and an end that is sure."""

import asyncio
import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from perpscope.app import demo, lab_process, places
from perpscope.app.demo import DemoMarket, bases_of, rate_of
from perpscope.errors import ConfigError, StoreError, VenueUnreachable
from perpscope.feeds.clock import SECOND_NS, wall_ns
from perpscope.lab.dialect import VENUES
from perpscope.model.market import Tick
from perpscope.settings import Collect, Settings
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import HeartStatus, StoreKind

_DAY_NS = 86_400 * SECOND_NS


@pytest.mark.parametrize(("text", "rate"), [("60x", 60.0), ("1X", 1.0), ("2.5×", 2.5), ("200", 200.0), ("1e-1", 0.1)])
def test_a_speed_is_read_as_people_write_it(text: str, rate: float) -> None:
    """With or without its sign."""
    assert rate_of(text) == rate


@pytest.mark.parametrize("text", ["", "x", "fast", "0", "-1x", "1001x", "nan", "inf", "60xx"])
def test_a_wrong_speed_is_refused(text: str) -> None:
    """The value and the range are in the message."""
    with pytest.raises(ConfigError, match=r"\(0, 200\]") as caught:
        rate_of(text)
    assert repr(text) in caught.value.message


def market(
    path: Path | None,
    duration_s: float | None = None,
    *,
    symbols: tuple[str, ...] = (),
    is_witnessed: bool = False,
) -> DemoMarket:
    """A demo that has not begun, without a past."""
    return DemoMarket(
        seed=7, rate=60.0, database=path, duration_s=duration_s, symbols=symbols, days=0.0, is_witnessed=is_witnessed
    )


def test_without_a_name_a_demo_has_a_file_of_its_own() -> None:
    """Demo rows never enter a real database."""
    assert market(None).database.parent == places.data_folder() / "demo"


@pytest.mark.unmeasured
async def test_the_collector_is_pointed_at_the_lab(tmp_path: Path) -> None:
    """A process of its own, told apart by its ports; it follows the market clock, and ends with the demo."""
    said: list[str] = []
    async with market(tmp_path / "d.db", duration_s=60.0) as running:
        assert running._lab is not None
        everything = running.collector(Settings(), said.append)
        assert everything._settings.collect.symbols == ("all",)
        assert everything._settings.collect.venues == VENUES
        two = running.collector(Settings(collect=Collect(venues=("nowhere",), symbols=("BTC", "ETH"))), said.append)
        outcome = await two.run(
            on_tick=lambda told: told.stop() if any(f.events for f in told.status().feeds) else None
        )
        assert outcome.market_events > 0
        assert 0.0 < two._clock.rate <= 60.0
        assert not Path(f"/proc/{running._lab.pid}").exists() or (running.cost().memory_mb or 0.0) > 20.0
    assert any(line.startswith("binance: 2 instruments") for line in said)
    assert running._lab.returncode is not None


@pytest.mark.parametrize(
    ("symbols", "bases"),
    [
        ((), ("BTC", "ETH", "SOL")),
        (("btc", "DOGEUSDT"), ("BTC", "ETH", "SOL", "DOGE")),
        (("XRP-USDT-SWAP", "ADA-USDC-PERP.HYPERLIQUID"), ("BTC", "ETH", "SOL", "XRP", "ADA")),
        (("all",), ("BTC", "ETH", "SOL", "BNB", "XRP", "DOGE", "ADA", "AVAX")),
    ],
    ids=["none", "more", "venue-names", "all"],
)
def test_a_demo_trades_three_coins_and_those_that_are_named(symbols: tuple[str, ...], bases: tuple[str, ...]) -> None:
    """By coin, a venue's symbol or our id."""
    assert bases_of(symbols) == bases


async def test_what_cannot_be_is_said_before_anything_is_made(tmp_path: Path) -> None:
    """A coin that is not traded, a folder that is none, a store of real data: nobody waits for days to be told."""
    with pytest.raises(ConfigError, match="NOTACOIN"):
        market(tmp_path / "d.db", symbols=("BTC", "NOTACOIN"))
    (tmp_path / "file").touch()
    SqliteStore.open(tmp_path / "real.db", kind=StoreKind.OBSERVED).close()
    for path, code in ((tmp_path / "file" / "x.db", "store-folder"), (tmp_path / "real.db", "store-kind")):
        with pytest.raises(StoreError) as caught:
            await DemoMarket(seed=7, rate=60.0, database=path, duration_s=None).__aenter__()
        assert caught.value.code == code


@pytest.mark.parametrize("days", [-1.0, 32.0, float("nan")])
def test_days_that_cannot_be_made_are_refused(days: float) -> None:
    """The value and the range are in the message."""
    with pytest.raises(ConfigError, match=r"\[0, 31\]"):
        DemoMarket(seed=7, rate=60.0, database=None, duration_s=None, days=days)


def test_a_newcomer_is_told_what_to_open_next(tmp_path: Path) -> None:
    """Where the data is, that it is made up, and a command that reads it."""
    words = market(tmp_path / "my demo.db", symbols=("XRP",)).words
    assert words.startswith(f"DEMO DATA, never the real store: {tmp_path / 'my demo.db'}")
    assert f"./run status --db '{tmp_path / 'my demo.db'}'" in words
    assert "BTC, ETH, SOL, XRP on 5 venues, seed 7, 60×" in words


@pytest.mark.parametrize(("duration_s", "ago_s"), [(None, 86_400.0), (30.0, 1800.0)])
def test_a_demo_begins_so_far_back_as_it_is_long(tmp_path: Path, duration_s: float | None, ago_s: float) -> None:
    """Its market ends in the past; it begins on a second midnight, so that the time of day is the same in all demos."""
    start_ns = market(tmp_path / "d.db", duration_s)._start_ns()
    assert start_ns % (2 * _DAY_NS) == 0
    assert ago_s - 60.0 < (wall_ns() - start_ns) / SECOND_NS < ago_s + 2 * 86_400.0 + 60.0


@pytest.mark.parametrize("has_heart", [True, False])
def test_a_second_demo_goes_on_after_the_first(tmp_path: Path, has_heart: bool) -> None:
    """Market time of one file never goes back."""
    ahead = wall_ns() // SECOND_NS * SECOND_NS + 3600 * SECOND_NS
    store = SqliteStore.open(tmp_path / "d.db", kind=StoreKind.DEMO)
    if has_heart:
        store.report([], HeartStatus(1, ahead, wall_ns(), 60.0, True))
    store.sink().accept(Tick(ahead))
    store.close()
    start_ns = market(tmp_path / "d.db", 30.0)._start_ns()
    assert 0 < start_ns - ahead <= 2 * _DAY_NS if has_heart else start_ns < wall_ns()


def lab_like(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a shell script in the lab's place."""
    program = folder / "lab.sh"
    program.write_text(f"#!/bin/sh\necho $$ > {folder}/pid\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(lab_process, "sys", SimpleNamespace(executable=str(program)))


def is_running(folder: Path) -> bool:
    """Whether the script in the lab's place still runs."""
    try:
        os.kill(int((folder / "pid").read_text()), 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    "script",
    [
        "exit 3",
        "echo 'no address'; exec sleep 60",
        "echo '{\"rest\": 1}'; exec sleep 60",
        "trap '' TERM; echo '{}'; exec sleep 60",
    ],
    ids=["ends", "nonsense", "wrong", "deaf"],
)
async def test_a_lab_that_does_not_start_is_told_and_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """It says something else, or nothing, or will not go: one error, and no process is left behind."""
    lab_like(tmp_path, monkeypatch, script)
    monkeypatch.setattr(lab_process, "_STOP_DEADLINE_S", 0.05 if "trap" in script else 10.0)
    with pytest.raises(VenueUnreachable, match="the lab did not start") as caught:
        async with market(tmp_path / "d.db"):
            pytest.fail("it started")
    assert "python -m perpscope.lab" in (caught.value.hint or "")
    assert not is_running(tmp_path)


async def test_a_lab_that_says_nothing_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The start has a deadline."""
    lab_like(tmp_path, monkeypatch, "exec sleep 60")
    monkeypatch.setattr(lab_process, "_START_DEADLINE_S", 0.2)
    started = time.monotonic()
    with pytest.raises(VenueUnreachable):
        async with market(tmp_path / "d.db"):
            pytest.fail("it started")
    assert time.monotonic() - started < 20.0


async def test_a_lab_that_is_gone_already_needs_no_ending(tmp_path: Path) -> None:
    """Whoever killed it, the demo ends without an error of its own."""
    async with market(tmp_path / "d.db", duration_s=1.0) as running:
        assert running._lab is not None
        running._lab.kill()
        await asyncio.wait_for(running._lab.wait(), 30.0)
    assert running._lab.returncode == -signal.SIGKILL


async def test_an_opening_that_is_given_up_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while the lab starts: no process, no folder of its own, and the error is the caller's."""
    lab_like(tmp_path, monkeypatch, "exec sleep 60")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    opening = asyncio.create_task(market(tmp_path / "d.db").__aenter__())
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        await asyncio.sleep(0.01)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert not is_running(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} <= {"lab.sh", "pid"}


async def test_frames_nobody_asked_to_hash_are_not_hashed(tmp_path: Path) -> None:
    """No answer instead of a wait; likewise before anything has begun, and of what is not there nothing is told."""
    idle = market(tmp_path / "d.db")
    assert await idle.frames_hash() is None
    assert idle.cost() == demo.Cost(None, None)


async def test_a_lab_that_dies_has_no_hash(tmp_path: Path) -> None:
    """Killed before the ten minutes are over: nothing is invented."""
    async with market(tmp_path / "d.db", duration_s=1.0, is_witnessed=True) as running:
        assert running._lab is not None
        running._lab.kill()
        assert await asyncio.wait_for(running.frames_hash(), 30.0) is None
