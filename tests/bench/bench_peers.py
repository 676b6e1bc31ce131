"""Binance frames through other programs' clients and through ours, in turn: their message handlers, and whole sockets.

Each of them runs in an environment of its own, made by `tools/peers.sh`, and measures itself (`peers/`). One that
cannot be installed or does not run is told as not measured; it then has not been beaten either.
"""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from bench_wire import blast, mean_of_three, through
from measure import Figure, cpu_ns, interleaved, judge, ratio
from wire_frames import BOOKLESS, mix

from perpscope.app.turns import calm_collector
from perpscope.venues.binance import VENUE

_ROOT = Path(__file__).resolve().parents[2]
_HERE = Path(__file__).parent
_FRAMES = 150_000  #: of a round of ours; see `peers/rounds.py`
_PATIENCE_S = 120.0
_TICKS = ("bookTicker", "aggTrade", "markPrice")


class Peer(NamedTuple):
    """Somebody else's client."""

    name: str
    does: str  #: what is measured of it
    goal: float  #: times our figure, at least
    kinds: tuple[str, ...] = BOOKLESS


_HANDLERS = (
    Peer("cryptofeed", "cryptofeed 2.4.1, message handler", 3.0),
    Peer("nautilus", "nautilus 1.221.0, adapter's handler", 6.0, _TICKS),
    Peer("ccxt", "ccxt.pro 4.5.90, message handler", 20.0),
)
_SOCKETS = (
    Peer("cryptofeed", "cryptofeed 2.4.1, its refusal of ws:// patched", 3.5),
    Peer("unicorn", "unicorn 2.16.1, dicts", 4.0),
    Peer("ccxt", "ccxt.pro 4.5.90", 14.0),
)


def peers() -> bool:
    """Every peer, handler and socket."""
    calm_collector()
    names = dict.fromkeys(peer.name for peer in (*_HANDLERS, *_SOCKETS))
    subprocess.run([_ROOT / "tools" / "peers.sh", *names], check=False)  # one left out is told below
    return all([*_handlers(), *_sockets()])


def _python(peer: Peer) -> Path:
    return _ROOT / ".cache" / "peers" / peer.name / "bin" / "python"


def _command(peer: Peer, *words: str) -> list[str]:
    return [str(_python(peer)), str(_HERE / "peers" / f"run_{peer.name}.py"), *words]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(_HERE)}


def _missing(peer: Peer) -> str | None:
    """Why a peer cannot be measured."""
    return None if _python(peer).exists() else f"it could not be installed, see .cache/peers/{peer.name}.log"


def _skip(peer: Peer, why: str) -> bool:
    print(f"  {peer.does:<46} not measured: {why}")
    return False


# handlers ----------------------------------------------------------------------------------------------------------


class _Silent(Exception):
    """A peer's program ended without a figure."""


@contextlib.contextmanager
def _program(peer: Peer) -> Iterator[Callable[[], float]]:
    """A peer's process, asked for one round after another."""
    with subprocess.Popen(
        _command(peer, "handler"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
    ) as process:
        ask, told, wrong = process.stdin, process.stdout, process.stderr
        assert ask is not None
        assert told is not None
        assert wrong is not None

        def once() -> float:
            with contextlib.suppress(BrokenPipeError):
                ask.write("\n")
                ask.flush()
            line = told.readline()
            if not line:
                raise _Silent(_last(wrong.read()))
            return float(line)

        yield once
        with contextlib.suppress(BrokenPipeError):
            ask.close()


def _handlers() -> list[bool]:
    print("\nframe → event, CPU per frame of the mix without books, beside other programs' handlers")
    return [_handler(peer) for peer in _HANDLERS]


def _handler(peer: Peer) -> bool:
    why = _missing(peer)
    if why is not None:
        return _skip(peer, why)
    binance = VENUE.instrument_named("BTCUSDT")
    assert binance is not None
    decode, frames = VENUE.decoder({"BTCUSDT": binance}).decode, mix(_FRAMES, peer.kinds)

    def ours() -> None:
        for frame in frames:
            decode(frame, 1)

    try:
        with _program(peer) as theirs:
            figures = interleaved({"perpscope": lambda: cpu_ns(ours, len(frames)), peer.does: theirs})
    except _Silent as silent:
        return _skip(peer, str(silent))
    return _compare(peer, figures)


# sockets -----------------------------------------------------------------------------------------------------------


def _sockets() -> list[bool]:
    print("\nloopback socket → event, CPU per frame of the same mix, beside other programs")
    with blast("bookless") as asked, blast("bookless", "unasked") as unasked:
        return [_socket(peer, asked, unasked) for peer in _SOCKETS]


def _socket(peer: Peer, asked: str, unasked: str) -> bool:
    why = _missing(peer)
    if why is not None:
        return _skip(peer, why)
    ways: dict[str, Callable[[], float]] = {
        "perpscope": lambda: mean_of_three(lambda: through(asked, state=False, store=False)),
        peer.does: partial(_once, peer, unasked.rpartition(":")[2]),
    }
    try:
        return _compare(peer, interleaved(ways, rounds=7))
    except (_Silent, subprocess.TimeoutExpired) as silent:
        return _skip(peer, str(silent))


def _once(peer: Peer, port: str) -> float:
    """One connection of a process of its own."""
    ran = subprocess.run(
        _command(peer, "socket", port),
        capture_output=True,
        text=True,
        timeout=_PATIENCE_S,
        env=_environment(),
        check=False,
    )
    figures = ran.stdout.split()
    if ran.returncode or not figures:
        raise _Silent(_last(ran.stderr))
    return float(figures[-1])


def _last(words: str) -> str:
    return (words.strip().splitlines() or ["it said nothing"])[-1][:200]


def _compare(peer: Peer, figures: dict[str, Figure]) -> bool:
    ours, theirs = figures["perpscope"], figures[peer.does]
    print(f"  {peer.does:<46} {theirs.median:>9,.0f} ns, perpscope {ours.median:,.0f} ns")
    return judge(f"{peer.name} ÷ perpscope", ratio(theirs, ours), peer.goal, at_least=True)
