"""Signals and backtests in a real browser, on a store of candles, runs and decisions: from the form to the figures."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from perpscope.model.instrument import InstrumentId
from perpscope.model.market import PositionSide, Tick
from perpscope.model.order import Edge, Signal
from perpscope.stores.runs import Runs
from tests.acceptance.facing import face
from tests.browsing import PATIENCE_MS, PHONE, Look, ask, browser, built, look
from tests.contract.store_events import NOON, SECOND
from tests.unit.kept_market import Market
from tests.unit.runs_made import walked

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.timeout(300)]

BTC = InstrumentId("BTC-USDT-PERP.BINANCE")
MINUTES = 180
#: A strategy that loses, one of too few trades: id, trades, seed.
KEPT = (("aaaa0001", 120, 5), ("bbbb0002", 18, 9))


@pytest.fixture(scope="module")
def at() -> Iterator["Browser"]:
    """The browser."""
    built()
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hours of a made-up market, two runs, and decisions of a strategy and of a model."""
    path = tmp_path_factory.mktemp("runs") / "m.db"
    market = Market(path, minutes=MINUTES)
    market.go_on(MINUTES)
    market.store.keep_signals(decisions(MINUTES))
    market.store.sink().accept(Tick(market.now))
    market.store.flush()
    market.close()
    with Runs(path) as runs:
        for run_id, trades, seed in KEPT:
            made = walked(minutes=10 * 1440, trades=trades, seed=seed)
            runs.add(replace(made, summary=replace(made.summary, hash=run_id + "c" * 56)))
    return path


def decisions(minutes: int) -> list[Signal]:
    """A near miss, a refusal, a signal, and a model without an edge."""
    at = NOON + (minutes - 1) * 60 * SECOND
    told: dict[str, object] = {"instrument": BTC, "ts_recv": at + 200_000_000, "strategy": "burst"}
    near = Signal(**told, ts_event=at, side=PositionSide.LONG, why="", failed=("book-imbalance",))  # type: ignore[arg-type]
    made = [near]
    for n, refusal in enumerate(("spread-too-wide", ""), start=1):
        then = at - n * 600 * SECOND
        made.append(replace(near, ts_event=then, ts_recv=then + SECOND, why="burst", failed=(), refusal=refusal))
    forecast = replace(near, strategy="forecast", side=None, failed=(), p_up=0.31, p_down=0.42)
    made.append(replace(forecast, edge=Edge.NONE, edge_bps=-1.5, confidence=0.1, why="no-edge"))
    return made


@pytest.fixture(scope="module")
def url(at: "Browser", store: Path) -> Iterator[str]:
    """A face of it."""
    assert at.is_connected()
    with face(store, PERPSCOPE_WEB__REQUESTS_PER_MIN="100000") as served:
        yield served


@pytest.fixture
def seen(at: "Browser", url: str) -> Iterator[Look]:
    """A fresh visitor at a desk."""
    with look(at, url) as one:
        yield one


def test_a_backtest_is_started_from_the_page_and_its_run_shown(seen: Look, url: str) -> None:
    """Chosen, started, followed; its run opens by itself, says its verdict first, and stands in the list.

    Keeps S4-60.
    """
    seen.open("/backtest")
    seen.panel("backtest-form")
    seen.page.select_option("#backtest-strategy", "hold")
    with seen.page.expect_response(lambda answer: answer.request.method == "POST") as started:
        seen.page.click('[data-panel="backtest-form"] button[type="submit"]')
    ours = f'[data-job="{started.value.json()["backtest"]["id"]}"]'
    seen.page.wait_for_selector(f'{ours}[data-phase="done"], {ours}[data-phase="failed"]', timeout=4 * PATIENCE_MS)
    listed = ask(url, "/api/v1/backtests")["backtests"]
    job = next(one for one in listed if one["id"] in ours)
    assert job["phase"] == "done", job
    seen.page.wait_for_selector(f'[data-run="{job["run"]}"] [data-verdict="too-few-trades"]')
    assert f"run={job['run']}" in seen.page.url
    seen.painted('[data-panel="run-equity"] canvas', 3)
    seen.panel("runs").locator("tbody tr", has_text="hold").first.wait_for()
    assert seen.panel("run-trades").locator("tbody tr").count() == 1
    assert "DEMO DATA" in seen.panel("run-verdict").inner_text()
    assert "BACKTEST" in seen.panel("run-verdict").inner_text()


def test_what_cannot_be_run_says_why_where_it_was_asked(seen: Look) -> None:
    """A value out of bounds disables the button; what the data lack is told by the job."""
    seen.open("/backtest?strategy=burst")
    form = seen.panel("backtest-form")
    form.locator(".parameters summary").click()
    field = form.locator('.parameter:has(label > span:text-is("volume")) input')
    field.fill("0.2")
    assert "≥ 1, ≤ 100" in form.locator(".parameter .bad").inner_text()
    assert form.locator('button[type="submit"]').is_disabled()
    field.fill("2.5")
    form.locator('button[type="submit"]').click()
    failed = seen.page.locator('[data-job][data-phase="failed"]')
    failed.wait_for(timeout=2 * PATIENCE_MS)
    assert "strategy-needs-book" in failed.inner_text()


def test_two_runs_are_laid_over_each_other(seen: Look) -> None:
    """On one axis, side by side with what differs, and the same again by its address."""
    seen.open("/backtest")
    for run_id, _, _ in KEPT:
        seen.panel("runs").locator(f'input[aria-label*="{run_id}"]').check()
    compared = seen.panel("compare")
    compared.locator("table.beside").wait_for()
    seen.until("() => document.querySelectorAll('#compare .chart-key').length === 2")
    seen.painted('[data-panel="compare"] canvas', 3)
    assert "What differs" in compared.inner_text()
    assert "compare=aaaa0001,bbbb0002" in seen.page.url
    seen.page.reload()
    seen.panel("compare").locator("table.beside").wait_for()


def test_a_run_is_told_by_its_address_and_taken_away(seen: Look, url: str) -> None:
    """The verdict in words first; its trades as CSV are those of the API; its tear sheet is a page of its own."""
    seen.open("/backtest?run=aaaa0001")
    run = ask(url, "/api/v1/runs/aaaa0001")["run"]
    assert run["summary"]["why"] in seen.panel("run-verdict").inner_text()
    seen.panel("run-trades").locator(".menu button").first.click()
    with seen.page.expect_download() as got:
        seen.panel("run-trades").locator('[role="menuitem"]', has_text="CSV").click()
    text = Path(got.value.path()).read_text("utf-8-sig")
    rows = list(csv.DictReader(line for line in io.StringIO(text) if not line.startswith("#")))
    assert [float(row["net"]) for row in rows] == [trade["net"] for trade in run["trades"]]
    with seen.page.expect_popup() as opened:
        seen.panel("run-verdict").locator(".sheets a").first.click()
    opened.value.wait_for_url("**aaaa0001**", timeout=2 * PATIENCE_MS)  # its pictures are drawn when it is asked for
    assert "burst" in opened.value.locator("h1").inner_text()


def test_signals_say_what_failed_and_why_nothing_was_done(seen: Look) -> None:
    """Lamps, near misses, risk's refusal, latencies; a model without an edge is FLAT. Keeps B25."""
    seen.open("/signals")
    rules = seen.panel("signal-rules")
    burst = rules.locator('[data-strategy="burst"]')
    assert burst.locator('[data-rule="book-imbalance"]').get_attribute("data-lit") in {"failed", "unknown"}
    assert "≥ 3" in burst.locator('[data-rule="volume-burst"]').inner_text()
    rows = seen.panel("signal-list", "stale", "ready", "partial").locator("tbody tr")
    assert rows.count() == 4
    said = seen.panel("signal-list", "stale", "ready", "partial").inner_text()
    for words in ("near miss: book imbalance", "refused: spread too wide", "edge: none → FLAT", "31 % / 42 %"):
        assert words in said.replace("\u2009", " "), words
    assert "Edge: none → FLAT" in seen.panel("signal-model", "stale", "ready").inner_text()
    assert "burst" in seen.panel("signal-latency", "stale", "ready").inner_text()
    seen.page.get_by_role("button", name="near misses").click()
    seen.until("() => document.querySelectorAll('[data-panel=\"signal-list\"] tbody tr').length === 1")
    assert "kind=near-misses" in seen.page.url


@pytest.mark.parametrize(
    "path", ["/backtest?run=aaaa0001&compare=aaaa0001,bbbb0002", "/signals"], ids=["backtest", "signals"]
)
@pytest.mark.parametrize("kept", [{}, {"language": "ko", "theme": "light"}], ids=["en-dark", "ko-light"])
def test_everybody_can_use_them(at: "Browser", url: str, path: str, kept: dict[str, str]) -> None:
    """Nothing runs over on a phone, and axe-core finds nothing serious, dark and light, in both languages."""
    with look(at, url, PHONE, **kept) as seen:
        seen.open(path).settled()
        seen.page.wait_for_selector("main table tbody tr")
        assert seen.runs_over_by() <= 0
        assert seen.violations() == []
        said = seen.text()
        assert "NaN" not in said
        assert "undefined" not in said


def test_it_works_by_keys(seen: Look) -> None:
    """`6` opens the page, `n` goes to the form, `j` and `k` through the runs."""
    seen.open("/")
    seen.page.keyboard.press("6")
    seen.page.wait_for_selector('main[data-page="backtest"]')
    seen.panel("runs")
    seen.page.wait_for_selector("[data-run]")
    first = seen.page.locator("[data-run]").get_attribute("data-run")
    seen.page.keyboard.press("j")
    seen.until("(first) => document.querySelector('[data-run]').dataset.run !== first", first)
    seen.page.keyboard.press("k")
    seen.until("(first) => document.querySelector('[data-run]').dataset.run === first", first)
    seen.panel("backtest-form")
    seen.page.keyboard.press("n")
    assert seen.page.evaluate("() => document.activeElement.id") == "backtest-strategy"
