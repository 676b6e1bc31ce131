"""The liquidation map and its heatmap over HTTP: documented names, one shape with the command line, formats."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import structlog
from tests.unit.faced_market import Face, shared_market

from perpscope.app.liqmap.parts import Question
from perpscope.app.liqmap.reading import read_heatmap, read_map
from perpscope.cli.main import run


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten hours of two venues."""
    return shared_market(tmp_path_factory)


@pytest.fixture(scope="module")
def face(store: Path) -> Face:
    """A face of it."""
    return Face(store)


@pytest.fixture(scope="module")
def body(face: Face) -> dict[str, Any]:
    """The map of BTC."""
    return face.ask("liquidation_map")


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """The log as it was."""
    yield
    structlog.reset_defaults()


def test_clients_of_the_older_api_find_their_names_first(body: dict[str, Any], face: Face) -> None:
    """Every name of the public baseline's answer is there, before ours. Keeps S3-33, S3-34, S3-35, S3-36."""
    assert list(body)[:5] == ["summary", "direction", "bins", "raw_liquidations", "timestamp"]
    assert list(body["summary"])[:5] == ["total_oi_usd", "close", "funding_rate", "high", "low"]
    assert list(body["direction"])[:3] == ["bias", "upward_mag", "downward_mag"]
    assert list(body["bins"][0])[:5] == ["bucket", "usd", "mid_price", "intensity", "status"]
    raw = face.ask("liquidation_map", "raw=true")["raw_liquidations"]
    assert list(raw[0]) == ["price", "usd", "side", "status", "entry_time"]
    assert body["direction"]["bias"] in {"UP", "DOWN", "UNBIASED"}
    assert body["timestamp"] == body["at_ms"] == body["meta"]["as_of_ms"]


def test_the_command_line_prints_the_same_shape(
    body: dict[str, Any], store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`perpscope map --json` is the body without what only HTTP adds."""
    assert run(["map", "BTC", "--json", "--db", str(store)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {name: body[name] for name in told} == told
    assert set(body) - set(told) == {"meta", "score", "timestamp", "raw_liquidations", "measured", "borrowed"}


def test_bins_are_sorted_and_bounded(body: dict[str, Any]) -> None:
    """By price; intensity is of the largest; a bucket says its prices. Keeps S3-36."""
    places = [(one["low"], one["side"]) for one in body["bins"]]
    assert places == sorted(places)
    assert max(one["intensity"] for one in body["bins"]) == 1.0
    assert {one["status"] for one in body["bins"]} <= {"ACTIVE", "PARTIAL", "CLEARED", "EMPTY"}
    assert all(one["bucket"] == f"{one['low']:.10g}–{one['high']:.10g}" for one in body["bins"])
    assert all(one["low"] <= one["mid_price"] <= one["high"] for one in body["bins"])


def test_raw_levels_sum_to_the_bins(face: Face) -> None:
    """What the bins are summed from is the same dollars, side by side; no level has one time of entry."""
    found = face.ask("liquidation_map", "raw=true")
    for side in ("LONG", "SHORT"):
        fine = sum(one["usd"] for one in found["raw_liquidations"] if one["side"] == side)
        coarse = sum(one["usd"] for one in found["bins"] if one["side"] == side)
        assert fine == pytest.approx(coarse, rel=0.02)
    assert {one["entry_time"] for one in found["raw_liquidations"]} == {None}


def test_a_custom_map_is_of_the_venues_that_are_named(face: Face, store: Path, body: dict[str, Any]) -> None:
    """One venue alone has its own open interest; one that is not stored is named, and the others go on."""
    alone = face.ask("liquidation_map_custom", "ticker=btc&exchanges=bybit,okx&lookback_days=1")
    assert [venue["venue"] for venue in alone["venues"]] == ["bybit"]
    assert alone["summary"]["total_oi_usd"] == pytest.approx(
        body["summary"]["total_oi_usd"] * 30_000.0 / 90_000.0, rel=0.01
    )
    assert "okx: nothing of btc is stored, it is left out" in alone["meta"]["notes"]
    assert [source["venue"] for source in alone["meta"]["sources"]] in ([], ["bybit"])
    none = face.ask("liquidation_map_custom", "exchanges=okx")
    assert none["summary"] is None
    assert none["meta"]["warming_up"] is True
    same = read_map(store, Question(name="BTC", lookback_h=24.0, venues=("bybit",)))
    assert alone["bins"] == json.loads(msgspec.json.encode(same.bins))


def test_a_custom_map_has_as_many_bins_as_asked(face: Face) -> None:
    """About so many of one width, whatever the price."""
    found = face.ask("liquidation_map_custom", "bins=40&profile=neutral&horizon=0")
    widths = {round(one["high"] - one["low"], 6) for one in found["bins"]}
    assert len(widths) == 1
    price = found["summary"]["price"]
    assert 2.0 * price * np.sinh(0.25) / widths.pop() == pytest.approx(40, abs=0.01)
    assert (found["profile"], found["horizon_min"]) == ("neutral", 0.0)


def test_what_if_is_asked_by_price_and_by_move(face: Face) -> None:
    """Both kinds are answered in the order they were asked, prices first."""
    found = face.ask("liquidation_map", "prices=50000&moves_pct=-2,2")["what_if"]
    assert found[0]["price"] == 50_000.0
    assert [round(one["distance_pct"], 6) for one in found[1:]] == [-2.0, 2.0]
    assert [one["is_long"] for one in found[1:]] == [True, False]


def test_the_score_stands_beneath_every_map(face: Face, body: dict[str, Any]) -> None:
    """Whoever reads a map reads how such maps did; before there is one, too."""
    assert body["score"].startswith("measured: ")
    assert body["score"] in body["notes"]
    assert face.ask("liquidation_map", "symbol=SOL")["score"] == body["score"]
    assert body["direction_is"] == "descriptive"


def test_the_heatmap_is_the_same_in_every_format(face: Face, store: Path) -> None:
    """Cells, matrix and bytes tell the same dollars, each within its own rounding. Keeps S0-41."""
    told = read_heatmap(store, Question(name="BTC"), hours=6.0, every_min=30.0)
    usd = told.heatmap.usd
    matrix = face.ask("liquidation_heatmap", "format=json&hours=6&every=30")
    sparse = face.ask("liquidation_heatmap", "threshold=0&hours=6&every=30")
    assert matrix["time_ms"] == sparse["time_ms"] == [ts // 1_000_000 for ts in told.heatmap.times.tolist()]
    assert len(matrix["edges"]) == usd.shape[1] + 1
    assert np.array(matrix["usd"]) == pytest.approx(usd, rel=0.006, abs=0.6)
    laid = np.zeros(usd.shape)
    for column, place, dollars in sparse["cells"]:
        laid[column, place] = dollars
    assert np.array_equal(laid, np.array(matrix["usd"]))
    assert matrix["most_usd"] == usd.max()
    assert sparse["usd"] is None
    assert matrix["cells"] is None


def test_faint_cells_are_left_out_unless_asked_for(face: Face) -> None:
    """Cells of less than a share of the largest are not sent; the rest is as it was."""
    every, most = (face.ask("liquidation_heatmap", f"threshold={share}&hours=6&every=30") for share in (0.0, 0.2))
    assert len(most["cells"]) < len(every["cells"])
    least = 0.2 * most["most_usd"]
    assert {tuple(cell) for cell in most["cells"]} <= {tuple(cell) for cell in every["cells"]}
    assert all(cell[2] < least * 1.01 for cell in every["cells"] if cell not in most["cells"])


def test_bytes_are_read_by_the_scale_in_their_headers(face: Face, store: Path) -> None:
    """Byte b is least · (most ÷ least)^((b − 1) ÷ 254) dollars, columns in order of time, lowest price first."""
    usd = read_heatmap(store, Question(name="BTC"), hours=6.0, every_min=30.0).heatmap.usd
    found = face.octets("liquidation_heatmap", "format=u8&hours=6&every=30")
    said = found.headers
    columns, bins = int(said["X-Heatmap-Columns"]), int(said["X-Heatmap-Bins"])
    assert len(found.content) == columns * bins
    codes = np.frombuffer(found.content, np.uint8).reshape(columns, bins)
    least, most = float(said["X-Heatmap-Least-Usd"]), float(said["X-Heatmap-Most-Usd"])
    read = np.where(codes > 0, least * (most / least) ** ((codes.astype(float) - 1.0) / 254.0), 0.0)
    times = [int(said["X-Heatmap-First-Ms"]) + at * int(said["X-Heatmap-Step-Ms"]) for at in range(columns)]
    body = face.ask("liquidation_heatmap", "format=json&hours=6&every=30")
    for time_ms, row in zip(body["time_ms"], usd, strict=True):
        large = row > 1.1 * least
        assert read[times.index(time_ms)][large] == pytest.approx(row[large], rel=0.02)
    assert float(said["X-Heatmap-Low"]) == body["edges"][0]
    assert float(said["X-Heatmap-Width"]) == pytest.approx(body["edges"][1] - body["edges"][0])
    assert json.loads(said["X-Perpscope-Meta"])["kind"] == "model"
    assert all(text.isascii() for text in said.values())


def test_a_heatmap_reaches_back_as_far_as_asked(face: Face) -> None:
    """More hours than a map's usual past are made of a longer one."""
    found = face.ask("liquidation_heatmap", "hours=100&every=60&exchanges=bybit")
    assert found["venues"] == ["bybit"]
    assert len(found["time_ms"]) == 10
    waiting = face.octets("liquidation_heatmap", "symbol=SOL&format=u8")
    assert (waiting.content, waiting.headers["X-Heatmap-Columns"]) == (b"", "0")
