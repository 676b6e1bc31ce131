"""What is traded, over HTTP: runs, orders, fills, positions; and who may do what about it."""

import json
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from starlette.types import ASGIApp
from tests.unit.asking import Told, ask
from tests.unit.journals_made import FLAT, LONG, kept, status

from perpscope.app import key_file, trading_mode
from perpscope.app.answers.trade import GONE_AFTER_MS
from perpscope.app.backtest_jobs import BacktestJobs
from perpscope.app.face import Live
from perpscope.app.key_file import Scope
from perpscope.app.trading_mode import Mode
from perpscope.bus.memory import MemoryCache
from perpscope.errors import DataError
from perpscope.feeds.clock import wall_ns
from perpscope.model.order import LARGEST, SmallerOrder
from perpscope.model.run import RunKind
from perpscope.settings import Settings, Trade, Web
from perpscope.stores.journal import Journal, place
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind
from perpscope.web.app import create_app
from perpscope.web.routes.trade import TradeRunOnly, make_divergence
from perpscope.web.sources import Sources

PATH = "/api/v1/trade"
PAPER, LIVE, LAB, OVER = "aaaa0001", "bbbb0002", "cccc0003", "dddd0004"


def now_ms() -> int:
    """Real time."""
    return wall_ns() // 1_000_000


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A store without journals."""
    path = tmp_path / "m.db"
    SqliteStore.open(path, kind=StoreKind.DEMO).close()
    return path


@pytest.fixture
def app(database: Path) -> ASGIApp:
    """A face of it, that would let live be armed."""
    web = Web(keys=str(database.parent / "keys.json"), requests_per_min=100_000)
    return create_app(Settings(web=web, trade=Trade(live_enabled=True)), database)


def key(database: Path, *scopes: Scope) -> dict[str, str]:
    """Headers of a new key."""
    file = database.parent / "keys.json"
    _, text = key_file.add(file, label="test", scopes=scopes, days=None, now_ns=wall_ns())
    return {"x-api-key": text}


async def post(app: ASGIApp, name: str, order: object, headers: Mapping[str, str]) -> Told:
    """A POST from this machine."""
    content = order if isinstance(order, bytes) else json.dumps(order).encode()
    sent = {"content-type": "application/json", **headers}
    return await ask(app, f"{PATH}/{name}", sent, method="POST", content=content)


async def test_runs_are_told_with_their_age_and_whose_money_it_is(app: ASGIApp, database: Path) -> None:
    """Those that run first, live before paper; a trader that fell silent does not run, whatever it told last.

    Keeps S2-59, S2-62.
    """
    at = now_ms()
    kept(
        database,
        status(PAPER, at_ms=at),
        status(OVER, at_ms=at - 3_600_000, is_over=True, held=FLAT),
        status(LIVE, at_ms=at, kind=RunKind.LIVE, data="observed", mode="live"),
        status(LAB, at_ms=at - GONE_AFTER_MS - 60_000, kind=RunKind.LIVE, data="demo", mode="live"),
    )
    body = (await ask(app, PATH)).json
    told = [(run["status"]["run"], run["label"], run["is_running"]) for run in body["runs"]]
    assert told[:2] == [(LIVE, "LIVE", True), (PAPER, "PAPER", True)]
    assert sorted(told[2:]) == [(LAB, "DEMO", False), (OVER, "PAPER", False)]
    assert all(run["age_ms"] >= 0 for run in body["runs"])
    assert body["runs"][2]["age_ms"] > GONE_AFTER_MS
    assert body["runs"][1]["status"]["held"]["stop"] == LONG.stop
    assert body["meta"]["as_of_ms"] == body["runs"][0]["status"]["market_ms"]
    assert body["faults"] == []


async def test_positions_are_those_that_are_held_whoever_still_runs(app: ASGIApp, database: Path) -> None:
    """A position whose trader is gone is the one to know of; a run that is flat has none."""
    at = now_ms()
    kept(
        database,
        status(PAPER, at_ms=at, held=FLAT),
        status(LIVE, at_ms=at - 60_000, kind=RunKind.LIVE, data="observed", naked_seconds_now=3.5),
    )
    (held,) = (await ask(app, "/api/v1/positions")).json["positions"]
    assert (held["run"], held["label"], held["is_running"], held["naked_seconds"]) == (LIVE, "LIVE", False, 3.5)
    assert held["held"]["side"] == "LONG"


async def test_orders_and_fills_are_as_they_were_sent(app: ASGIApp, database: Path) -> None:
    """Newest first, decimals to the last digit; a run that no journal has is 404."""
    kept(database, status(PAPER, at_ms=now_ms()))
    stop, entry = (await ask(app, f"{PATH}/{PAPER}/orders")).json["orders"]
    assert (entry["state"], entry["size"], entry["filled"], entry["venue_id"]) == ("filled", "0.25", "0.25", "880012")
    assert (stop["role"], stop["kind"], stop["price"], stop["is_reducing"]) == ("stop", "stop", "59700.0", True)
    assert entry["is_own"] is True
    fills = (await ask(app, f"{PATH}/{PAPER}/fills")).json["fills"]
    assert [(fill["size"], fill["fee"]) for fill in fills] == [("0.15", "2.4000"), ("0.1", "2.4000")]
    assert len((await ask(app, f"{PATH}/{PAPER}/fills?limit=1")).json["fills"]) == 1
    unknown = await ask(app, f"{PATH}/ffff/orders")
    assert (unknown.status, unknown.json["code"]) == (404, "trade-run-unknown")


async def test_an_order_that_was_made_smaller_says_so(app: ASGIApp, database: Path) -> None:
    """What was decided, what was sent, and what bound it; of any other order neither."""
    kept(database, status(PAPER, at_ms=now_ms()))
    with Journal.open(place(database, RunKind.PAPER), holder="trader") as journal:
        journal.take("account", 1e12, 10.0)
        entry = msgspec.structs.asdict(journal.orders(PAPER)[0].request)
        told = entry | {"id": f"{PAPER}-burst-9", "wished": Decimal("0.30"), "bound": LARGEST}
        journal.intend(PAPER, SmallerOrder(**told))
    smaller, stop, _ = (await ask(app, f"{PATH}/{PAPER}/orders")).json["orders"]
    assert (smaller["size"], smaller["wished"], smaller["bound"]) == ("0.25", "0.30", "largest")
    assert (stop["wished"], stop["bound"]) == (None, "")


async def test_without_a_journal_nothing_is_traded(app: ASGIApp, database: Path) -> None:
    """It is said how one begins, and no file is made by looking."""
    body = (await ask(app, PATH)).json
    assert body["runs"] == []
    assert "perpscope paper" in body["meta"]["notes"][0]
    assert not place(database, RunKind.PAPER).exists()


async def test_a_journal_that_is_damaged_is_no_empty_list(app: ASGIApp, database: Path) -> None:
    """What cannot be read is named, and the other journal is told all the same."""
    kept(database, status(PAPER, at_ms=now_ms()))
    place(database, RunKind.LIVE).write_bytes(b"no journal at all, whatever its name says" * 50)
    body = (await ask(app, PATH)).json
    (fault,) = body["faults"]
    assert "m.db.live" in fault
    assert fault in body["meta"]["notes"]
    assert [run["status"]["run"] for run in body["runs"]] == [PAPER]
    assert len((await ask(app, f"{PATH}/{PAPER}/orders")).json["orders"]) == 2
    assert (await ask(app, f"{PATH}/{LIVE}/orders")).status == 503


async def test_the_mode_falls_by_a_key_that_may_trade(app: ASGIApp, database: Path) -> None:
    """And stands in the mode file under its name, where every trader reads it. Keeps S2-62."""
    may = key(database, Scope.TRADE)
    assert (await ask(app, f"{PATH}/rights", may)).json["may"] == ["lower", "halt"]
    told = await post(app, "mode", {"mode": "observe"}, may)
    assert told.status == 200, told.json
    assert (told.json["mode"]["mode"], told.json["mode"]["most"]) == ("observe", "live")
    state = trading_mode.read(database, Trade())
    assert state.mode is Mode.OBSERVE
    assert state.since is not None
    assert state.since.who == f"key {may['x-api-key'].split('_')[1]} over http"


async def test_the_mode_never_rises_over_http(app: ASGIApp, database: Path) -> None:
    """Not to paper, not to live, and nothing is lifted or armed there. Keeps S2-62."""
    may = key(database, Scope.TRADE, Scope.ADMIN)
    await post(app, "mode", {"mode": "observe"}, may)
    up = await post(app, "mode", {"mode": "paper"}, may)
    assert (up.status, up.json["code"]) == (409, "mode-rises")
    assert (await post(app, "mode", {"mode": "live"}, may)).status == 422
    for name, hint in (("reset", "risk reset"), ("arm", "trade arm")):
        told = await post(app, name, {}, may)
        assert (told.status, told.json["code"]) == (403, "trade-on-host")
        assert hint in told.json["hint"]
    assert trading_mode.read(database, Trade()).mode is Mode.OBSERVE


async def test_a_halt_is_told_with_its_why(app: ASGIApp, database: Path) -> None:
    """The kill switch is pulled at once, and the first reason stays."""
    may = key(database, Scope.TRADE)
    told = await post(app, "halt", {"why": "the news"}, may)
    assert (told.status, told.json["mode"]["halted"]) == (200, "the news")
    await post(app, "halt", {"why": "again"}, may)
    body = (await ask(app, PATH)).json
    assert body["mode"]["halted"] == "the news"
    assert [(act["what"], act["why"]) for act in body["mode"]["acts"]] == [("halt", "again"), ("halt", "the news")]


@pytest.mark.parametrize(
    ("name", "order"),
    [("mode", {}), ("mode", {"mode": "paper", "yes": True}), ("halt", {}), ("halt", {"why": ""}), ("halt", b"{")],
)
async def test_an_order_that_is_wrong_changes_nothing(app: ASGIApp, database: Path, name: str, order: object) -> None:
    """422 with where."""
    told = await post(app, name, order, key(database, Scope.TRADE))
    assert (told.status, told.json["code"]) == (422, "query-invalid")
    assert not trading_mode.place(database).exists()


@pytest.mark.parametrize("name", ["mode", "halt", "reset", "arm"])
async def test_who_may_not_trade_changes_nothing(app: ASGIApp, database: Path, name: str) -> None:
    """Not without a key on this machine, not by one that reads or administers, not from a page of another site."""
    order = {"mode": "observe"} if name == "mode" else {"why": "test"}
    for headers in ({}, key(database, Scope.READ), key(database, Scope.ADMIN)):
        told = await post(app, name, order, headers)
        assert (told.status, told.json["code"]) == (403, "scope-missing")
        assert (await ask(app, f"{PATH}/rights", headers)).json["may"] == []
    foreign = await post(app, name, order, {**key(database, Scope.TRADE), "origin": "https://evil.example"})
    assert (foreign.status, foreign.json["code"]) == (403, "origin-refused")
    assert (await post(app, name, order, {"x-api-key": "pps_00000000_" + "0" * 64})).status == 401
    assert not trading_mode.place(database).exists()


async def test_a_folder_that_cannot_be_written_is_said(app: ASGIApp, database: Path) -> None:
    """What held before holds; the answer is a problem, not silence."""
    may = key(database, Scope.TRADE)
    trading_mode.place(database).with_name(f"{database.name}.mode.lock").mkdir()
    told = await post(app, "halt", {"why": "test"}, may)
    assert (told.status, told.json["code"]) == (503, "mode-file")


WORKER = """
import json, sys
task = json.loads(sys.stdin.readline())
names = ("latency", "price", "missing", "size", "fee", "funding")
told = {"run": task["run"], "decisions": 9, "orders": 4, "is_identical": True, "first_difference": "", "matched": 4}
told |= {"only_run": 0, "only_model": 0, "unseen": 1, "whole": "-1.25", "parts": dict.fromkeys(names, "0E-8")}
told["parts"]["latency"] = "-1.25"
told |= {"latency_ms": {"run": {"p50": 310.0, "count": 4}}, "notes": ["valued at the last price"], "splits": []}
print(json.dumps({"phase": "done", "run": task["run"], "told": told}), flush=True)
"""


def test_a_run_that_is_over_is_put_beside_the_model(database: Path) -> None:
    """As a process beside the face works it out; one that runs keeps the processor. Keeps B11."""
    at = now_ms()
    kept(database, status(PAPER, at_ms=at), status(OVER, at_ms=at - 60_000, is_over=True))
    sources = Sources(Settings(), database, Live(None), MemoryCache())
    sources.jobs = BacktestJobs(Settings(), database, worker=(sys.executable, "-c", WORKER))
    body = make_divergence(sources, TradeRunOnly(id=OVER))
    found = body.divergence
    assert (found.run, found.is_identical, found.whole, found.parts.latency) == (OVER, True, -1.25, -1.25)
    assert found.latency_ms["run"].p50 == 310.0
    assert body.meta.notes[0] == "valued at the last price"
    with pytest.raises(DataError) as runs:
        make_divergence(sources, TradeRunOnly(id=PAPER))
    assert runs.value.code == "trade-run-runs"


async def test_a_replica_has_nothing_to_trade_with(tmp_path: Path) -> None:
    """It has no store, so that it has no journals and no mode file."""
    web = Web(keys=str(tmp_path / "keys.json"), requests_per_min=100_000)
    replica = create_app(Settings(web=web), None)
    assert (await ask(replica, PATH)).json["code"] == "replica-without-answer"
    file = tmp_path / "keys.json"
    _, text = key_file.add(file, label="test", scopes=(Scope.TRADE,), days=None, now_ns=wall_ns())
    assert (await post(replica, "halt", {"why": "test"}, {"x-api-key": text})).status == 503
