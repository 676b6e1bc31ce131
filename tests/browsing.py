"""The dashboard in a real browser: the system's Chromium, which is driven and never downloaded.

A `Look` is one page of it, which keeps what went wrong there: what the console complains of, and every request that
would leave this machine.
"""

import contextlib
import json
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import pytest

import perpscope.web
from tests.acceptance.facing import inherited

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request

_ROOT: Final = Path(__file__).resolve().parent.parent
#: Where the built dashboard is.
STATIC: Final = Path(perpscope.web.__file__).parent / "static"
_AXE: Final = "node_modules/axe-core/axe.min.js"
_NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_OURS: Final = frozenset({"127.0.0.1", "localhost", ""})
#: In the order of the keys 1 to 9.
PAGES: Final = ("overview", "map", "liquidations", "sentiment", "signals", "backtest", "trade", "health", "alerts")
#: Pages of the face that are not the dashboard.
BESIDE: Final = ("/docs", "/docs/errors", "/viewer")
#: What a page may take on a machine that others share, and how often it is looked at what is painted, ms.
PATIENCE_MS: Final = 60_000
_LOOK_MS: Final = 200
WIDE: Final = (1440, 900)
PHONE: Final = (390, 844)


def path_of(name: str) -> str:
    """The address of a page of the dashboard."""
    return "/" if name == "overview" else f"/{name}"


def chromium() -> str:
    """Where the browser is; without one the test is skipped, visibly."""
    pytest.importorskip("playwright")
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    return found


def built() -> None:
    """Skip, visibly, where the package has no dashboard."""
    if not (STATIC / "index.html").is_file():
        pytest.skip("the dashboard is not built (pip install . builds it)")


@contextlib.contextmanager
def browser(*words: str) -> Iterator["Browser"]:
    """A Chromium without a window and without a GPU; `words` go on its command line."""
    path = chromium()
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 -- its loop must not stand in the way of others'

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--force-color-profile=srgb", *words]
        )
        try:
            yield started
        finally:
            started.close()


class Look:
    """One page that is looked at.

    Args:
        page: of the browser.
        url: of the face.
    """

    def __init__(self, page: "Page", url: str) -> None:
        self.page = page
        self.url = url
        self.complaints: list[str] = []
        self.elsewhere: list[str] = []
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        page.on("request", self._asked)

    def _heard(self, message: "ConsoleMessage") -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def _asked(self, request: "Request") -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob", "about"} and parts.hostname not in _OURS:
            self.elsewhere.append(request.url)

    def open(self, path: str) -> "Look":
        """Go to an address of the face; returns when its page is drawn."""
        self.page.goto(self.url + path, wait_until="load")
        if not path.startswith(BESIDE):
            self.page.wait_for_selector("main[data-page] > *")
        return self

    def go(self, name: str) -> "Look":
        """Go to a page of the dashboard by its navigation, as people do."""
        self.page.locator(f'nav a[href^="{path_of(name)}"]').first.click()
        self.page.wait_for_selector(f'main[data-page="{name}"] > *')
        return self

    def panel(self, name: str, *states: str) -> "Locator":
        """A panel, once it is in one of these states."""
        wanted = ", ".join(f'[data-panel="{name}"][data-state="{state}"]' for state in states or ("ready",))
        self.page.wait_for_selector(wanted)
        return self.page.locator(f'[data-panel="{name}"]')

    def states(self) -> dict[str, str]:
        """Every panel's state."""
        found: dict[str, str] = self.page.evaluate(
            "() => Object.fromEntries([...document.querySelectorAll('[data-panel]')]"
            ".map((one) => [one.dataset.panel, one.dataset.state]))"
        )
        return found

    def settled(self) -> dict[str, str]:
        """Every panel's state, once none is loading any more, nor asks again as no answer came in time."""
        self.page.wait_for_function(
            "() => document.querySelector('[data-panel]') !== null &&"
            " document.querySelector('[data-panel]:is([data-state=loading], [data-state=disconnected])') === null"
        )
        return self.states()

    def phase(self, name: str) -> None:
        """Return when the connection is so (`live`, `lost` …), as the badge in the header says."""
        self.page.wait_for_selector(f'[data-phase="{name}"]')

    def until(self, script: str, argument: object = None) -> None:
        """Return when an expression holds on the page."""
        self.page.wait_for_function(script, arg=argument)

    def figures(self) -> dict[str, Any]:
        """What the page tells of itself."""
        told: dict[str, Any] = self.page.evaluate("() => JSON.parse(JSON.stringify(window.perpscope))")
        return told

    def text(self) -> str:
        """All that can be read."""
        said: str = self.page.evaluate("() => document.body.innerText")
        return said

    def runs_over_by(self) -> int:
        """Pixels by which the page is wider than its window."""
        over: int = self.page.evaluate(
            "() => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - window.innerWidth"
        )
        return over

    def painted(self, canvas: str, least: int) -> None:
        """Return when the canvases that match show at least so many colours: one is a blank."""
        script = f"([canvas, least]) => ({_COUNT})(canvas) >= least"
        self.page.wait_for_function(script, arg=[canvas, least], polling=_LOOK_MS)

    def violations(self, *, least: tuple[str, ...] = ("serious", "critical")) -> list[str]:
        """What axe-core finds of that weight: rule, element and what it says."""
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate(axe())
        found = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['impact']} {one['id']}: {' '.join(node['target'])}: {node.get('failureSummary', '')}"
            for one in found["violations"]
            if one["impact"] in least
            for node in one["nodes"]
        ]

    def forgive(self) -> None:
        """Forget what was complained of: the test has done it."""
        self.complaints.clear()

    def judge(self) -> None:
        """Nothing was complained of and nothing asked for elsewhere."""
        assert not self.elsewhere, f"asked for at another host: {self.elsewhere}"
        assert not self.complaints, f"the console complains: {self.complaints}"


#: How many shades every tenth pixel of the canvases that match has, of 16 of each colour. A copy is read: what is read
#: again and again makes the console complain.
_COUNT: Final = """(selector) => {
  const seen = new Set();
  for (const canvas of document.querySelectorAll(selector)) {
    if (!canvas.width || !canvas.height) continue;
    const copy = document.createElement('canvas');
    [copy.width, copy.height] = [canvas.width, canvas.height];
    const drawn = copy.getContext('2d', { willReadFrequently: true });
    drawn.drawImage(canvas, 0, 0);
    const { data } = drawn.getImageData(0, 0, copy.width, copy.height);
    for (let at = 0; at < data.length; at += 40)
      if (data[at + 3]) seen.add(`${data[at] >> 4},${data[at + 1] >> 4},${data[at + 2] >> 4}`);
  }
  return seen.size;
}"""


def axe() -> str:
    """axe-core's source; without it the test is skipped, visibly."""
    for folder in (_ROOT / ".tools" / "frontend", _ROOT / "frontend"):
        if (folder / _AXE).is_file():
            return (folder / _AXE).read_text("utf-8")
    pytest.skip("axe-core is not installed (./check frontend installs it)")


@contextlib.contextmanager
def look(at: "Browser", url: str, size: tuple[int, int] = WIDE, **kept: str) -> Iterator[Look]:
    """A fresh visitor's page; judged when all went well.

    Args:
        at: the browser.
        url: of the face.
        size: of the window, CSS pixels.
        kept: settings this person has chosen before, by name.
    """
    visitor = at.new_context(
        viewport={"width": size[0], "height": size[1]},
        locale="en-US",
        has_touch=size == PHONE,
        accept_downloads=True,
    )
    try:
        visitor.set_default_timeout(PATIENCE_MS)
        remember(visitor, kept)
        seen = Look(visitor.new_page(), url)
        yield seen
        seen.judge()
    finally:
        visitor.close()


def replayed(tape: Path, database: Path) -> None:
    """Play a recording into a store, in a process of its own: while a browser is driven, no other loop runs here."""
    words = ("replay", str(tape), "--db", str(database))
    done = subprocess.run(
        [sys.executable, "-m", "perpscope", *words], env=inherited(database.parent), capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()


#: Settings of a visit before, unless the page has changed them since.
_REMEMBER: Final = """(kept) => {
  for (const [name, value] of Object.entries(kept))
    if (localStorage.getItem(`perpscope.${name}`) === null) localStorage.setItem(`perpscope.${name}`, value);
}"""


def remember(visitor: "BrowserContext", kept: Mapping[str, str]) -> None:
    """What was chosen before stands in the browser's storage when a page is loaded."""
    if kept:
        visitor.add_init_script(f"({_REMEMBER})({json.dumps(dict(kept))})")


def ask(url: str, path: str, **headers: str) -> dict[str, Any]:
    """What the API says."""
    asked = urllib.request.Request(url + path, headers=headers)
    with urllib.request.urlopen(asked, timeout=PATIENCE_MS / 1000) as answer:
        body: dict[str, Any] = json.loads(answer.read())
        return body
