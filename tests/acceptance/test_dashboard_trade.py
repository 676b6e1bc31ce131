"""The page Trade in a real browser, on journals of the real `Journal`: whose money, how safe, and how to stop."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from perpscope.app import key_file, trading_mode
from perpscope.app.key_file import Scope
from perpscope.app.trading_mode import Mode
from perpscope.model.run import RunKind
from perpscope.settings import Trade
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind
from tests.acceptance.facing import face
from tests.browsing import PHONE, Look, browser, built, look
from tests.unit.journals_made import CONTACT, FLAT, LONG, kept, status

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Route

pytestmark = [pytest.mark.timeout(300)]

PAPER, LIVE, LAB, OVER = "aaaa0001", "bbbb0002", "cccc0003", "dddd0004"
#: A page that is told so far ahead is young as long as the tests last, ms.
AHEAD_MS = 3_600_000


@pytest.fixture(scope="module")
def at() -> Iterator["Browser"]:
    """The browser."""
    built()
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on paper, a live one whose stop is not confirmed, one on the lab that fell silent, and one that is over."""
    path = tmp_path_factory.mktemp("trade") / "m.db"
    SqliteStore.open(path, kind=StoreKind.DEMO).close()
    now = time.time_ns() // 1_000_000
    live = {"kind": RunKind.LIVE, "mode": "live", "strategy": "magnet"}
    odd = replace(CONTACT, is_mismatched=True, why="the exchange holds 0.3, we 0.25", is_streaming=False)
    kept(
        path,
        status(PAPER, at_ms=now + AHEAD_MS),
        status(
            LIVE,
            at_ms=now + AHEAD_MS,
            **live,
            data="observed",
            held=replace(LONG, stop=None),
            naked_seconds_now=3.2,
            contact=CONTACT,
        ),
        status(LAB, at_ms=now - 90_000, **live, contact=odd),
        status(OVER, at_ms=now - 7_200_000, is_over=True, held=FLAT, working=[]),
    )
    return path


@pytest.fixture(scope="module")
def url(at: "Browser", database: Path) -> Iterator[str]:
    """A face of it."""
    assert at.is_connected()
    keys = str(database.parent / "keys.json")
    with face(database, PERPSCOPE_WEB__KEYS=keys, PERPSCOPE_WEB__REQUESTS_PER_MIN="100000") as served:
        yield served


@pytest.fixture(scope="module")
def key(database: Path) -> str:
    """A key that may trade."""
    file = database.parent / "keys.json"
    _, text = key_file.add(file, label="desk", scopes=(Scope.TRADE,), days=None, now_ns=time.time_ns())
    return text


@pytest.fixture
def seen(at: "Browser", url: str) -> Iterator[Look]:
    """A fresh visitor at a desk, without a key."""
    with look(at, url) as one:
        yield one


@pytest.fixture
def trader(at: "Browser", url: str, key: str) -> Iterator[Look]:
    """One with a key that may trade."""
    with look(at, url) as one:
        one.page.add_init_script(f"sessionStorage.setItem('perpscope.key', '{key}')")
        yield one


def run(seen: Look, name: str) -> Callable[[str], str]:
    """What the panels of a run say, by their name."""
    return lambda panel: seen.panel(f"trade-{panel}-{name}").inner_text().replace("\u2009", " ")


def test_whose_money_it_is_cannot_be_mistaken(seen: Look) -> None:
    """By a word, a glyph, the kind of line and its colour, in both themes; a run that is over has no card.

    Keeps S4-59.
    """
    seen.open("/trade").settled()
    frames = {}
    for name, label, words in (
        (LIVE, "LIVE", "real orders, real money"),
        (PAPER, "PAPER", "no money moves"),
        (LAB, "DEMO", "made-up exchange"),
    ):
        card = seen.page.locator(f'section[data-run="{name}"]')
        assert card.get_attribute("data-label") == label
        assert label in card.locator(".trade-strip").inner_text()
        assert words in card.locator(".trade-strip").inner_text()
        for theme in ("dark", "light"):
            seen.page.evaluate("(theme) => { document.documentElement.dataset.theme = theme }", theme)
            look_of = "(one) => { const s = getComputedStyle(one); return [s.borderStyle, s.borderColor].join(' ') }"
            frames[name, theme] = card.evaluate(look_of)
    for theme in ("dark", "light"):
        told = [frames[name, theme].split(" ", 1) for name in (LIVE, PAPER, LAB)]
        assert len({line for line, _ in told}) == len({colour for _, colour in told}) == 3
    assert seen.page.locator(f'section[data-run="{OVER}"]').count() == 0


def test_a_position_without_a_stop_is_shouted(seen: Look) -> None:
    """Held, entered, liquidated where; confirmed, or naked and for how long; one whose trader is gone says so."""
    seen.open("/trade").settled()
    held = run(seen, PAPER)("position")
    for words in ("long 0.25", "60,000.0", "54,500.0", "stop 59,700.0", "+112.63"):
        assert words in held, words
    assert "without a confirmed stop for 3.2 s" in run(seen, LIVE)("position")
    assert "NAKED" in run(seen, LIVE)("position")
    silent = seen.page.locator(f'section[data-run="{LAB}"]')
    assert silent.get_attribute("data-life") == "silent"
    assert "Its trader has told nothing for" in silent.inner_text()


def test_fills_that_have_not_come_yet_are_not_told_to_be_none(seen: Look) -> None:
    """While the journal is being asked, its panels load; they say what it holds once it has answered."""

    def hold(one: "Route") -> None:
        """It goes on when nobody holds it any more."""

    seen.page.route(f"**/api/v1/trade/{PAPER}/fills*", hold)
    seen.open("/trade").panel(f"trade-orders-{PAPER}")
    fills = seen.panel(f"trade-fills-{PAPER}", "loading")
    assert fills.locator("tbody tr").count() == 0
    seen.page.unroute(f"**/api/v1/trade/{PAPER}/fills*")
    assert seen.panel(f"trade-fills-{PAPER}").locator("tbody tr").count() == 2


def test_money_orders_latency_and_the_exchange_are_told(seen: Look) -> None:
    """Gross and costs apart, working orders, fills, refusals, stages against 100 ms, what does not agree.

    Keeps B24.
    """
    seen.open("/trade").settled()
    of = run(seen, PAPER)
    for words in ("10,086.40", "+86.40", "−12.50", "−13.03", "−0.70"):
        assert words in of("account"), words
    assert "59700.0" in of("working")
    assert seen.panel(f"trade-fills-{PAPER}").locator("tbody tr").count() == 2
    assert seen.panel(f"trade-orders-{PAPER}").locator("tbody tr").count() == 2
    assert "spread too wide" in of("refused")
    late = seen.panel(f"trade-latency-{PAPER}").locator("td .bad")
    assert late.all_inner_texts() == ["✕ 118"]
    assert "agrees" in run(seen, LIVE)("exchange")
    assert "✕ does not agree" in run(seen, LAB)("exchange")
    alarms = seen.page.locator(f'[data-run="{LAB}"] > .trade-alarm').all_inner_texts()
    assert any(words.endswith("agrees: the exchange holds 0.3, we 0.25") for words in alarms), "at the top"


def test_a_run_that_is_over_is_asked_for(seen: Look) -> None:
    """In the list of every run; by its address again."""
    seen.open("/trade").settled()
    seen.panel("trade-runs").locator("a", has_text=OVER).click()
    seen.page.wait_for_selector(f'section[data-run="{OVER}"][data-life="over"]')
    assert f"run={OVER}" in seen.page.url
    assert "Nothing is held" in run(seen, OVER)("position")


def test_who_may_only_look_is_told_how_it_is_done(seen: Look) -> None:
    """No button is offered that would be refused: the words for the host instead."""
    seen.open("/trade").settled()
    panel = seen.panel("trade-mode")
    assert "perpscope halt" in panel.inner_text()
    assert panel.locator(".mode-buttons").count() == 0
    seen.page.keyboard.press("h")
    assert seen.page.locator("dialog[open]").count() == 0


def test_the_mode_falls_and_a_halt_is_typed(trader: Look, database: Path) -> None:
    """With a key that may trade: one press pauses; a halt wants the word. Nothing lifts it from here. Keeps S2-62."""
    trader.open("/trade").settled()
    mode = trader.panel("trade-mode")
    assert mode.locator("[data-mode]").get_attribute("data-mode") == "paper"
    mode.get_by_role("button", name="Pause").click()
    trader.page.wait_for_selector('[data-mode="observe"]')
    assert trading_mode.read(database, Trade()).mode is Mode.OBSERVE
    trader.page.keyboard.press("h")
    asked = trader.page.locator("dialog[open]")
    asked.locator('input[name="word"]').fill("stop")
    assert asked.get_by_role("button", name="Halt now").is_disabled()
    asked.locator('input[name="word"]').fill("halt")
    asked.locator('input[name="why"]').fill("the exchange is odd")
    asked.get_by_role("button", name="Halt now").click()
    trader.page.wait_for_selector('[data-halted="true"]')
    assert trading_mode.read(database, Trade()).halted == "the exchange is odd"
    assert "perpscope risk reset" in mode.inner_text()
    assert mode.get_by_role("button", name="Halt").is_disabled()


@pytest.mark.parametrize("kept_before", [{}, {"language": "ko", "theme": "light"}], ids=["en-dark", "ko-light"])
def test_everybody_can_use_it(at: "Browser", url: str, kept_before: dict[str, str]) -> None:
    """Nothing runs over on a phone, and axe-core finds nothing serious, dark and light, in both languages."""
    with look(at, url, PHONE, **kept_before) as seen:
        seen.open("/trade").settled()
        assert seen.runs_over_by() <= 0
        assert seen.violations() == []
        said = seen.text()
        assert "NaN" not in said
        assert "undefined" not in said


def test_without_a_run_it_says_how_one_begins(at: "Browser", tmp_path: Path) -> None:
    """Nothing is made up to fill the page."""
    path = tmp_path / "m.db"
    SqliteStore.open(path, kind=StoreKind.DEMO).close()
    with face(path) as served, look(at, served) as seen:
        seen.open("/trade").settled()
        assert "perpscope paper burst --lab" in seen.panel("trade-nothing").inner_text()
