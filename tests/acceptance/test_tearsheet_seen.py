"""The tear sheet's page in a real browser, opened as a file: nothing fails, nothing is cut off, trades are sorted."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pytest

from perpscope.reports.tearsheet import tearsheet
from tests.browsing import PHONE, WIDE, Look, browser
from tests.unit.runs_made import walked

if TYPE_CHECKING:
    from playwright.sync_api import Browser

#: Words of charts that stick out of their chart.
_CUT: Final = """() => [...document.querySelectorAll('.plot')].flatMap(plot => {
    const box = plot.getBoundingClientRect();
    return [...plot.querySelectorAll('text')].filter(text => {
        const one = text.getBoundingClientRect();
        return one.left < box.left - 3 || one.right > box.right + 3;
    }).map(text => text.textContent);
})"""


@pytest.fixture(scope="module")
def at() -> Iterator["Browser"]:
    """The browser."""
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A sheet of 250 trades on disk."""
    files = tearsheet(walked(trades=250), tmp_path_factory.mktemp("sheet"))
    return Path(files[0]).as_uri()


@pytest.mark.parametrize(
    ("scheme", "size"),
    [("dark", WIDE), ("light", PHONE), ("dark", PHONE)],
    ids=["dark-desk", "light-phone", "dark-phone"],
)
def test_a_sheet_is_whole_on_every_screen(at: "Browser", address: str, scheme: str, size: tuple[int, int]) -> None:
    """Five charts are drawn, nothing runs over an edge, nothing is asked of a network, and everybody can read it."""
    page = at.new_page(viewport={"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    seen = Look(page, "")
    page.goto(address)
    seen.until("() => document.querySelectorAll('.plot svg').length === 5")
    assert seen.runs_over_by() <= 0
    assert page.evaluate(_CUT) == []
    assert seen.violations() == []
    assert (seen.complaints, seen.elsewhere) == ([], [address])
    page.close()


def test_a_sheet_of_nothing_is_drawn_too(at: "Browser", tmp_path: Path) -> None:
    """No trade and a flat line, over minutes and over years: no chart fails."""
    run = walked(minutes=30, trades=2)
    curve = msgspec.structs.replace(run.curve, equity=[1e4] * 30, position=[0.0] * 30, liquidation=[])
    for minutes in (1, 30, 3_000_000):
        summary = msgspec.structs.replace(run.summary, to_ms=run.summary.from_ms + minutes * 60_000, id=f"b{minutes}")
        files = tearsheet(msgspec.structs.replace(run, summary=summary, trades=[], curve=curve), tmp_path)
        page = at.new_page()
        seen = Look(page, "")
        page.goto(files[0].as_uri())
        seen.until("() => document.querySelectorAll('.plot svg').length === 5")
        assert page.locator("svg [d*=NaN], svg [y1=NaN]").count() == 0
        assert seen.complaints == []
        page.close()


def test_trades_can_be_sorted_and_read_out(at: "Browser", address: str) -> None:
    """By net the worst comes first, 100 to a page; the arrow keys read the equity out; a reason can be chosen."""
    page = at.new_page(viewport={"width": WIDE[0], "height": WIDE[1]})
    page.goto(address)
    rows = page.locator(".trades tbody tr")
    assert rows.count() == 100
    page.get_by_role("button", name="net, USDT").click()
    page.get_by_role("button", name="net, USDT").click()
    lowest = min(trade.net for trade in walked(trades=250).trades)
    assert rows.first.locator("td").nth(6).inner_text() == f"−{-lowest:.2f}"
    page.get_by_role("button", name="later").click()
    page.get_by_role("button", name="later").click()
    assert "201 – 250 of 250" in page.locator(".picks").inner_text()
    page.get_by_label("which trades").select_option("out: stop")
    assert {cell.strip() for cell in page.locator(".trades tbody td:nth-child(15)").all_inner_texts()} == {"stop"}
    page.locator(".plot.time").focus()
    page.keyboard.press("End")
    assert "equity" in page.locator(".read").inner_text()
    page.close()
