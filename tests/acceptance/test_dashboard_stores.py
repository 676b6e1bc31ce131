"""The dashboard on stores that nobody collects into: recordings, an empty one, a spoilt one, and behind a key."""

import csv
import io
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perpscope.app import key_file
from perpscope.app.key_file import Scope
from perpscope.stores.sqlite import SqliteReader, SqliteStore
from perpscope.stores.status import StoreKind
from tests.acceptance.facing import face
from tests.browsing import PAGES, PHONE, Look, ask, browser, built, look, path_of, replayed
from tests.unit.kept_market import Market

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.timeout(300)]

#: Recordings by name, and a symbol that they hold.
TAPES = {
    "binance": ("wire/recordings/binance_futures.jsonl.zst", "SUSHI"),
    "books": ("books/hyperliquid_sol_20260611_ctx.jsonl.gz", "SOL"),
}


@pytest.fixture(scope="module")
def at() -> Iterator["Browser"]:
    """The browser."""
    built()
    with browser() as started:
        yield started


@pytest.mark.parametrize(("tape", "coin"), TAPES.values(), ids=TAPES)
def test_a_recording_is_shown_as_one(at: "Browser", recordings: Path, tmp_path: Path, tape: str, coin: str) -> None:
    """Every page says REPLAY and nowhere DEMO or LIVE; what is not known is a dash. Keeps S0-37."""
    database = tmp_path / "r.db"
    replayed(recordings / tape, database)
    with SqliteReader.open(database) as reader:
        assert reader.kind is StoreKind.REPLAY
    with face(database) as url, look(at, url) as seen:
        for name in PAGES:
            seen.open(f"{path_of(name)}?coin={coin}")
            states = seen.settled()
            said = seen.text()
            assert "REPLAY" in said, name
            assert "DEMO" not in said.replace("perpscope demo", ""), name
            assert "NaN" not in said, name
            assert "undefined" not in said, name
            assert "disconnected" not in states.values(), (name, states)
            assert seen.page.locator('[data-health="live"]').count() == 0, name
        _only_answers(seen)


def _only_answers(seen: Look) -> None:
    """What the console says is of answers with a problem in them: too little is stored for this or that."""
    assert [one for one in seen.complaints if "status of 409" not in one and "status of 404" not in one] == []
    seen.forgive()


def test_an_empty_store_says_what_helps(at: "Browser", tmp_path: Path) -> None:
    """Nothing was collected yet: every panel says so with the command, and none is an endless skeleton."""
    SqliteStore.open(tmp_path / "e.db", kind=StoreKind.OBSERVED).close()
    with face(tmp_path / "e.db") as url, look(at, url) as seen:
        for name in ("overview", "map", "liquidations", "sentiment", "health"):
            states = seen.open(path_of(name)).settled()
            assert set(states.values()) & {"empty", "warming", "error", "stale"}, (name, states)
        seen.open("/map").settled()
        assert "perpscope collect" in seen.text()
        _only_answers(seen)


def spoil(database: Path) -> None:
    """Write nonsense over every page of a store that is being read."""
    with database.open("r+b") as file:
        file.write(b"this is no database " * (database.stat().st_size // 20))


def test_a_store_that_cannot_be_read_is_an_error_with_its_code(at: "Browser", tmp_path: Path) -> None:
    """The panel shows the code, what happened and the request's id, to be copied."""
    database = tmp_path / "s.db"
    SqliteStore.open(database, kind=StoreKind.OBSERVED).close()
    with face(database) as url:
        spoil(database)
        with look(at, url) as seen:
            seen.open("/sentiment")
            refused = seen.page.locator('[data-panel][data-state="error"]').first
            refused.wait_for()
            said = refused.inner_text()
            assert "store-" in said or "database" in said
            assert "request" in said.lower()
            assert refused.get_by_role("button", name="Copy").count() == 1
            seen.forgive()


def test_a_key_opens_what_is_locked(at: "Browser", tmp_path: Path) -> None:
    """A face with keys asks for one; a wrong one is refused with the reason, the right one opens page and stream."""
    SqliteStore.open(tmp_path / "k.db", kind=StoreKind.OBSERVED).close()
    keys = tmp_path / "keys.json"
    _, text = key_file.add(keys, label="page", scopes=[Scope.READ], days=None, now_ns=time.time_ns())
    with (
        face(tmp_path / "k.db", PERPSCOPE_WEB__KEYS=str(keys), PERPSCOPE_WEB__BEHIND_PROXY="true") as url,
        look(at, url, PHONE) as seen,
    ):
        seen.open("/")
        dialog = seen.page.locator("dialog#unlock[open]")
        dialog.wait_for()
        assert seen.violations() == []
        dialog.locator("input[name=key]").fill("pps_wrong")
        dialog.get_by_role("button", name="Unlock").click()
        dialog.locator(".bad").wait_for()
        dialog.locator("input[name=key]").fill(text)
        dialog.get_by_role("button", name="Unlock").click()
        dialog.wait_for(state="hidden")
        seen.phase("open")
        assert text not in seen.page.url
        seen.page.reload()
        seen.phase("open")
        assert seen.page.locator("dialog#unlock[open]").count() == 0
        seen.forgive()


def test_a_file_of_liquidations_is_what_the_api_says(at: "Browser", tmp_path: Path) -> None:
    """The table's CSV has the rows of /api/v1/liquidations, to the last digit, and says what they are."""
    market = Market(tmp_path / "m.db")
    market.go_on(180)
    with face(tmp_path / "m.db") as url, look(at, url) as seen:
        seen.open("/liquidations").settled()
        told = ask(url, "/api/v1/liquidations?symbol=BTC&limit=1000")["liquidations"]
        path = _saved(seen, tmp_path)
        seen.forgive()
    lines = path.read_text("utf-8-sig").splitlines()
    notes = [line for line in lines if line.startswith("#")]
    assert "DEMO DATA" in notes[0]
    assert "OBSERVED" in notes[0]
    rows = list(csv.DictReader(io.StringIO("\n".join(line for line in lines if line not in notes))))
    assert rows
    known = set(map(_print, told))
    assert {*map(_print, rows)} <= known


def _print(row: Mapping[str, Any]) -> tuple[str, str, int, float, float, float]:
    """What of a row is compared, whoever wrote it."""
    time_ms, size, price, usd = (float(row[name]) for name in ("time_ms", "size", "price", "usd"))
    return row["instrument"], row["side"], int(time_ms), size, price, usd


def _saved(seen: Look, folder: Path) -> Path:
    """What the table's menu gives."""
    panel = seen.panel("all-liquidations", "ready", "stale", "partial")
    panel.locator(".menu > button").click()
    with seen.page.expect_download() as saved:
        panel.get_by_role("menuitem", name="CSV").click()
    path = folder / "rows.csv"
    saved.value.save_as(path)
    return path
