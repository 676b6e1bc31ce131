"""The lab as a process of its own, started by somebody else."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from perpscope.lab.__main__ import main
from perpscope.lab.run import serve_market

_SOURCES = Path(__file__).resolve().parents[2] / "src"
_DEADLINE_S = 60.0


@contextmanager
def _lab(*words: str, stdin: int = subprocess.PIPE) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "perpscope.lab", *words],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(_SOURCES)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _ready(process: subprocess.Popen[bytes]) -> dict[str, object]:
    assert process.stdout is not None
    ready: dict[str, object] = json.loads(process.stdout.readline())
    return ready


async def test_process_says_where_it_is_and_dies_with_its_parent() -> None:
    """Protects the demo: one line of JSON, a market behind it, and an end when the pipe closes. Keeps S1-22."""
    with _lab("--seed", "7", "--speed", "60", "--symbols", "BTCUSDT") as process:
        ready = _ready(process)
        assert ready.keys() == {"rest", "websocket", "venues", "clock"}
        async with aiohttp.ClientSession() as http:
            async with http.ws_connect(f"{ready['websocket']}/market/ws/btcusdt@aggTrade") as client:
                assert json.loads((await client.receive(_DEADLINE_S)).data)["s"] == "BTCUSDT"
            async with http.get(f"{ready['rest']}/lab/clock") as reply:
                assert json.loads(await reply.read())["rate"] == 60.0
        out, _ = process.communicate(b"what is said is not listened to\n", timeout=_DEADLINE_S)  # closes stdin
        assert (process.returncode, out) == (0, b"")


async def test_process_serves_several_venues() -> None:
    """Protects the demo of several venues: each has its own address, the first one's are the old keys."""
    with _lab("--seed", "7", "--speed", "60", "--symbols", "BTC", "--venue", "bybit", "binance") as process:
        ready = _ready(process)
        venues = ready["venues"]
        assert isinstance(venues, dict)
        assert list(venues) == ["bybit", "binance"]
        assert venues["bybit"] == {"rest": ready["rest"], "websocket": ready["websocket"]}
        async with aiohttp.ClientSession() as http:
            for venue, path in (("bybit", "/v5/market/time"), ("binance", "/fapi/v1/time")):
                async with http.get(f"{venues[venue]['rest']}{path}") as reply:
                    assert reply.status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_process_ends_cleanly_on_a_signal(number: signal.Signals) -> None:
    """Protects whoever stops it: exit status 0, nothing on stderr, also where stdin is no pipe."""
    with _lab("--start-ns", "1795219200000000000", stdin=subprocess.DEVNULL) as process:
        _ready(process)
        process.send_signal(number)
        _, err = process.communicate(timeout=_DEADLINE_S)
        assert (process.returncode, err) == (0, b"")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--symbols", "NOPEUSDT"), b"does not trade NOPEUSDT"),
        (("--venue", "nowhere"), b"does not speak nowhere"),
        (("--speed", "0"), b"rate must be > 0"),
        (("--start-ns", "5"), b"whole second"),
        (("--nonsense",), b"--nonsense"),
    ],
)
def test_wrong_words_are_refused(words: tuple[str, ...], said: bytes) -> None:
    """Protects the caller's typing: one error, exit status 2, nothing on stdout."""
    with _lab(*words) as process:
        out, err = process.communicate(timeout=_DEADLINE_S)
        assert (process.returncode, out) == (2, b"")
        assert said in err


def test_command_can_be_called(capsys: pytest.CaptureFixture[str]) -> None:
    """Protects callers within Python: the exit status is returned, the error goes to stderr."""
    assert main(["--symbols", "NOPEUSDT"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "choose from BTCUSDT" in said.err


async def test_taken_port_leaves_nothing_behind() -> None:
    """Protects restarts: if one port is taken, the other is not kept."""
    async with await serve_market(7, is_held=True) as lab:
        taken = int(lab.rest_url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            await serve_market(7, ports=(0, taken))
        with pytest.raises(OSError, match="in use"):
            await serve_market(7, ports=(taken, 0))


async def test_failure_of_the_market_reaches_whoever_waits() -> None:
    """Protects tests from waiting for a lab that has died: its error comes out of `finished`."""
    lab = await serve_market(7, is_held=True)

    def broken(_: int) -> Iterator[object]:
        raise RuntimeError("the market fell over")

    lab.source._market.events = broken  # type: ignore[attr-defined]  # a fault no real market has
    with pytest.raises(RuntimeError, match="fell over"):
        await lab.finished()
    with pytest.raises(RuntimeError, match="fell over"):
        await lab.aclose()
