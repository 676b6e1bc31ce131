"""What the dashboard says while things break: the face, one venue, the heart; each by its name."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.facing import ended, face, inherited
from tests.browsing import Look, browser, built, look

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.timeout(300)]

VENUES = ("binance", "bybit")


@pytest.fixture(scope="module")
def at() -> Iterator["Browser"]:
    """The browser."""
    built()
    with browser() as started:
        yield started


@contextmanager
def lab(venue: str, start_ns: int) -> Iterator[tuple["subprocess.Popen[bytes]", dict[str, str]]]:
    """An exchange in a process of its own, and the variables that point a heart at it."""
    words = ("--venue", venue, "--symbols", "BTC", "--speed", "2", "--start-ns", str(start_ns))
    with subprocess.Popen([sys.executable, "-m", "perpscope.lab", *words], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())["venues"][venue]
            name = f"PERPSCOPE_VENUE__{venue.upper()}__"
            variables = {"REST_URL": told["rest"], "WEBSOCKET_URL": told["websocket"]}
            variables |= {"CLOCK_URL": f"{told['rest']}/lab/clock", "WEIGHT_PER_MINUTE": "1e6"}
            yield process, {name + key: value for key, value in variables.items()}
        finally:
            process.kill()


@contextmanager
def collecting(database: Path, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A heart that collects from whatever the environment says."""
    words = ("--db", str(database), "--venues", ",".join(VENUES), "--symbols", "BTC")
    with (
        database.with_suffix(".said").open("wb") as said,
        subprocess.Popen(
            [sys.executable, "-m", "perpscope", "collect", *words],
            env={**inherited(database.parent), "PERPSCOPE_BACKFILL__DAYS": "0", **environment},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
        ) as process,
    ):
        try:
            yield process
        finally:
            ended(process, signal.SIGINT)


def health(seen: Look) -> str:
    """What the badge of the header says."""
    return seen.page.locator("[data-health]").inner_text()


def test_what_breaks_is_told_by_its_name(at: "Browser", tmp_path: Path) -> None:
    """Face killed: DISCONNECTED, then LIVE without a hole. One venue gone: it is named. Heart killed: all stands still.

    The page that was open goes on by itself each time; the venue that is left goes on too.
    """
    database, start_ns = tmp_path / "d.db", time.time_ns() // 10**9 * 10**9
    with ExitStack() as stack:
        labs = {venue: stack.enter_context(lab(venue, start_ns)) for venue in VENUES}
        environment = {key: value for _, variables in labs.values() for key, value in variables.items()}
        told_by = stack.enter_context(collecting(database, **environment))
        port = _the_face_dies(at, database, stack)
        with look(at, f"http://127.0.0.1:{port}") as seen:
            seen.open("/health")
            _live(seen)
            labs["bybit"][0].kill()
            _a_venue_is_gone(seen)
            told_by.kill()
            told_by.wait()
            _the_heart_is_gone(seen)
            seen.forgive()


#: Presses the button of a panel, where the page has not come back by itself already.
RETRY = """() => document.querySelector('[data-state="disconnected"] .banner button')?.click()"""


def _live(seen: Look) -> None:
    seen.page.wait_for_selector('[data-phase="open"][data-health="live"]')


def _the_face_dies(at: "Browser", database: Path, stack: ExitStack) -> int:
    """Kill the face under a page, start it again at the same place; returns its port, it still runs."""
    with ExitStack() as first:
        served = first.enter_context(face(database))
        port = int(served.rpartition(":")[2])
        with look(at, served) as seen:
            seen.open("/health")
            _live(seen)
            before = seen.figures()
            first.close()
            seen.page.wait_for_selector('[data-phase="lost"], [data-phase="connecting"]')
            seen.until("() => document.title.includes('⚠')")
            assert "DISCONNECTED" in health(seen)
            frozen = seen.page.locator('[data-panel][data-state="disconnected"]')
            frozen.first.wait_for()
            assert "as of" in frozen.first.inner_text()
            assert f"127.0.0.1:{port}" in (seen.page.locator("[data-health]").get_attribute("title") or "")
            frozen.first.get_by_role("button", name="Retry").first.wait_for()
            stack.enter_context(face(database, "--port", str(port)))
            seen.page.evaluate(RETRY)
            _live(seen)
            seen.until("(before) => window.perpscope.updates > before + 3", before["updates"])
            assert seen.figures()["holes"] == 0
            seen.until("() => document.querySelector('[data-state=disconnected]') === null")
            assert "⚠" not in seen.page.title()
            seen.forgive()
    return port


def _a_venue_is_gone(seen: Look) -> None:
    seen.page.wait_for_selector('[data-health="stale"]')
    assert "BYBIT" in health(seen).upper()
    lamps = seen.page.locator("footer [data-venue]")
    assert lamps.count() == len(VENUES)
    states = {lamp.get_attribute("data-venue"): lamp.get_attribute("data-feed") for lamp in lamps.all()}
    assert states["binance"] == "live"
    assert states["bybit"] != "live"
    told = seen.figures()["updates"]
    seen.until("(before) => window.perpscope.updates > before + 3", told)


def _the_heart_is_gone(seen: Look) -> None:
    seen.page.wait_for_selector('[data-health="gone"]')
    stale = seen.page.locator('[data-panel][data-state="stale"]')
    stale.first.wait_for()
    assert "heart" in stale.first.inner_text().lower()
