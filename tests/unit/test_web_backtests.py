"""Backtests over HTTP: who may start one, what is refused and why, and how far it is."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from starlette.types import ASGIApp
from tests.unit.asking import Told, ask
from tests.unit.kept_market import Market

from perpscope.app.backtest_jobs import MOST_WAITING
from perpscope.settings import Settings, Web
from perpscope.web.app import create_app

PATH = "/api/v1/backtests"
BTC = "BTC-USDT-PERP.BINANCE"
HOLD = {"strategy": "hold", "symbol": BTC}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> ASGIApp:
    """A face whose jobs nobody works off: they stay as they were taken."""
    path = tmp_path_factory.mktemp("backtests") / "m.db"
    market = Market(path, minutes=5)
    market.go_on(5)
    market.close()
    web = Web(keys=str(path.parent / "keys.json"), requests_per_min=100_000)
    return create_app(Settings(web=web), path)


async def post(
    app: ASGIApp, order: Mapping[str, object] | None = None, path: str = PATH, kind: str = "application/json"
) -> Told:
    """A POST from this machine, without a key."""
    return await ask(app, path, {"content-type": kind}, method="POST", content=json.dumps(order or {}).encode())


async def test_an_order_is_taken_told_and_cancelled(app: ASGIApp) -> None:
    """202 with where to look; it is listed; cancelled it stays so. No key is needed on this machine."""
    order: dict[str, object] = {"strategy": "magnet", "symbol": BTC, "parameters": {"pull": 0.3}, "deposit": 500}
    order |= {"from": "2024-08-08T12:00:00Z", "to": "1723154400000"}
    told = await post(app, order)
    assert told.status == 202, told.json
    job = told.json["backtest"]
    assert told.headers["location"] == f"{PATH}/{job['id']}"
    assert (job["phase"], job["order"]["instrument"], job["order"]["from_ms"]) == ("waiting", BTC, 1_723_118_400_000)
    assert (job["order"]["parameters"], job["order"]["deposit"]) == ({"pull": 0.3}, 500.0)
    assert (await ask(app, told.headers["location"])).json["backtest"] == job
    cancelled = await post(app, path=f"{PATH}/{job['id']}/cancel")
    assert (cancelled.status, cancelled.json["backtest"]["phase"]) == (200, "cancelled")
    assert job["id"] in [one["id"] for one in (await ask(app, f"{PATH}?")).json["backtests"]]


@pytest.mark.parametrize(
    ("order", "pointers"),
    [
        ({"strategy": "hold", "symbol": "BTC"}, {"/symbol"}),
        ({"strategy": "moon", "symbol": BTC}, {"/strategy"}),
        (
            {"strategy": "magnet", "symbol": BTC, "parameters": {"pull": 7, "tide": 1}},
            {"/parameters/pull", "/parameters/tide"},
        ),
        ({"strategy": "hold", "symbol": BTC, "from": "yesterday"}, {""}),
        ({"strategy": "hold", "symbol": BTC, "deposit": -1}, {"/deposit"}),
        ({"strategy": "hold", "symbol": BTC, "leverage": 5}, {""}),
        ({"strategy": "hold"}, {""}),
    ],
    ids=["several-contracts", "no-strategy", "parameters", "no-time", "deposit", "unknown-field", "no-symbol"],
)
async def test_what_is_wrong_with_an_order_is_pointed_at(
    app: ASGIApp, order: dict[str, object], pointers: set[str]
) -> None:
    """422 with each fault, as every question of this API."""
    told = await post(app, order)
    assert (told.status, told.json["code"]) == (422, "query-invalid"), told.json
    assert {fault["pointer"] for fault in told.json["errors"]} == pointers


async def test_other_refusals_are_problems_too(app: ASGIApp) -> None:
    """A symbol nobody knows, a job nobody knows, another method, a form a page of another site could send."""
    assert (await post(app, {**HOLD, "symbol": "NOPE"})).json["code"] == "symbol-unknown"
    unknown = await ask(app, f"{PATH}/00000000")
    assert (unknown.status, unknown.json["code"]) == (404, "backtest-unknown")
    assert (await post(app, path=f"{PATH}/00000000/cancel")).json["code"] == "backtest-unknown"
    assert (await ask(app, PATH, method="DELETE")).status in {405, 415}
    foreign = await post(app, HOLD, kind="text/plain")
    assert (foreign.status, foreign.json["code"]) == (415, "json-only")


async def test_a_page_of_another_site_starts_nothing(app: ASGIApp) -> None:
    """Whatever it sends: its origin is refused before anything is read."""
    headers = {"content-type": "application/json", "origin": "https://evil.example"}
    told = await ask(app, PATH, headers, method="POST", content=b"{}")
    assert (told.status, told.json["code"]) == (403, "origin-refused")


async def test_a_face_that_is_full_says_so(app: ASGIApp) -> None:
    """503 with when to ask again; nothing is queued without bound."""
    answers = [await post(app, HOLD) for _ in range(MOST_WAITING + 2)]
    assert answers[-1].status == 503
    assert answers[-1].json["code"] == "backtests-full"
    assert "retry-after" in answers[-1].headers
    for told in answers[:-1]:
        await post(app, path=f"{PATH}/{told.json['backtest']['id']}/cancel")


async def test_strategies_are_told_with_their_bounds(app: ASGIApp) -> None:
    """What a form needs: names, defaults, bounds, what each looks at, its verdict. Keeps B25."""
    told = (await ask(app, "/api/v1/strategies")).json
    burst = next(one for one in told["strategies"] if one["name"] == "burst")
    assert burst["needs"] == ["candles", "book"]
    assert {"name", "about", "value", "default", "least", "most"} <= set(burst["parameters"][0])
    assert "verdict" in burst


async def test_a_replica_has_nothing_to_run_over(tmp_path: Path) -> None:
    """It refuses with what to do, as it does for every answer that takes a store."""
    replica = create_app(Settings(web=Web(keys=str(tmp_path / "keys.json"))), None)
    told = await post(replica, HOLD)
    assert (told.status, told.json["code"]) == (503, "replica-without-answer")
