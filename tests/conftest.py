"""Fixtures every test may use: where the real recordings are, and how to wait for a condition."""

import asyncio
import gc
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import coverage
import pytest

# The map's kernels run as plain Python, so that they can be measured and nothing waits for a compiler.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

# Started in the background, a shell's children ignore Ctrl-C and pass that on; the commands under test must not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_REPOSITORY = Path(__file__).resolve().parent.parent
#: What the processes of a test are measured by; without it they are not.
_OF_CHILDREN = "COVERAGE_PROCESS_CONFIG"


class _Measuring:
    """Coverage, paused for tests that would run three times as long for lines that others have run already."""

    def __init__(self) -> None:
        self._measures = coverage.Coverage.current()
        self._of_children = os.environ.get(_OF_CHILDREN)
        self._is_on = True

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Switch before a test, its fixtures among it."""
        self._turn(is_on=item.get_closest_marker("unmeasured") is None)
        return (yield)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Keep what was measured: a worker that takes long to end is killed, and would take it along."""
        if self._measures is not None and "PYTEST_XDIST_WORKER" in os.environ:
            self._turn(is_on=False)
            self._measures.save()

    def _turn(self, *, is_on: bool) -> None:
        if self._measures is None or is_on == self._is_on:
            return
        self._is_on = is_on
        if is_on:
            self._measures.start()
        else:
            self._measures.stop()
        if self._of_children is not None:
            os.environ.pop(_OF_CHILDREN, None)
            if is_on:
                os.environ[_OF_CHILDREN] = self._of_children


def pytest_configure(config: pytest.Config) -> None:
    """Measure no more than is needed."""
    config.addinivalue_line("markers", "unmeasured: repeats lines that shorter tests run; coverage is paused for it")
    config.pluginmanager.register(_Measuring(), "measuring")


def pytest_collection_finish() -> None:
    """Thousands of tests stay to the end: the collector need not look at them again and again."""
    gc.collect()
    gc.freeze()


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

    async def wait(condition: Callable[[], bool], within_s: float = 90.0) -> None:
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"condition not met within {within_s:g} s")
            await asyncio.sleep(0.005)

    return wait
