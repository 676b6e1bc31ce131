"""The report of a real store: chosen, reckoned, encoded, and put on a page that loads nothing."""

import html.parser
import io
import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest
from tests.contract.store_events import BTC, ETH, HOUR, NOON, at, covered, gap, heart, liquidation, tick

from perpscope.app.analyze import MOST_INSTRUMENTS, analyze, read_digest, read_report
from perpscope.cli.analyzing import print_report
from perpscope.errors import ConfigError, DataError, StoreError
from perpscope.model.instrument import Instrument, instrument_id
from perpscope.model.market import MarketEvent, PositionSide
from perpscope.model.stream import Channel, Stream
from perpscope.reports.page import page
from perpscope.reports.report import Report, encoded, generated_schema, schema
from perpscope.stores.extents import totals
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

ROOT = Path(__file__).resolve().parents[2]
SHORT = PositionSide.SHORT
NOON_MS = NOON // 1_000_000


def stored(path: Path, *events: MarketEvent, kind: StoreKind = StoreKind.DEMO, now: float = 7200.0) -> Path:
    """A store with these events, whose market stands at so many seconds after noon."""
    store = SqliteStore.open(path, kind=kind)
    store.register([BTC, ETH])
    for event in events:
        store.sink().accept(event)
    store.report([], heart(now))
    store.sink().accept(tick(now))
    store.close()
    return path


@pytest.fixture
def two_hours(tmp_path: Path) -> Path:
    """Two watched hours with a hole, BTC and ETH."""
    events: list[MarketEvent] = [
        *(liquidation(60 * i, 0.5 + i, 60_000.0 + i, side=SHORT if i % 3 else PositionSide.LONG) for i in range(90)),
        *(liquidation(100 * i, 2.0, 3000.0, of=ETH.id) for i in range(20)),
        covered(0, 3600, is_open=False),
        gap(3600, 3700),
        covered(3700, 7200),
        covered(0, 9000, streams=(Stream(Channel.CANDLES_1M, BTC.id),)),
    ]
    return stored(tmp_path / "demo.db", *events)


def valid(report: Report) -> dict[str, Any]:
    """The report as a program reads it, after its published schema was asked."""
    found = json.loads(encoded(report))
    jsonschema.Draft202012Validator.check_schema(json.loads(schema()))
    jsonschema.Draft202012Validator(json.loads(schema())).validate(found)
    assert isinstance(found, dict)
    return found


def test_the_report_validates_against_its_published_schema(two_hours: Path, tmp_path: Path) -> None:
    """Of one symbol, of all, of one event: the JSON is what `report.schema.json` says. Keeps S1-13."""
    found = valid(read_report(two_hours, symbol="BTC", hours=2))
    assert found["form"] == "perpscope-liquidations/1"
    assert found["instruments"][0]["analysis"]["events"] == 90
    assert "at most one order per symbol per second is published" in found["published"]
    valid(read_digest(two_hours, hours=24))
    one = valid(read_report(stored(tmp_path / "one.db", liquidation(5))))
    assert one["instruments"][0]["analysis"]["coverage"]["covered"] is None


def test_the_schema_refuses_what_is_not_a_report(two_hours: Path) -> None:
    """A missing field, a share over one and a word for a number are found out."""
    found = json.loads(encoded(read_report(two_hours)))
    checker = jsonschema.Draft202012Validator(json.loads(schema()))
    for spoil in ("del", "share", "word"):
        broken = json.loads(json.dumps(found))
        analysis = broken["instruments"][0]["analysis"]
        if spoil == "del":
            del analysis["trends"]
        elif spoil == "share":
            analysis["coverage"]["covered"] = 1.5
        else:
            analysis["events"] = "many"
        assert not checker.is_valid(broken), spoil


def test_the_schema_is_the_published_one() -> None:
    """The schema in the package, the one in the documents and the records say the same."""
    assert schema() == generated_schema() == (ROOT / "docs" / "schemas" / "report.schema.json").read_bytes()


def test_windows_and_coverage_come_from_the_store(two_hours: Path) -> None:
    """A demo's own clock ends the window; a gap counts as missed, another channel's coverage does not count."""
    found = read_report(two_hours, symbol="BTCUSDT", hours=1.5)
    assert (found.from_ms, found.to_ms) == (NOON_MS + 1_800_000, NOON_MS + 7_200_000)
    analysis = found.instruments[0].analysis
    assert analysis.coverage.covered == pytest.approx(1 - 100 / 5400)
    assert [bucket.covered for bucket in analysis.trends.buckets] == pytest.approx([1.0, 1 - 100 / 3600])
    assert analysis.events == 60
    assert found.notes == []


def test_statistics_by_coin_are_the_stores_sums(two_hours: Path) -> None:
    """Totals of every symbol in the window, most dollars first, as SQL sums them. Keeps S0-26, S0-28."""
    found = read_digest(two_hours, hours=24).by_symbol
    assert [row.symbol for row in found] == ["BTCUSDT", "ETHUSDT"]
    with closing(sqlite3.connect(two_hours)) as connection:
        for row in found:
            sums = connection.execute(
                "SELECT position_side, count(*), sum(size), sum(size * price) FROM liquidation_events"
                " WHERE symbol = ? GROUP BY position_side ORDER BY position_side",
                (row.symbol,),
            ).fetchall()
            expected = {side: pytest.approx((n, size, usd)) for side, n, size, usd in sums}
            nothing = pytest.approx((0, 0.0, 0.0))
            assert (row.long_events, row.long_size, row.long_usd) == expected.get("LONG", nothing)
            assert (row.short_events, row.short_size, row.short_usd) == expected.get("SHORT", nothing)
    assert totals(two_hours, at(0), at(1))[0].long_events == 1


def test_the_digest_details_the_largest_symbols(tmp_path: Path) -> None:
    """Totals list every symbol, details only some, and that is said."""
    store = SqliteStore.open(tmp_path / "many.db", kind=StoreKind.DEMO)
    coins = [f"C{i}" for i in range(MOST_INSTRUMENTS + 3)]
    ids = [instrument_id("binance", coin, "USDT") for coin in coins]
    store.register(
        Instrument(id=name, venue="binance", symbol=f"{coin}USDT", base=coin, quote="USDT")
        for name, coin in zip(ids, coins, strict=True)
    )
    for i, name in enumerate(ids):
        store.sink().accept(liquidation(i, 1.0 + i, of=name))
    store.close()
    found = read_digest(tmp_path / "many.db", hours=24)
    assert len(found.by_symbol) == len(coins)
    assert [i.symbol for i in found.instruments] == [f"C{i}USDT" for i in range(len(coins) - 1, 2, -1)]
    assert f"details of the {MOST_INSTRUMENTS} symbols with most dollars, of {len(coins)}" in found.notes
    assert page(found).count(b'class="instrument"') == MOST_INSTRUMENTS


@pytest.mark.parametrize("hours", [0.0, -3.0])
def test_hours_must_be_above_zero(two_hours: Path, hours: float) -> None:
    """Refused before anything is read."""
    for read in (read_report, read_digest):
        with pytest.raises(ConfigError, match="must be above 0"):
            read(two_hours, hours=hours)


def test_a_watched_window_without_events_is_an_error(tmp_path: Path) -> None:
    """Quiet is not the same as absent: the message has the window and the range that is stored."""
    path = stored(tmp_path / "q.db", liquidation(0), covered(0, 40 * 3600), now=40 * 3600)
    for read in (read_report, read_digest):
        with pytest.raises(DataError, match="09 Aug 2024 04:00 – 10 Aug 2024 04:00 UTC") as caught:
            read(path, hours=24)
        assert (caught.value.code, caught.value.exit_code) == ("window-empty", 3)
        assert "08 Aug 2024 12:00:00 to 08 Aug 2024 12:00:00 UTC" in str(caught.value.hint)
    assert read_report(path, hours=41).instruments[0].analysis.events == 1


def test_observed_data_of_the_past_end_the_window(tmp_path: Path) -> None:
    """Imported rows are older than any window before now: it ends with them, and their coverage is unknown."""
    events = [liquidation(i * 3600) for i in range(60)]
    found = read_report(stored(tmp_path / "old.db", *events, kind=StoreKind.OBSERVED), hours=48)
    assert found.to_ms == NOON_MS + 59 * 3_600_000 + 1
    assert found.hours == 48
    assert found.instruments[0].analysis.events == 48
    assert found.instruments[0].analysis.coverage.covered is None
    assert "the window ends with the newest liquidation, 10 Aug 2024 23:00:00 UTC" in found.notes[-1]


def test_a_gap_that_lasts_ends_now(tmp_path: Path) -> None:
    """What is being missed at this moment is missed up to now."""
    path = stored(tmp_path / "g.db", liquidation(0), covered(0, 3600, is_open=False), gap(3600, None), now=7200)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE coverage SET ts_to = NULL, is_open = 1 WHERE kind = 'gap'")
        connection.commit()
    found = read_report(path, hours=2)
    assert found.to_ms == NOON_MS + 3_600_000
    assert found.instruments[0].analysis.coverage.covered == 1.0


class Loaded(html.parser.HTMLParser):
    """Whatever a page would fetch, and what it contains."""

    def __init__(self) -> None:
        super().__init__()
        self.fetches: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element and every address in it."""
        self.tags.append(tag)
        self.fetches += [f"{name}={value}" for name, value in attrs if name in {"src", "href", "action", "srcset"}]


def test_the_page_is_one_file_that_loads_nothing(two_hours: Path) -> None:
    """No address, no inline handler or style; the policy allows this script and this style, and no request."""
    text = page(read_report(two_hours, symbol="BTC")).decode()
    loaded = Loaded()
    loaded.feed(text)
    assert loaded.fetches == []
    addresses = set(re.findall(r"https?://[^\"'\s)]+", text))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert not re.search(r"\son\w+=|\sstyle=|@import|url\(|fetch\(|XMLHttpRequest|WebSocket|import\(", text)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src &#x27;none&#x27;; style-src &#x27;sha256-")
    assert "unsafe" not in policy[1]
    assert loaded.tags.count("figure") == 12
    assert len(re.findall("view as table", text)) == 12


def test_the_page_has_every_figure_as_text_and_as_json(two_hours: Path) -> None:
    """Tables can be read without scripts; the JSON in the page is the report."""
    report = read_report(two_hours, symbol="BTC")
    text = page(report).decode()
    embedded = re.search(r'<script type="application/json" id="report">(.*?)</script>', text, re.DOTALL)
    assert embedded is not None
    assert json.loads(embedded[1]) == json.loads(encoded(report))
    for needed in ("DEMO DATA", "at most one order per symbol per second is published", "▼ long", "▲ short", "97.22"):
        assert needed in text
    drawings = re.search(r'<script type="application/json" id="charts">(.*?)</script>', text, re.DOTALL)
    assert drawings is not None
    (drawn,) = json.loads(drawings[1])
    assert [chart["shape"] for chart in drawn["charts"]].count("columns") == 5
    assert page(report) == page(read_report(two_hours, symbol="BTC"))


def test_a_symbol_cannot_leave_its_place_on_the_page(tmp_path: Path) -> None:
    """Names come from a venue: what looks like HTML is shown, not run."""
    evil = "</script><script>alert(1)</script>"
    path = stored(tmp_path / "evil.db", liquidation(0))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE liquidation_events SET symbol = ?", (evil,))
        connection.commit()
    text = page(read_report(path)).decode()
    assert "<script>alert" not in text
    assert "&lt;/script&gt;" in text
    outcome, _ = analyze(path, wanted=["report"], symbol=None, hours=1, out=tmp_path / "out")
    assert all(Path(file).parent == tmp_path / "out" for file in outcome.files)


def test_the_viewer_is_small() -> None:
    """6 kB of script, as promised."""
    assert len((ROOT / "src/perpscope/reports/viewer/viewer.js").read_bytes()) <= 6000


def test_a_folder_that_cannot_be_written_is_said(two_hours: Path, tmp_path: Path) -> None:
    """A file where the folder should be; nothing is written elsewhere."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot write to") as caught:
        analyze(two_hours, wanted=["trends"], symbol="BTC", hours=24, out=tmp_path / "file")
    assert caught.value.code == "output-folder"


@pytest.mark.unmeasured
@pytest.mark.parametrize(
    ("wanted", "files"),
    [
        (["trends"], ["trend-volume.png", "trend-events.png", "trend-price.png", "trend-lpi.png"]),
        (["intensity"], ["intensity-total.png", "intensity-events.png", "intensity-price.png", "intensity-lpi.png"]),
        (["report"], ["report.json", "report.html"]),
        (["report", "trends"], ["trend-volume.png", "trend-events.png", "trend-price.png", "trend-lpi.png",
                                "report.json", "report.html"]),
    ],
)  # fmt: skip
def test_what_is_wanted_is_written(two_hours: Path, tmp_path: Path, wanted: list[str], files: list[str]) -> None:
    """The files of what was asked for, each named after the symbol, and no others. Keeps S1-30, S1-31, S1-33."""
    outcome, _ = analyze(two_hours, wanted=wanted, symbol="ETH", hours=24, out=tmp_path / "charts")
    assert [Path(file).name for file in outcome.files] == [f"ETHUSDT-{name}" for name in files]
    assert sorted(p.name for p in (tmp_path / "charts").iterdir()) == sorted(f"ETHUSDT-{name}" for name in files)
    assert (outcome.symbol, outcome.events, outcome.data) == ("ETHUSDT", 20, StoreKind.DEMO)
    assert outcome.hours == (outcome.to_ms - outcome.from_ms) / (HOUR / 1e6)


def test_the_terminal_shows_the_largest_symbols(tmp_path: Path) -> None:
    """Observed data have no label; of many symbols the terminal shows twenty and says how many more there are."""
    path = tmp_path / "many.db"
    store = SqliteStore.open(path, kind=StoreKind.OBSERVED)
    for i in range(25):
        store.sink().accept(liquidation(i, 25.0 - i, of=instrument_id("binance", f"C{i}", "USDT")))
    store.close()
    out = io.StringIO()
    print_report(read_digest(path, hours=24), out=out)
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("08 Aug 2024 12:00 – 12:01 UTC")
    assert [line.split()[0] for line in lines if " $" in line] == [f"C{i}-USDT-PERP" for i in range(20)]
    assert lines[-1] == "and 5 more; --json and --html list all"
    assert max(map(len, lines)) <= 80
