"""Liquidations over HTTP: totals that add up, and pages without a row twice or left out."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import structlog
from tests.contract.store_events import NOON
from tests.unit.faced_market import BYBIT, Face, made_market, ms, shared_market
from tests.unit.kept_market import MINUTE

from perpscope.app.totals.reading import read_totals
from perpscope.errors import ConfigError
from perpscope.model.market import Completeness, Liquidation, PositionSide, Sampling
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind
from perpscope.web.problem import Refused

ALL = "SELECT ts_event, id, venue, position_side, size * price, completeness FROM liquidation_events"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten hours of two venues."""
    return shared_market(tmp_path_factory)


@pytest.fixture(scope="module")
def face(store: Path) -> Face:
    """A face of it."""
    return Face(store)


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """The log as it was."""
    yield
    structlog.reset_defaults()


def rows_of(store: Path, where: str = "1") -> list[tuple[Any, ...]]:
    """Rows as SQLite tells them, newest first."""
    connection = sqlite3.connect(store)
    found = connection.execute(f"{ALL} WHERE {where} ORDER BY ts_event DESC, id DESC").fetchall()
    connection.close()
    return found


def walked(face: Face, query: str = "", limit: int = 37) -> list[dict[str, Any]]:
    """Every row of every page."""
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = face.ask("liquidations", f"limit={limit}&{query}{cursor}".rstrip("&"))
        found += page["liquidations"]
        assert page["meta"]["truncated"] is (page["next"] is not None)
        if page["next"] is None:
            return found
        cursor = f"&cursor={page['next']}" if query else f"cursor={page['next']}"


def test_totals_are_those_of_the_tape_and_add_up(face: Face, store: Path) -> None:
    """Observed, estimated, interval and coverage as the tape has them; venues, sides and hours add up. Keeps S0-38."""
    body = face.ask("liquidations_24h")
    told = read_totals(store, symbol="BTC", hours=24.0, last=0)
    both = body["total"]["both"]
    for name in ("observed_usd", "estimated_usd", "low_usd", "high_usd", "covered", "observed_events"):
        assert both[name] == getattr(told.total.both, name)
    exact = sum(row[4] for row in rows_of(store))
    assert both["observed_usd"] == pytest.approx(exact)
    for parts in (body["by_venue"], body["by_hour"]):
        assert sum(part["sides"]["both"]["observed_usd"] for part in parts) == pytest.approx(exact)
    assert body["total"]["long"]["observed_usd"] + body["total"]["short"]["observed_usd"] == pytest.approx(exact)
    assert {part["venue"]: part["completeness"] for part in body["by_venue"]} == {
        "bybit": "complete",
        "binance": "sampled",
    }
    assert body["meta"]["coverage"] == both["covered"]
    assert body["meta"]["kind"] == "model"


def test_the_largest_are_the_largest(face: Face, store: Path) -> None:
    """By dollars, with what their venue publishes; none if none are asked for."""
    largest = face.ask("liquidations_24h", "largest=7")["largest"]
    assert [one["usd"] for one in largest] == sorted((row[4] for row in rows_of(store)), reverse=True)[:7]
    assert face.ask("liquidations_24h", "largest=0")["largest"] == []


def test_everything_is_asked_for_by_name(face: Face) -> None:
    """`ALL` is every coin together; here there is one."""
    everything, one = face.ask("liquidations_24h", "symbol=all"), face.ask("liquidations_24h")
    assert everything["total"] == one["total"]
    assert everything["symbol"] == "all"


def test_pages_hold_every_row_once(face: Face, store: Path) -> None:
    """Newest first, with the side, completeness and sampling of each; two of one moment stay apart."""
    rows, found = rows_of(store), walked(face)
    assert [(row[0] // 1_000_000, row[2], row[3], row[4]) for row in rows] == [
        (one["time_ms"], one["venue"], one["side"], one["usd"]) for one in found
    ]
    assert len({row[0] for row in rows}) < len(rows), "some are of one moment"
    assert {(one["venue"], one["completeness"], one["sampling"]) for one in found} == {
        ("bybit", "complete", "none"),
        ("binance", "sampled", "largest_1s"),
    }
    assert {one["price_is"] for one in found} == {"bankruptcy"}


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ("symbol=BTCUSDT", "symbol = 'BTCUSDT'"),
        ("symbol=BTC-USDT-PERP.BYBIT", "venue = 'bybit'"),
        ("venue=bybit,binance", "1"),
        ("venue=Binance", "venue = 'binance'"),
        ("side=long", "position_side = 'LONG'"),
        ("side=SHORT&venue=bybit", "position_side = 'SHORT' AND venue = 'bybit'"),
        ("min_usd=150000", "size * price >= 150000"),
        (f"from={ms(60)}&to={ms(120)}", f"ts_event >= {NOON + 60 * MINUTE} AND ts_event < {NOON + 120 * MINUTE}"),
        ("from=2h", f"ts_event >= {NOON + 480 * MINUTE}"),
        ("from=2024-08-08T21:00:00Z", f"ts_event >= {NOON + 540 * MINUTE}"),
        ("symbol=BTC&venue=okx", "0"),
    ],
    ids=str,
)
def test_filters_leave_what_they_say(face: Face, store: Path, query: str, where: str) -> None:
    """Each filter, page by page, is what SQL says."""
    expected = rows_of(store, where)
    assert [one["usd"] for one in walked(face, query, 23)] == [row[4] for row in expected]
    assert len(expected) < len(rows_of(store)) or where == "1" or "BTCUSDT" in where


def test_rows_that_come_meanwhile_move_no_page(tmp_path: Path) -> None:
    """What is written while somebody turns pages is neither in them nor does it push a row into the next."""
    path = made_market(tmp_path / "market.db")
    before = rows_of(path)
    face = Face(path)
    first = face.ask("liquidations", "limit=50")
    late = Liquidation(
        BYBIT.id, NOON + 599 * MINUTE, NOON, PositionSide.LONG, 9.0, None, 60_000.0, Completeness.COMPLETE,
        Sampling.NONE, venue_id="late",
    )  # fmt: skip
    kept = SqliteStore.open(path, kind=StoreKind.DEMO)
    kept.sink().accept(late)
    kept.flush()
    kept.close()
    rest: list[dict[str, Any]] = []
    cursor = first["next"]
    while cursor is not None:
        page = face.ask("liquidations", f"limit=50&cursor={cursor}")
        rest += page["liquidations"]
        cursor = page["next"]
    assert [one["usd"] for one in (*first["liquidations"], *rest)] == [row[4] for row in before]


def test_the_next_page_is_linked_with_its_question(face: Face) -> None:
    """The header names the same question with the cursor of the next page (RFC 8288); the last page has none."""
    link = face.headers("liquidations", "symbol=BTC&side=LONG&limit=5&venue=bybit,binance")["Link"]
    target, _, relation = link.partition("; ")
    assert relation == 'rel="next"'
    split = urlsplit(target.strip("<>"))
    asked = {name: values[0] for name, values in parse_qs(split.query).items()}
    assert split.path == "/api/v1/liquidations"
    assert asked["venue"] == "bybit,binance"
    assert asked["side"] == "LONG"
    following = face.ask("liquidations", split.query)["liquidations"]
    assert following == walked(face, "symbol=BTC&side=LONG&venue=bybit,binance")[5:10]
    assert face.headers("liquidations", "min_usd=1e9") == {}


def test_what_makes_no_sense_is_refused(face: Face) -> None:
    """A cursor of nobody's, a venue nobody knows, a time that ends before it begins."""
    with pytest.raises(Refused, match="cursor"):
        face.ask("liquidations", "cursor=AAAA")
    with pytest.raises(ConfigError, match="binanc") as refused:
        face.ask("liquidations", "venue=binanc")
    assert refused.value.hint == "did you mean 'binance'?"
    with pytest.raises(ConfigError, match="before it begins"):
        face.ask("liquidations", f"from={ms(60)}&to={ms(30)}")
