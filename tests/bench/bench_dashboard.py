"""The map page of the dashboard on a running demo, in a Chromium without a GPU, beside the viewer without libraries.

`DASHBOARD_S` sets the seconds of each watching; the heap is watched under `DASHBOARD_UPDATES`, ten minutes' worth.
"""

import contextlib
import gzip
import os
import statistics
import sys
import tempfile
import threading
import urllib.error
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from measure import Figure, judge, ratio

sys.path.append(str(Path(__file__).resolve().parents[2]))

from tests.acceptance.facing import face, heart
from tests.browsing import STATIC, Look, ask, browser, built, chromium, look

if TYPE_CHECKING:
    from playwright.sync_api import Browser

_SECONDS = float(os.environ.get("DASHBOARD_S", "20"))
_ROUNDS = 3
_LOADS = 5
_UPDATES = int(os.environ.get("DASHBOARD_UPDATES", "6000"))
_FAST = 60.0
#: As fast as a demo goes, so that something changes at each of the ten updates a second.
_MARKET = ("--days", "0.25", "--speed", "60x")
_MB = 1 << 20
_FRAMES = """() => { window.framesSeen = 0;
  const next = () => { window.framesSeen++; requestAnimationFrame(next); }; requestAnimationFrame(next); }"""
_SCRIPTS = """() => performance.getEntriesByType('resource').map((one) => one.name.split('/').at(-1))
  .filter((name) => name.endsWith('.js'))"""
_PAINT = "() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"


class _Watched(NamedTuple):
    """One page over some seconds."""

    busy: float  #: share of the main thread's time
    fps: float
    updates_per_s: float
    handler_ms: list[float]


class _Meter:
    """What Chromium says of a page.

    Args:
        seen: the page.
    """

    def __init__(self, seen: Look) -> None:
        self._seen = seen
        self._session = seen.page.context.new_cdp_session(seen.page)
        self._session.send("Performance.enable", {"timeDomain": "timeTicks"})

    def told(self) -> dict[str, float]:
        """Its metrics by name."""
        return {one["name"]: one["value"] for one in self._session.send("Performance.getMetrics")["metrics"]}

    def heap(self) -> float:
        """MB of JavaScript that is still needed."""
        self._session.send("HeapProfiler.collectGarbage")
        return self.told()["JSHeapUsedSize"] / _MB

    def watch(self) -> _Watched:
        """Some seconds of it."""
        before, first = self.told(), self._figures()
        frames = self._seen.page.evaluate("() => window.framesSeen")
        self._seen.page.wait_for_timeout(_SECONDS * 1000)
        after, last = self.told(), self._figures()
        frames = self._seen.page.evaluate("() => window.framesSeen") - frames
        wall = after["Timestamp"] - before["Timestamp"]
        new = last["updates"] - first["updates"]
        handled = last["handlerMs"][-min(new, len(last["handlerMs"])) :] if new else []
        return _Watched((after["TaskDuration"] - before["TaskDuration"]) / wall, frames / wall, new / wall, handled)

    def _figures(self) -> dict[str, Any]:
        told: dict[str, Any] = self._seen.page.evaluate(
            "() => window.perpscope ? JSON.parse(JSON.stringify(window.perpscope)) : {updates: 0, handlerMs: []}"
        )
        return told


@contextlib.contextmanager
def _opened(at: "Browser", url: str, path: str) -> Iterator[tuple[Look, _Meter]]:
    with look(at, url) as seen:
        seen.open(path)
        seen.page.set_default_timeout(300_000)
        if path == "/viewer":
            seen.page.wait_for_selector("#map tbody tr")
        else:
            seen.until("() => window.perpscope.firstMapMs !== null")
        yield seen, _Meter(seen)


def _until_there_is_a_map(url: str) -> None:
    """A demo makes its first one while it opens; that is not what is measured here."""
    while True:
        try:
            if ask(url, "/api/v1/liquidation-map?symbol=BTC")["summary"] is not None:
                return
        except urllib.error.HTTPError:
            pass
        threading.Event().wait(1.0)


def _paints(at: "Browser", url: str) -> dict[str, Figure]:
    """Milliseconds from asking for a page to what is seen first, and to the first map, in turn."""
    found: dict[str, list[float]] = {"first paint": [], "first map": [], "first paint, viewer": []}
    for _ in range(_LOADS):
        with _opened(at, url, "/map") as (seen, _meter):
            found["first paint"].append(seen.page.evaluate(_PAINT))
            found["first map"].append(seen.figures()["firstMapMs"])
        with _opened(at, url, "/viewer") as (seen, _meter):
            found["first paint, viewer"].append(seen.page.evaluate(_PAINT))
    return {name: Figure(name, values) for name, values in found.items()}


def _watched(at: "Browser", url: str) -> dict[str, list[_Watched]]:
    """Both pages, in turn, each alone."""
    found: dict[str, list[_Watched]] = {"/map": [], "/viewer": []}
    for _ in range(_ROUNDS):
        for path, rounds in found.items():
            with _opened(at, url, path) as (seen, meter):
                seen.page.evaluate(_FRAMES)
                rounds.append(meter.watch())
    return found


def _grown(at: "Browser", url: str) -> tuple[float, float, int]:
    """MB of heap at first and after many updates, and how many they were."""
    with _opened(at, url, "/map") as (seen, meter):
        seen.until("() => window.perpscope.updates > 600")  # what it keeps of them is full
        before, first = meter.heap(), seen.figures()["updates"]
        seen.page.set_default_timeout(10_000_000 / _FAST)
        seen.until("(until) => window.perpscope.updates > until", first + _UPDATES)
        return before, meter.heap(), seen.figures()["updates"] - first


def _script_kb(names: Iterable[str]) -> float:
    """Of these scripts, gzipped."""
    return sum(len(gzip.compress((STATIC / "assets" / name).read_bytes(), 9)) for name in names) / 1000


def _asked_for(at: "Browser", url: str) -> list[str]:
    """Scripts that whoever opens the map page loads."""
    with _opened(at, url, "/map") as (seen, _meter):
        names: list[str] = seen.page.evaluate(_SCRIPTS)
        return names


def _percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def dashboard() -> bool:
    """Every figure; true, and said, where there is no browser or no dashboard to take them of."""
    try:
        chromium()
        built()
    except pytest.skip.Exception as why:
        print(f"\nthe map page: left out, {why}")
        return True
    return _figures()


def _figures() -> bool:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        stack.enter_context(heart(folder / "demo.db", *_MARKET))
        url = stack.enter_context(face(folder / "demo.db", PERPSCOPE_WEB__REQUESTS_PER_MIN="100000"))
        at = stack.enter_context(browser())
        _until_there_is_a_map(url)
        paints, watched, asked = _paints(at, url), _watched(at, url), _asked_for(at, url)
        fast = stack.enter_context(
            face(
                folder / "demo.db", PERPSCOPE_WEB__REQUESTS_PER_MIN="100000", PERPSCOPE_WEB__UPDATES_PER_S=f"{_FAST:g}"
            )
        )
        before, after, updates = _grown(at, fast)
    scripts = STATIC.glob("assets/*.js")
    ours, viewer = watched["/map"], watched["/viewer"]
    handled = [ms for one in ours for ms in one.handler_ms]
    busy = {path: Figure(path, [100 * one.busy for one in rounds]) for path, rounds in watched.items()}
    print(f"\nthe map page, {_ROUNDS} × {_SECONDS:g} s, no GPU, load {os.getloadavg()[0]:.1f}")
    for figure in paints.values():
        print(f"  {figure.name:<44} {figure.median:>12,.0f} ms   (least {min(figure.rounds):,.0f})")
    for name, rounds in (("map page", ours), ("viewer", viewer)):
        rate, fps = (
            statistics.median(values) for values in zip(*((o.updates_per_s, o.fps) for o in rounds), strict=True)
        )
        print(f"  {name:<44} {rate:>12,.1f} updates/s, {fps:,.0f} frames/s")
    print(f"  {'handler p95':<44} {_percentile(handled, 0.95):>12,.2f} ms   ({len(handled):,} updates)")
    print(f"  {'heap':<44} {before:>12,.1f} MB → {after:,.1f} MB after {updates:,} updates")
    print(f"  {'busy, viewer':<44} {busy['/viewer'].median:>12,.1f} %   ours is {ratio(*busy.values()):.2f} × of it")
    print(f"  {'first paint ÷ viewer':<44} {ratio(paints['first paint'], paints['first paint, viewer']):>12,.2f} ×")
    return all(
        [
            judge("handler p50 ms", statistics.median(handled), 2.0),
            judge("main thread busy %, ten updates a second", busy["/map"].median, 25.0),
            judge("first paint ms", paints["first paint"].median, 1000.0),
            judge("scripts kB of the map page, gzipped", _script_kb(set(asked)), 90.0),
            judge("scripts kB of all pages and languages", _script_kb(path.name for path in scripts), 90.0),
            judge("heap's growth MB", after - before, 5.0),
        ]
    )
