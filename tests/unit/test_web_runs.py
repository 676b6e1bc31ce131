"""Runs over HTTP: pages, filters, one whole, its tear sheet in a page without rights."""

import sys
from pathlib import Path
from urllib.parse import quote

import pytest
from msgspec.structs import replace
from starlette.types import ASGIApp
from tests.unit.asking import ask
from tests.unit.runs_made import walked

from perpscope.app.backtest_jobs import BacktestJobs
from perpscope.app.face import Live
from perpscope.bus.memory import MemoryCache
from perpscope.errors import DataError
from perpscope.model.instrument import InstrumentId
from perpscope.model.run import RunKind, Verdict
from perpscope.settings import Settings, Web
from perpscope.stores.runs import Runs
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind
from perpscope.web.app import create_app
from perpscope.web.endpoint import Raw
from perpscope.web.routes.runs import SheetQuery, make_sheet
from perpscope.web.sources import Sources

#: Strategy, contract, kind and verdict of each run, the oldest first.
KEPT = (
    ("burst", "BTC-USDT-PERP.BINANCE", RunKind.BACKTEST, Verdict.LOSES),
    ("magnet", "ETH-USDT-PERP.BYBIT", RunKind.BACKTEST, Verdict.FAILS_NULLS),
    ("burst", "ETH-USDT-PERP.BINANCE", RunKind.PAPER, Verdict.TOO_FEW),
)
#: Writes a page and no picture.
WORKER = """
import json, sys
task = json.loads(sys.stdin.readline())
path = task["folder"] + "/run.html"
open(path, "w").write("<!doctype html>" + task["run"])
print(json.dumps({"phase": "done", "run": task["run"], "files": [path]}), flush=True)
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with three runs beside it."""
    path = tmp_path_factory.mktemp("runs") / "m.db"
    SqliteStore.open(path, kind=StoreKind.DEMO).close()
    whole = walked(minutes=2 * 1440, trades=12)
    with Runs(path) as runs:
        for n, (strategy, instrument, kind, verdict) in enumerate(KEPT):
            own = {"strategy": strategy, "instrument": InstrumentId(instrument), "kind": kind, "verdict": verdict}
            summary = replace(whole.summary, made_ms=whole.summary.made_ms + n, hash=f"{n + 1:08x}" * 8, **own)
            runs.add(replace(whole, summary=summary))
    return path


@pytest.fixture(scope="module")
def app(store: Path) -> ASGIApp:
    """A face of it."""
    web = Web(keys=str(store.parent / "keys.json"), requests_per_min=100_000)
    return create_app(Settings(web=web), store)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", ["00000003", "00000002", "00000001"]),
        ("?strategy=burst", ["00000003", "00000001"]),
        ("?symbol=eth", ["00000003", "00000002"]),
        ("?symbol=BTC-USDT-PERP.BINANCE", ["00000001"]),
        ("?kind=paper", ["00000003"]),
        ("?verdict=loses-after-costs", ["00000001"]),
        ("?strategy=burst&kind=live", []),
    ],
)
async def test_runs_are_listed_newest_first(app: ASGIApp, query: str, ids: list[str]) -> None:
    """And by strategy, coin or contract, kind and verdict."""
    told = await ask(app, f"/api/v1/runs{query}")
    assert [run["id"] for run in told.json["runs"]] == ids
    assert all(run["label"].startswith((run["kind"].upper(), "DEMO")) for run in told.json["runs"])
    assert told.json["next"] is None


async def test_pages_of_runs_meet_without_a_hole(app: ASGIApp) -> None:
    """Each page names the next, in its body and its header, and none comes twice."""
    seen: list[str] = []
    cursor = ""
    for _ in range(3):
        told = await ask(app, f"/api/v1/runs?limit=1{cursor}")
        seen += [run["id"] for run in told.json["runs"]]
        if told.json["next"] is not None:
            assert 'rel="next"' in told.headers["link"]
            cursor = f"&cursor={quote(told.json['next'])}"
        else:
            assert len(seen) == 3
    assert seen == ["00000003", "00000002", "00000001"]
    assert (await ask(app, "/api/v1/runs?cursor=abc")).status == 422


async def test_a_run_is_told_whole(app: ASGIApp) -> None:
    """By its id or the beginning of it: trades, equity, figures, what was assumed, where its market came from."""
    whole = (await ask(app, "/api/v1/runs/00000001")).json
    assert whole["run"] == (await ask(app, "/api/v1/runs/00000001000000")).json.get("run", whole["run"])
    run = whole["run"]
    assert len(run["trades"]) == run["summary"]["trades"] == 12
    assert len(run["curve"]["at_ms"]) == len(run["curve"]["equity"]) > 12
    assert whole["meta"]["data"] == "demo"
    assert whole["meta"]["notes"][:1] == run["summary"]["notes"]
    unknown = await ask(app, "/api/v1/runs/ffff")
    assert (unknown.status, unknown.json["code"]) == (404, "run-unknown")
    assert (await ask(app, "/api/v1/runs/BURST")).status == 422


async def test_a_store_without_runs_says_how_one_is_made(tmp_path: Path) -> None:
    """Nothing is made up to fill the page, and no file is made by looking."""
    path = tmp_path / "m.db"
    SqliteStore.open(path, kind=StoreKind.DEMO).close()
    told = await ask(create_app(Settings(web=Web(keys=str(tmp_path / "keys.json"))), path), "/api/v1/runs")
    assert told.json["runs"] == []
    assert "perpscope backtest" in told.json["meta"]["notes"][0]
    assert not (tmp_path / "m.db.runs").exists()


def sources(store: Path) -> Sources:
    """With a process that writes pages alone."""
    found = Sources(Settings(), store, Live(None), MemoryCache())
    found.jobs = BacktestJobs(Settings(), store, worker=(sys.executable, "-c", WORKER))
    return found


def test_a_tear_sheet_is_a_page_without_rights(store: Path) -> None:
    """It may run its own script and ask nobody: it is no page of this service."""
    told = make_sheet(sources(store), SheetQuery(id="00000001"))
    assert isinstance(told, Raw)
    assert told.content == b"<!doctype html>00000001"
    policy = told.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts")
    assert "allow-same-origin" not in policy
    assert "connect-src" not in policy
    assert "default-src 'none'" in policy
    assert 'filename="burst-00000001.html"' in told.headers["content-disposition"]


def test_a_form_that_was_not_written_is_said(store: Path) -> None:
    """A picture that is not there is no empty answer; nor is a run that is not."""
    with pytest.raises(DataError) as missing:
        make_sheet(sources(store), SheetQuery(id="00000001", format="png"))
    assert missing.value.code == "tearsheet-form"
    with pytest.raises(DataError) as unknown:
        make_sheet(sources(store), SheetQuery(id="ffff"))
    assert unknown.value.code == "run-unknown"
