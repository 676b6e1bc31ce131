"""Why a level is there: the portions of a bin, their sums, what is measured and borrowed; over HTTP too."""

from math import log
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.unit.faced_market import ENDPOINTS, Face, shared_market
from tests.unit.map_histories import FEW, LEVERAGED, history

from perpscope.analytics.liqmap import anatomy, levels, measured
from perpscope.analytics.liqmap.anatomy import Range
from perpscope.analytics.liqmap.measured import Holdings
from perpscope.analytics.liqmap.venue_map import VenueMap, rebuilt
from perpscope.app.liqmap.parts import Question
from perpscope.app.liqmap.reading import read_map
from perpscope.app.liqmap.why import read_why
from perpscope.web.problem import Refused
from perpscope.web.query import Questions


@pytest.fixture(scope="module")
def venue() -> VenueMap:
    """A map of some hours."""
    return rebuilt([LEVERAGED, FEW], history(3, 240))


def sums(found: list[anatomy.Portion]) -> tuple[float, float]:
    """Dollars of portions: forced, held."""
    return sum(one.usd for one in found), sum(one.gross_usd for one in found)


@pytest.mark.parametrize("horizon", [pytest.param(None, id="map-alone"), pytest.param(60.0, id="blended")])
@pytest.mark.parametrize("is_long", [pytest.param(True, id="longs"), pytest.param(False, id="shorts")])
@pytest.mark.parametrize("away", [pytest.param(move, id=f"{move:+.3f}") for move in (-0.05, -0.01, 0.0, 0.01, 0.05)])
def test_the_portions_of_a_bin_sum_to_it(venue: VenueMap, horizon: float | None, is_long: bool, away: float) -> None:
    """Nothing of a published bin is unexplained, on either side of the mark."""
    laid = levels.levels(venue, horizon_min=horizon)
    mark = 1.001 * laid.mark  # another venue is the reference
    low = mark * (1.0 + away)
    edges = np.array([low, low * 1.004])
    bins = levels.binned([laid], edges, mark)
    wanted = Range(low=low, high=low * 1.004, mark=mark, is_long=is_long)
    side = 0 if is_long else 1
    found = anatomy.portions(venue, wanted, horizon_min=horizon, entry_width=0.01 * mark)
    assert sums(found) == pytest.approx((bins.usd[side, 0], bins.gross_usd[side, 0]), rel=1e-9, abs=1e-6)
    assert anatomy.whole(laid, wanted) == pytest.approx(
        (bins.usd[side, 0], bins.gross_usd[side, 0]), rel=1e-9, abs=1e-6
    )
    assert [one.usd for one in found] == sorted((one.usd for one in found), reverse=True)
    assert horizon is not None or {one.kind for one in found} <= {"positions"}


def test_entries_are_where_a_class_says(venue: VenueMap) -> None:
    """A class by leverage reaches the bin from entries about its distance away."""
    laid = levels.levels(venue)
    wanted = Range(low=laid.mark * 0.97, high=laid.mark * 0.975, mark=laid.mark, is_long=True)
    for one in anatomy.portions(venue, wanted, horizon_min=None, entry_width=0.001 * laid.mark):
        if one.leverage is not None and one.entry_low is not None and one.entry_high is not None:
            distance = log(0.5 * (one.entry_low + one.entry_high) / (0.9725 * laid.mark))
            assert 0.0 < distance < 1.2 / one.leverage


def test_what_is_measured_is_told_apart(venue: VenueMap) -> None:
    """A position a venue shows is a portion of its own, and the guess gives way to it."""
    laid = levels.levels(venue, horizon_min=60.0)
    price = laid.mark * 0.98
    size = 0.1 * laid.open_interest
    shown = Holdings(np.array([True]), np.array([size]), np.array([laid.mark]), np.array([price]))
    seen = measured.lay(shown, laid)
    wanted = Range(low=price * 0.997, high=price * 1.003, mark=laid.mark, is_long=True)
    bins = levels.binned([measured.fused(laid, seen)], np.array([wanted.low, wanted.high]), laid.mark)
    found = anatomy.portions(venue, wanted, horizon_min=60.0, entry_width=100.0, measured=seen)
    assert sums(found) == pytest.approx((bins.usd[0, 0], bins.gross_usd[0, 0]))
    held = [one.gross_usd for one in found if one.kind == "measured"]
    assert held == pytest.approx([size * price], rel=0.01)
    elsewhere = msgspec.structs.replace(wanted, low=price * 1.005, high=price * 1.01)
    others = anatomy.portions(venue, elsewhere, horizon_min=60.0, entry_width=100.0, measured=seen)
    assert not [one for one in others if one.kind == "measured"]


def test_out_of_the_grid_there_is_nothing(venue: VenueMap) -> None:
    """A range no level reaches has no portions, and a map that has taken nothing says so."""
    laid = levels.levels(venue)
    wanted = Range(low=laid.mark * 9.0, high=laid.mark * 9.1, mark=laid.mark, is_long=False)
    assert anatomy.portions(venue, wanted, horizon_min=60.0, entry_width=100.0) == []
    with pytest.raises(ValueError, match="no map yet"):
        anatomy.portions(VenueMap([LEVERAGED]), wanted, horizon_min=None, entry_width=100.0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten hours of two venues."""
    return shared_market(tmp_path_factory)


@pytest.mark.unmeasured
def test_every_bin_of_the_published_map_is_explained(store: Path) -> None:
    """The parts sum to the very dollars `/api/liquidation-map` tells, bin by bin."""
    question = Question(name="BTC")
    told = read_map(store, question)
    for one in told.bins[:: max(1, len(told.bins) // 4)]:
        is_long = one.side == "LONG"
        found = read_why(store, question, one.mid_price, is_long=is_long, top=5)
        assert (found.low, found.high, found.side, found.status) == (one.low, one.high, one.side, one.status)
        assert found.usd == pytest.approx(one.usd)
        for name in ("usd", "gross_usd"):
            parts = sum(getattr(part, name) for part in found.parts) + getattr(found.others, name)
            assert parts == pytest.approx(getattr(one, name), rel=1e-6, abs=1e-3)
            assert sum(getattr(total, name) for total in found.venues) == pytest.approx(parts)
        assert found.was_usd >= found.gross_usd


def test_without_a_price_the_largest_level_is_explained(store: Path) -> None:
    """So that the endpoint answers by itself."""
    told = read_map(store, Question(name="BTC"))
    largest = max(told.bins, key=lambda one: one.usd)
    found = read_why(store, Question(name="BTC"))
    assert (found.low, found.high) == (largest.low, largest.high)
    longs = read_why(store, Question(name="BTC"), is_long=True)
    assert longs.side == "LONG"
    assert longs.usd == pytest.approx(max(one.usd for one in told.bins if one.side == "LONG"))


def test_a_level_is_explained_over_http(store: Path) -> None:
    """The body names venues, classes and entries, and refuses a price that is none."""
    face = Face(store)
    body = face.ask("liquidation_map_why", "symbol=BTC&top=3")
    assert len(body["parts"]) == 3
    assert body["others"]["count"] > 0
    assert {part["kind"] for part in body["parts"]} <= {"positions", "distance", "measured", "borrowed"}
    assert [one["venue"] for one in body["venues"]] == ["binance", "bybit"]
    assert body["meta"]["kind"] == "model"
    alone = face.ask("liquidation_map_why", "symbol=BTC&exchanges=bybit&side=short")
    assert [one["venue"] for one in alone["venues"]] == ["bybit"]
    assert alone["side"] == "SHORT"


@pytest.mark.parametrize("query", ["price=0", "price=-1", "price=1e13", "top=0", "side=both"])
def test_a_price_that_is_none_is_refused(query: str) -> None:
    """Before any store is opened."""
    with pytest.raises(Refused):
        Questions(ENDPOINTS["liquidation_map_why"].query).read(query.encode())
