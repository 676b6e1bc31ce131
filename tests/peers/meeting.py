"""Brings a client of another project and a lab together: the client in a process and environment of its own."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from perpscope.lab.ledger import Ledger
from perpscope.lab.run import serve_market
from tests.peers.truth import Truth, truths

ROOT = Path(__file__).resolve().parents[2]
BASES = ("BTC", "ETH")
START_NS = 1_795_219_200_000_000_000
SEED = 12  # liquidations of both begin within a minute and a half
_DEADLINE_S = 60.0
_AFTER_NS = 2_000_000_000  # a candle is told with its minute; the truth tells it with its first second


def interpreter(peer: str) -> Path:
    """The Python of a peer's environment; skips the test where there is none."""
    folder = ROOT / ".cache" / "peers" / peer
    if not (folder / ".installed").exists():
        pytest.skip(f"no environment of {peer}: tools/peers.sh makes it")
    return folder / "bin" / "python"


class Met:
    """What a client saw, and what was true."""

    def __init__(self, seen: dict[str, Any], truth: dict[str, Truth], ledger: Ledger, now_ms: int) -> None:
        self.seen = seen
        self.truth = truth
        self.ledger = ledger
        self.now_ms = now_ms  #: market time when the client had finished


async def met(
    peer: str,
    program: str,
    venue: str,
    *,
    rate: float = 30.0,
    seconds: float = 5.0,
    options: Mapping[str, object] | None = None,
) -> Met:
    """Run a program of `tests/peers` against a lab of this venue, and wait for what it tells.

    Args:
        peer: whose environment.
        program: the module, without `.py`.
        venue: whose wire the lab speaks.
        rate: market seconds per real second.
        seconds: how long a program that watches does so.
        options: what else the client is told, in its own words.
    """
    python = interpreter(peer)
    async with await serve_market(SEED, rate, venue=venue, symbols=BASES, ts_start=START_NS) as lab:
        ask = {
            "rest": lab.rest_url,
            "websocket": lab.websocket_url,
            "venue": venue,
            "bases": BASES,
            "seconds": seconds,
            "options": options or {},
        }
        process = await asyncio.create_subprocess_exec(
            str(python),
            str(ROOT / "tests" / "peers" / f"{program}.py"),
            json.dumps(ask),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_DEADLINE_S):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        until_ns = lab.clock.now_ns()
        ledger = lab.ledger
    assert process.returncode == 0, err.decode()[-4000:]
    return Met(
        json.loads(out), truths(venue, SEED, START_NS, BASES, until_ns + _AFTER_NS), ledger, until_ns // 1_000_000
    )
