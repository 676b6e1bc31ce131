"""Fixtures every test may use: where the real recordings are, and how to wait for a condition."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

# The map's kernels run as plain Python, so that they can be measured and nothing waits for a compiler.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

# Started in the background, a shell's children ignore Ctrl-C and pass that on; the commands under test must not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Folder of real recordings; the test is skipped, visibly, where it is absent."""
    folder = Path(os.environ.get("PERPSCOPE_DATA") or _REPOSITORY.parent / "shared" / "data")
    if not (folder / "wire").is_dir():
        pytest.skip(f"recorded market data not found in {folder.name!r} (set PERPSCOPE_DATA)")
    return folder


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait until a condition holds, or fail after a generous deadline."""

    async def wait(condition: Callable[[], bool], within_s: float = 30.0) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"condition not met within {within_s:g} s")
            await asyncio.sleep(0.005)

    return wait
