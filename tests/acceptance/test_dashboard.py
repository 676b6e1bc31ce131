"""The dashboard on a running demo, in a real browser: every page, by mouse, key, address and phone."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.facing import face, heart
from tests.browsing import BESIDE, PAGES, PHONE, Look, ask, browser, built, look, path_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.timeout(300)]

#: Hours enough for a map, and slow enough that two cores have room for a browser.
MARKET = ("--days", "0.25", "--speed", "10x")
#: Panels whose figures a demo of some hours must have, by page.
FULL = {
    "map": {"map"},
}


@pytest.fixture(scope="module")
def at() -> Iterator["Browser"]:
    """The browser."""
    built()
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def url(at: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A face on a demo that runs."""
    assert at.is_connected()
    database = tmp_path_factory.mktemp("dashboard") / "demo.db"
    with heart(database, *MARKET), face(database, PERPSCOPE_WEB__REQUESTS_PER_MIN="100000") as served:
        yield served


@pytest.fixture
def seen(at: "Browser", url: str) -> Iterator[Look]:
    """A fresh visitor at a desk."""
    with look(at, url) as one:
        yield one


def test_it_is_live_and_not_blank(seen: Look) -> None:
    """The map page says LIVE and DEMO DATA, its heat has colours, and updates go on without a hole.

    Keeps S3-40, S4-59.
    """
    seen.open("/map").phase("open")
    seen.page.wait_for_selector('[data-health="live"]')
    seen.panel("map")
    assert "DEMO DATA" in seen.text()
    seen.until("() => window.perpscope.firstMapMs !== null")
    seen.page.wait_for_selector(".heat-state", state="detached")
    seen.painted('[data-panel="heatmap"] canvas', 9)
    before = seen.figures()["updates"]
    seen.until("(before) => window.perpscope.updates > before + 5", before)
    assert seen.figures()["holes"] == 0


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_by_its_address(at: "Browser", url: str, name: str) -> None:
    """A deep link and a reload show it with its coin, dark and light, at a desk and on a phone, to everybody's eyes."""
    with look(at, url) as seen:
        seen.open(f"{path_of(name)}?coin=ETH")
        states = seen.settled()
        assert states, f"{name} has no panel"
        assert not {"error", "disconnected"} & set(states.values()), states
        assert seen.page.locator("main").get_attribute("data-page") == name
        assert seen.violations() == []
        seen.page.reload()
        assert seen.page.url.endswith(f"{path_of(name)}?coin=ETH")
        assert seen.page.locator("header.top .coin-button").inner_text().startswith("ETH")
        assert seen.runs_over_by() <= 0
        seen.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        seen.settled()
        assert seen.runs_over_by() <= 0, f"{name} is wider than a phone"
    with look(at, url, PHONE, theme="light", language="ko") as seen:
        seen.open(path_of(name)).settled()
        assert seen.page.evaluate("() => document.documentElement.lang") == "ko"
        assert seen.violations() == []
        assert seen.runs_over_by() <= 0, f"{name} in Korean is wider than a phone"


@pytest.mark.parametrize("path", BESIDE)
def test_what_stands_beside_asks_nobody_else(at: "Browser", url: str, path: str) -> None:
    """The API's documentation, the codes of errors, the simple viewer: nothing from elsewhere, no complaint."""
    with look(at, url, PHONE) as seen:
        seen.open(path)
        seen.page.wait_for_load_state("networkidle") if path != "/viewer" else seen.page.wait_for_selector(
            "#map tbody tr"
        )
        assert seen.runs_over_by() <= 0


def test_keys_open_pages_and_sheets(seen: Look) -> None:
    """1 to 9 open the pages; / and Ctrl-K find, ? explains, Esc closes; typing is left alone."""
    seen.open("/")
    for digit, name in enumerate(PAGES, 1):
        seen.page.keyboard.press(str(digit))
        seen.page.wait_for_selector(f'main[data-page="{name}"]')
        assert seen.page.url.endswith(path_of(name))
    seen.page.keyboard.press("2")
    seen.page.keyboard.press("?")
    seen.page.wait_for_selector("dialog#help[open]")
    seen.page.keyboard.press("Escape")
    seen.page.wait_for_selector("dialog#help[open]", state="detached")
    for opener in ("/", "Control+k"):
        seen.page.keyboard.press(opener)
        seen.page.wait_for_selector("dialog#palette[open] input:focus")
        seen.page.wait_for_selector("dialog#palette[open] [role=option]")
        seen.page.keyboard.type("sol")
        seen.page.locator("dialog#palette [role=option]", has_text="SOL").first.wait_for()
        seen.page.keyboard.press("Enter")
        seen.page.wait_for_selector("dialog#palette[open]", state="detached")
        seen.until("() => location.search.includes('coin=SOL')")
        seen.page.go_back()
        seen.until("() => !location.search.includes('coin=')")
    assert seen.page.locator("main").get_attribute("data-page") == "map"


def test_what_would_be_forced_is_what_the_api_adds_up(seen: Look) -> None:
    """Pointed at three per cent down and up, the sentence tells the sum of the API, by address and by arrow keys."""
    for side in (0, 1):
        _told_as_added(seen, side)
    seen.page.keyboard.press("Escape")
    seen.page.wait_for_selector(".what-if[data-usd]", state="detached")
    seen.page.keyboard.press("ArrowDown")
    seen.page.keyboard.press("ArrowDown")
    seen.page.wait_for_selector(".what-if[data-usd]")
    assert "falls" in seen.page.locator(".what-if").inner_text()
    assert "at=" in seen.page.url


def _told_as_added(seen: Look, side: int) -> None:
    """The map becomes another one now and then: it is asked again until both told the same one."""
    told: list[float] = []
    added: list[float] = []
    for _ in range(5):
        body = ask(seen.url, "/api/v1/liquidation-map?symbol=BTC")
        wanted = body["what_if"][side]
        seen.open(f"/map?at={wanted['price']!r}")
        line = seen.page.locator(".what-if[data-usd]")
        line.wait_for()
        added.append(wanted["usd"])
        told.append(float(line.get_attribute("data-usd") or "nan"))
        if told[-1] == pytest.approx(added[-1], rel=1e-6):
            assert ("falls", "rises")[side] in line.inner_text()
            return
    pytest.fail(f"the page adds up {told}, the API {added}")


def test_the_next_timeframe_is_a_key_away(seen: Look) -> None:
    """[ and ] choose shorter and longer candles; the address says which, and a reload keeps it."""
    seen.open("/map").settled()
    seen.page.keyboard.press("]")
    seen.until("() => location.search.includes('=')")
    set_to = seen.page.url
    seen.page.reload()
    seen.settled()
    assert seen.page.url == set_to
    seen.page.keyboard.press("[")
    seen.until("(before) => location.href !== before", set_to)


def test_settings_are_kept(at: "Browser", url: str) -> None:
    """Theme, language and colours of sides are chosen in the sheet and are there after a reload; lang says so too."""
    with look(at, url) as seen:
        seen.open("/")
        seen.page.locator('button[aria-label="Settings"]').click()
        seen.page.locator("dialog#settings").get_by_text("Light", exact=True).click()
        seen.page.locator("dialog#settings").get_by_text("Red / blue").click()
        before = seen.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        seen.page.locator("dialog#settings").get_by_text("한국어").click()
        for _ in range(2):
            seen.until("() => document.documentElement.lang === 'ko' && document.body.innerText.includes('청산')")
            kept = seen.page.evaluate("() => Object.fromEntries(Object.entries(localStorage))")
            assert (kept["perpscope.theme"], kept["perpscope.directions"]) == ("light", "korean")
            assert seen.page.evaluate("() => getComputedStyle(document.body).backgroundColor") == before
            seen.settled()  # a reload cuts off what is under way, and the console would say so
            seen.page.reload()
            seen.page.wait_for_selector("main[data-page] > *")
