"""Brings a client of another project and a lab together: the client in a process and environment of its own."""

import asyncio
import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from perpscope.lab.ledger import Ledger
from perpscope.lab.run import serve_market
from perpscope.lab.tls import Sealed, sealed
from tests.peers.truth import Truth, truths

ROOT = Path(__file__).resolve().parents[2]
BASES = ("BTC", "ETH")
START_NS = 1_795_219_200_000_000_000
SEED = 12  # liquidations of both begin within a minute and a half
_DEADLINE_S = 90.0
_AFTER_NS = 2_000_000_000  # a candle is told with its minute; the truth tells it with its first second


def interpreter(peer: str) -> Path:
    """The Python of a peer's environment; skips the test where there is none."""
    folder = ROOT / ".cache" / "peers" / peer
    if not (folder / ".installed").exists():
        pytest.skip(f"no environment of {peer}: tools/peers.sh makes it")
    return folder / "bin" / "python"


def environment(doors: Sealed | None = None) -> dict[str, str]:
    """A client's environment: this process's without its proxies, and with the lab's where it listens under TLS."""
    own = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    if doors is None:
        return own
    proxies = dict.fromkeys(("https_proxy", "HTTPS_PROXY"), doors.proxy_url)
    bundles = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "WEBSOCKET_CLIENT_CA_BUNDLE")
    return own | proxies | dict.fromkeys(bundles, doors.ca_file)


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
    tls: Path | None = None,
    is_legacy: bool = False,
) -> Met:
    """Run a program of `tests/peers` against a lab of this venue, and wait for what it tells.

    Args:
        peer: whose environment.
        program: the module, without `.py`.
        venue: whose wire the lab speaks.
        rate: market seconds per real second.
        seconds: how long a program that watches does so.
        options: what else the client is told, in its own words.
        tls: a folder for the lab's CA; the client is then led to the lab by its environment alone.
        is_legacy: what the venue has retired still works.
    """
    python = interpreter(peer)
    async with contextlib.AsyncExitStack() as stack:
        opened = await serve_market(SEED, rate, venue=venue, symbols=BASES, ts_start=START_NS)
        lab = await stack.enter_async_context(opened)
        if is_legacy:
            lab.keep_legacy_routes()
        doors: Sealed | None = None
        if tls is not None:
            doors = await stack.enter_async_context(sealed({venue: lab}, tls, legacy_routes=is_legacy))
        ask = {
            "rest": lab.rest_url,
            "websocket": lab.websocket_url,
            "proxy": None if doors is None else doors.proxy_url,
            "venue": venue,
            "bases": BASES,
            "seconds": seconds,
            "options": options or {},
        }
        seen = await told(python, program, ask, environment(doors))
        until_ns = lab.clock.now_ns()
        refused = {} if doors is None else dict(doors.proxy.refused)
    assert refused == {}, "it wanted hosts that are no venue's"
    truth = truths(venue, SEED, START_NS, BASES, until_ns + _AFTER_NS)
    return Met(seen, truth, lab.ledger, until_ns // 1_000_000)


async def told(python: Path, program: str, ask: Mapping[str, object], env: Mapping[str, str]) -> dict[str, Any]:
    """What a program prints when it is asked."""
    process = await asyncio.create_subprocess_exec(
        str(python),
        str(ROOT / "tests" / "peers" / f"{program}.py"),
        json.dumps(ask),
        env=env,
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
    assert process.returncode == 0, err.decode()[-4000:]
    found: dict[str, Any] = json.loads(out)
    return found
