"""Real recordings, replayed into a store and served: labelled as what they are, with their ages, never as live."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from perpscope.app.replay import replay_tape
from perpscope.app.totals.reading import read_totals
from perpscope.stores.sqlite import SqliteReader
from perpscope.stores.status import StoreKind
from perpscope.web.app import found
from tests.acceptance.facing import face

#: Name: the recordings in the order they are replayed, and a symbol that they hold.
SHORT = {
    "binance-2021": (["wire/recordings/binance_futures.jsonl.zst"], "SUSHI"),
    "liquidations": (["wire/liquidation-frames/frames.jsonl"], None),
    "books": (["books/hyperliquid_sol_20260611_ctx.jsonl.gz"], "SOL"),
}
LONG = {
    "binance-2024": (["wire/binance/usdm_btcusdt_20240808.gz"], "BTC"),
    "market": (["wire/liquidation-frames/binance_usdm_market_20260808.txt"], None),
    "books-btc": (["books/hyperliquid_btc_20260612_ctx.jsonl.gz"], "BTC"),
    "books-doge": (
        ["books/hyperliquid_doge_20260614_ctx.jsonl.gz", "books/hyperliquid_doge_20260614_trades.jsonl.gz"],
        "DOGE",
    ),
}
CASES = [
    *(pytest.param(*case, id=name) for name, case in SHORT.items()),
    *(pytest.param(*case, id=name, marks=pytest.mark.soak) for name, case in LONG.items()),
]


def ask(url: str, path: str) -> tuple[int, Any, bytes]:
    """Status, body, and the body as it was sent."""
    try:
        with urllib.request.urlopen(url + path, timeout=60) as answer:
            raw = answer.read()
            return answer.status, json.loads(raw, parse_constant=_none), raw
    except urllib.error.HTTPError as error:
        raw = error.read()
        return error.code, json.loads(raw), raw


def _none(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def targets(symbol: str) -> list[str]:
    """Every documented path, asked for a symbol where it takes one."""
    made = []
    for endpoint in found():
        names = [name for name in ("symbol", "ticker", "symbols") if name in endpoint.query.__struct_fields__]
        for path in endpoint.paths:
            if "{id}" in path:  # of what somebody made: there is none
                continue
            if "{symbol}" in path:
                made.append(path.replace("{symbol}", symbol))
            else:
                made += [path, *(f"{path}?{name}={symbol}" for name in names)]
    return made


@pytest.mark.parametrize(("tapes", "symbol"), CASES)
def test_a_recording_is_served_as_one(recordings: Path, tmp_path: Path, tapes: list[str], symbol: str | None) -> None:
    """Every documented path answers 200; `data` says replay, ages are told, nothing is live, DEMO stands nowhere.

    Keeps S0-37, S0-41.
    """
    database = tmp_path / "r.db"
    for tape in tapes:
        replay_tape(recordings / tape, database=database)
    with SqliteReader.open(database) as reader:
        assert reader.kind is StoreKind.REPLAY
        known = [instrument for instrument in reader.instruments() if symbol in {None, instrument.asset}]
        rows = reader.liquidations(limit=100_000)
    with face(database) as url:
        for target in targets(known[0].id if symbol is None else symbol):
            status, body, raw = ask(url, target)
            assert status == 200, (target, body)
            _labelled(target, body, raw)
        status, body, _ = ask(url, "/api/status")
        assert (body["status"], body["heart"]["state"], body["events"]["total"]) == ("READY", "none", len(rows))
        assert ask(url, "/readyz")[0] == 200
        with urllib.request.urlopen(url, timeout=60) as page:
            assert page.status == 200
        _as_stored(lambda path: ask(url, path)[1], database)


#: Where nothing is traded there is no time of it, and nothing that is still to come.
NOT_TRADED = ("/api/v1/trade", "/api/v1/positions")


def _labelled(target: str, body: dict[str, Any], raw: bytes) -> None:
    """What every body of a replay says of itself, and what none may say."""
    meta = body["meta"]
    assert meta["data"] == "replay", target
    assert meta["kind"] in {"model", "observed"}, target
    assert meta["heart"] == "none", target
    assert {source["state"] for source in meta["sources"]} <= {"replay"}, target
    assert b"demo" not in raw.lower().replace(b"model-demoted", b""), target
    assert b'"live"' not in raw, target
    if meta["as_of_ms"] is None:
        assert meta["warming_up"] or target.startswith(NOT_TRADED), target
    else:
        assert meta["age_ms"] >= 0, target
    assert any("replay is over" in note for note in meta["notes"]), (target, meta)


def _as_stored(get: Callable[[str], Any], database: Path) -> None:
    """Rows, page by page, and totals are what the store's own reader gives."""
    with SqliteReader.open(database) as reader:
        rows = reader.liquidations(limit=100_000)
    told: list[dict[str, Any]] = []
    page = get("/api/v1/liquidations?limit=7")
    told += page["liquidations"]
    while page["next"]:
        page = get(f"/api/v1/liquidations?limit=7&cursor={page['next']}")
        told += page["liquidations"]
    names = ("instrument", "time_ms", "side", "size", "price", "usd")
    expected = [
        (r.instrument, r.ts_event // 1_000_000, r.position_side.value, r.size, r.price, r.notional_usd) for r in rows
    ]
    assert [tuple(row[name] for name in names) for row in told] == expected[::-1]
    body = get("/api/liquidations/24h?symbol=ALL")
    if body["total"] is None:
        assert rows == [] or body["meta"]["warming_up"]
        return
    report = read_totals(database, symbol=None, hours=24.0, last=0)
    assert body["total"]["both"]["observed_usd"] == pytest.approx(report.total.both.observed_usd)
    inside = [r for r in rows if body["from_ms"] <= r.ts_event // 1_000_000 < body["to_ms"]]
    assert body["total"]["both"]["observed_events"] == len(inside)
    largest = sorted((r.notional_usd for r in inside), reverse=True)[:10]
    assert [row["usd"] for row in body["largest"]] == largest
