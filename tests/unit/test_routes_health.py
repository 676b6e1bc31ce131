"""Status, map score and signals over HTTP: whether this face can answer, by name, and what is known of its figures."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import structlog
from tests.unit.faced_market import Face, shared_market

from perpscope.app.answers.standing import State, judged, standing
from perpscope.app.face import Heart
from perpscope.app.places import data_folder
from perpscope.app.status import Database, FeedLine, HeartLine, Status
from perpscope.app.study.map_kept import keep, measured
from perpscope.app.study.map_score import MapScore
from perpscope.model.stream import Channel
from perpscope.settings import Settings
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import EventCounts, FeedState, StoreKind


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten hours of two venues, whose heart has ended."""
    return shared_market(tmp_path_factory)


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """The log as it was."""
    yield
    structlog.reset_defaults()


def line(venue: str, state: FeedState, age_ms: int | None = 100) -> FeedLine:
    """A feed of liquidations."""
    return FeedLine(venue, Channel.LIQUIDATIONS, state, age_ms, 5, 0)


def told(*feeds: FeedLine, total: int = 9, runs: bool | None = True, data: StoreKind = StoreKind.DEMO) -> Status:
    """A status."""
    heart = None if runs is None else HeartLine(7, runs, 1, 1, 1.0)
    events = EventCounts(total, 0, 0, {}, {"BUY": 0, "SELL": 0})
    return Status(events, [*feeds], Database("/somewhere/market.db", 4096), data, heart=heart)


LIVE, DOWN, STALE = (line(venue, state) for venue, state in zip(
    ("binance", "okx", "bybit"), (FeedState.LIVE, FeedState.DOWN, FeedState.STALE), strict=True
))  # fmt: skip


@pytest.mark.parametrize(
    ("status", "heart", "state", "reason"),
    [
        (told(LIVE, LIVE), Heart.LIVE, State.READY, None),
        (told(LIVE, DOWN), Heart.LIVE, State.READY, None),
        (told(DOWN, DOWN), Heart.LIVE, State.ERROR, "feeds-down"),
        (told(line("okx", FeedState.DOWN, None)), Heart.LIVE, State.INITIALIZING, "feeds-silent"),
        (told(LIVE), Heart.STALE, State.ERROR, "heart-stale"),
        (told(LIVE), Heart.GONE, State.ERROR, "heart-gone"),
        (told(line("binance", FeedState.REPLAY), data=StoreKind.REPLAY), Heart.GONE, State.READY, None),
        (told(DOWN, runs=False), Heart.NONE, State.READY, None),
        (told(runs=None, total=0), Heart.NONE, State.INITIALIZING, "store-empty"),
        (told(runs=None, total=3), Heart.NONE, State.READY, None),
    ],
    ids=lambda value: value.value if isinstance(value, Heart | State) else None,
)
def test_a_face_says_how_it_stands(status: Status, heart: Heart, state: State, reason: str | None) -> None:
    """INITIALIZING until something is known, ERROR when figures do not go on, by name. Keeps S3-32."""
    found = judged(status, heart, 12.0)
    assert found.state is state
    assert (found.reason or "").partition(":")[0] == (reason or "")


def test_feeds_that_are_not_well_are_named() -> None:
    """A face that is READY still says which feeds are not."""
    found = judged(told(LIVE, DOWN, STALE), Heart.LIVE, 0.1)
    assert found.troubles == ["okx liquidations: down", "bybit liquidations: stale"]
    assert judged(told(DOWN, runs=False), Heart.NONE, None).troubles == [
        "the collecting process has ended: figures stand still"
    ]


def test_what_the_heart_told_goes_before_the_store(tmp_path: Path) -> None:
    """A heart that is heard is believed without opening the store; one that fell silent is not."""
    none = tmp_path / "none.db"
    assert standing(none, Settings(), Heart.LIVE, 0.1, told(LIVE)).state is State.READY
    lost = standing(none, Settings(), Heart.GONE, 9.0, told(LIVE))
    assert lost.reason == "heart-gone: the collecting process is gone, last heard 9 s ago"
    assert standing(None, Settings(), Heart.NONE, None, None).reason == (
        "heart-none: no heart was heard yet, and this face has no store"
    )


def test_the_status_is_an_answer_whatever_is_wrong(tmp_path: Path, store: Path) -> None:
    """No database: INITIALIZING; one that cannot be trusted: ERROR; one to be read: READY. Keeps S3-32."""
    none = Face(tmp_path / "none.db").ask("status")
    assert (none["status"], none["events"], none["meta"]["warming_up"]) == ("INITIALIZING", None, True)
    assert none["reason"].startswith("store-missing: ")
    (tmp_path / "broken.db").write_bytes(b"this is no database at all" * 99)
    broken = Face(tmp_path / "broken.db").ask("status")
    assert (broken["status"], broken["reason"].partition(":")[0]) == ("ERROR", "store-corrupt")
    with closing(SqliteStore.open(tmp_path / "empty.db", kind=StoreKind.OBSERVED)):
        pass
    assert Face(tmp_path / "empty.db").ask("status")["reason"] == "store-empty: nothing was collected yet"
    body = Face(store).ask("status")
    assert (body["status"], body["reason"], body["heart"]["state"]) == ("READY", None, "none")
    assert body["events"]["total"] > 0
    assert body["database_bytes"] > 4096
    assert str(store) not in json.dumps(body), "where the file lies is nobody's business"
    assert Face(None).ask("status")["status"] == "INITIALIZING"


def test_the_score_is_the_one_beneath_the_map(store: Path) -> None:
    """The lab's result with its cards and baselines, word for word; a store that was not measured says so."""
    body = Face(store).ask("map_score")
    assert body["told"] == measured(store)
    assert body["verdict"] == body["lab"]["verdict"]
    assert body["is_better"] is ("Not better than distance" not in body["verdict"])
    assert [card["minutes"] for card in body["lab"]["horizons"]] == [15, 60]
    assert body["lab"]["baselines"]["distance"] == 0.0
    assert body["store"] is None
    assert "not measured on your data" in body["told"]


def test_a_stores_own_score_goes_before_the_labs(store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What was measured on this very store is the verdict; the path of its file is not told; a broken file is none."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert str(data_folder()).startswith(str(tmp_path))
    lab = msgspec.json.decode(json.dumps(Face(store).ask("map_score")["lab"]), type=MapScore)
    own = msgspec.structs.replace(
        lab,
        made_ms=lab.made_ms + 1,
        verdict="Not better than distance on your data: …",
        data=msgspec.structs.replace(lab.data, source="store", store=str(store), lab=None),
    )
    place = keep(own, "store", own.made_ms)
    place.with_name("map-score-lab-20200101-000000.json").write_text("{")
    body = Face(store).ask("map_score")
    assert (body["verdict"], body["store"]["data"]["store"]) == (own.verdict, None)
    assert body["meta"]["as_of_ms"] == own.made_ms
    assert Face(tmp_path / "other.db").ask("map_score")["store"] is None


def test_there_are_no_signals_before_a_strategy(store: Path) -> None:
    """An empty list that says why it is empty."""
    body = Face(store).ask("signals", "symbol=BTC&limit=5")
    assert (body["signals"], body["next"], body["meta"]["warming_up"]) == ([], None, True)
    assert body["strategies"] == []
    assert body["meta"]["notes"][0].startswith("no strategy and no model has thought anything yet")
