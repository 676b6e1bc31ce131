"""`paper` and `trade` as processes of their own: what they answer, what survives kill -9, and how they end."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from perpscope.config import TRADE_KEYS
from perpscope.lab.accounts.desk import LAB_KEY, LAB_SECRET
from perpscope.lab.running import Lab
from perpscope.model.run import RunKind
from perpscope.model.trade_status import TradeStatus
from perpscope.stores.journal import JournalReader, place
from tests.acceptance.whole_runs import account_of, busy, held_at, lab_of

_KEYS = {"decisions", "decision_hash", "replay_hash", "orders", "duplicate_orders", "naked_seconds_max"}
_FEW = 10.0  # real seconds an orderly end may take (E9)
_PATIENCE_S = 60.0


def config_of(lab: Lab, folder: Path, **trade: object) -> Path:
    """A configuration that speaks to a lab and to nobody else."""
    url = lab.rest_url
    words = "\n".join(f"{key} = {msgspec.json.encode(value).decode()}" for key, value in trade.items())
    file = folder / "lab.toml"
    file.write_text(
        f'[venue.binance]\nrest_url = "{url}"\nwebsocket_url = "{lab.websocket_url}"\nclock_url = "{url}/lab/clock"\n'
        f'proxy = "none"\nweight_per_minute = 1e6\n[limits]\nfolder = ""\n[risk]\ncooldown_s = 0.0\n[trade]\n{words}\n'
    )
    return file


@asynccontextmanager
async def program(*words: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """perpscope, as somebody starts it; ended by force if it has not ended by itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "perpscope", *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, TRADE_KEYS[0]: LAB_KEY, TRADE_KEYS[1]: LAB_SECRET},
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def once(process: asyncio.subprocess.Process, holds: Callable[[], bool]) -> None:
    """Wait until a condition holds while a program runs, looking ten times a second."""
    async with asyncio.timeout(_PATIENCE_S):
        while not holds():
            ended = asyncio.ensure_future(process.wait())
            done, _ = await asyncio.wait([ended], timeout=0.1)
            ended.cancel()
            if done:
                assert process.stderr is not None
                pytest.fail((await process.stderr.read()).decode())


def status_of(folder: Path, kind: RunKind = RunKind.LIVE) -> TradeStatus | None:
    """What the newest run told last."""
    with JournalReader(place(folder / "market.db", kind)) as journal:
        return next(iter(journal.statuses()), None)


def pid_of(folder: Path) -> int:
    """Of the process that told last."""
    status = status_of(folder)
    return 0 if status is None else status.pid


@pytest.mark.parametrize("command", ["paper", "trade"])
async def test_the_lab_is_one_word_away(command: str, tmp_path: Path) -> None:
    """`--lab` alone: a throw-away exchange, a run, and the answer of the contract. Keeps S4-52, S4-54."""
    words = (command, busy(tmp_path), "--lab", "--seed", "7", "--duration", "3", "--json", "--speed", "60")
    async with program(*words) as process:
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    told = msgspec.json.decode(out)
    assert _KEYS | {"position_matches", "latency_ms"} <= told.keys()
    assert told["latency_ms"].keys() >= {"p50", "p95", "p99"}
    assert told["decision_hash"] == told["replay_hash"]
    assert (told["duplicate_orders"], told["position_matches"], told["data"]) == (0, True, "demo")
    assert not Path(told["recording"]).exists()


async def test_kill_9_keeps_run_position_and_stop(tmp_path: Path) -> None:
    """Killed while it holds, nothing changes at the exchange; begun again it is the same run. Keeps S4-53, B15."""
    async with lab_of(rate=30.0) as lab:
        config = config_of(lab, tmp_path, on_exit="flatten", reconcile_s=0.5)
        db = ("--db", str(tmp_path / "market.db"), "--config", str(config))
        words = ("trade", busy(tmp_path), "--param", "held=600", *db, "--json")
        async with program(*words) as process:
            await once(process, lambda: held_at(lab) != 0 and len(account_of(lab).waits("BTCUSDT")) == 1)
            await once(process, lambda: pid_of(tmp_path) == process.pid)
            process.kill()
            await process.wait()
        first, left = status_of(tmp_path), held_at(lab)
        stops = [one.client_id for one in account_of(lab).waits("BTCUSDT")]
        async with program(*words) as process:
            await once(process, lambda: pid_of(tmp_path) == process.pid and _holds(status_of(tmp_path)))
            second = status_of(tmp_path)
            assert held_at(lab) == left
            assert [one.client_id for one in account_of(lab).waits("BTCUSDT")] == stops
            process.send_signal(signal.SIGTERM)
            out, err = await asyncio.wait_for(process.communicate(), 3 * _FEW)
        assert held_at(lab) == 0, err.decode()
        assert account_of(lab).waits("BTCUSDT") == []
    assert first is not None
    assert second is not None
    assert (second.run, second.held.size) == (first.run, float(abs(left)))
    told = msgspec.json.decode(out)
    assert (told["run"], told["duplicate_orders"], told["unexplained_orders"]) == (first.run, 0, 0)
    assert (told["is_over"], told["position_matches"], told["decision_hash"]) == (True, True, told["replay_hash"])


async def test_kill_9_of_a_face_changes_nothing(tmp_path: Path) -> None:
    """A face that reads the journal is killed: the trader goes on as if nobody had looked. Keeps S4-58."""
    async with lab_of(rate=60.0) as lab:
        config = config_of(lab, tmp_path, reconcile_s=0.5)
        db = ("--db", str(tmp_path / "market.db"), "--config", str(config))
        async with program("trade", busy(tmp_path), *db, "--json") as trader:
            await once(trader, lambda: _has_traded(status_of(tmp_path)))
            async with program("serve", *db, "--port", "0", "--no-open") as face:
                assert face.stdout is not None
                url = await asyncio.wait_for(face.stdout.readline(), _PATIENCE_S)
                assert url.startswith(b"http")
                face.kill()
                await face.wait()
            before = status_of(tmp_path)
            assert before is not None
            await once(trader, lambda: (status_of(tmp_path) or before).orders > before.orders)
            trader.send_signal(signal.SIGINT)
            out, err = await asyncio.wait_for(trader.communicate(), 3 * _FEW)
    assert trader.returncode == 130, err.decode()
    told = msgspec.json.decode(out)
    assert (told["duplicate_orders"], told["decision_hash"]) == (0, told["replay_hash"])


def _holds(status: TradeStatus | None) -> bool:
    return status is not None and status.held.side is not None and status.held.stop is not None


def _has_traded(status: TradeStatus | None) -> bool:
    return status is not None and status.fills >= 1
