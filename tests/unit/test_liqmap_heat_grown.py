"""A heatmap that is gone on with: the same as one made anew, for as long as its past is the one it was made of."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.contract.store_events import NOON, SECOND
from tests.unit.kept_market import MINUTE, Market

from perpscope.analytics.liqmap import levels
from perpscope.analytics.liqmap.venue_map import VenueMap
from perpscope.app.answers.heatmap import KeptHeats
from perpscope.app.liqmap.answer import HeatAnswer
from perpscope.app.liqmap.heat_grown import KeptHeat
from perpscope.app.liqmap.parts import Question
from perpscope.app.liqmap.reading import maps_of, read_heatmap
from perpscope.model.market import OpenInterest

BTC = Question(name="BTC", lookback_h=4.0)
HOURS = 2.0


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    """Three hours and four minutes of two venues."""
    made = Market(tmp_path / "market.db")
    made.go_on(184)
    yield made
    made.close()


def same(one: HeatAnswer, other: HeatAnswer) -> bool:
    """Whether two heatmaps are equal to the last bit."""
    pairs = zip(one.heatmap.columns, other.heatmap.columns, strict=True)
    return (
        np.array_equal(one.heatmap.edges, other.heatmap.edges)
        and one.prices == other.prices
        and all(a.ts == b.ts and np.array_equal(a.at, b.at) and np.array_equal(a.codes, b.codes) for a, b in pairs)
    )


@pytest.mark.parametrize("every", [5.0, 35.0, pytest.param(600.0, marks=pytest.mark.soak)], ids=str)
def test_one_that_is_gone_on_with_is_the_one_made_anew(market: Market, every: float) -> None:
    """To the last bit at every step, while it is made from its beginning once an hour. Keeps S3-40."""
    kept = KeptHeat()
    for minutes in (1, 3, 6, 13, 1, 29, 7, 11):
        market.go_on(minutes)
        found = read_heatmap(market.path, BTC, hours=HOURS, every_min=every, kept=kept)
        assert same(found, read_heatmap(market.path, BTC, hours=HOURS, every_min=every))
        assert found.heatmap.columns
    assert kept.made == 2  # the hour's end was passed once


def test_columns_stay_where_they_are_while_time_goes_on(market: Market) -> None:
    """A column's moment does not hang on when it was asked for, and what it tells does not change within the hour."""
    before = read_heatmap(market.path, BTC, hours=HOURS, every_min=15.0)
    market.go_on(18)
    after = read_heatmap(market.path, BTC, hours=HOURS, every_min=15.0)
    old = dict(zip(before.heatmap.times.tolist(), before.prices, strict=True))
    new = dict(zip(after.heatmap.times.tolist(), after.prices, strict=True))
    assert len(old.keys() & new.keys()) == len(old) - 1
    assert all(ts % (15 * MINUTE) == 0 and new[ts] == old[ts] for ts in old.keys() & new.keys())


def test_a_past_that_was_asked_for_afterwards_is_noticed(market: Market) -> None:
    """Open interest that is told of a minute an hour ago is in the next answer."""
    kept = KeptHeat()
    read_heatmap(market.path, BTC, hours=HOURS, every_min=10.0, kept=kept)
    ts = NOON + 124 * MINUTE + 30 * SECOND
    of = market.contracts[0].id
    market.store.sink().accept(OpenInterest(of, ts + 29 * SECOND + 1, ts, 66_000.0, None))
    market.go_on(1)
    found = read_heatmap(market.path, BTC, hours=HOURS, every_min=10.0, kept=kept)
    assert kept.made == 2
    assert same(found, read_heatmap(market.path, BTC, hours=HOURS, every_min=10.0))


def test_only_the_last_questions_are_kept(tmp_path: Path) -> None:
    """Each by itself: another question is another heatmap, and one that was forgotten is made again."""
    kept = KeptHeats(most=1)
    made = Market(tmp_path / "market.db")
    made.go_on(20)
    one = Question(name="BTC", lookback_h=4.0, venues=("bybit",))
    assert kept.read(made.path, one, hours=HOURS, every_min=5.0).venues == ["bybit"]
    both = kept.read(made.path, BTC, hours=HOURS, every_min=5.0)
    assert both.venues == ["binance", "bybit"]
    again = kept.read(made.path, one, hours=HOURS, every_min=5.0)
    assert same(again, read_heatmap(made.path, one, hours=HOURS, every_min=5.0))
    made.close()


@pytest.mark.parametrize("horizon", [None, 60.0], ids=["map", "blend"])
def test_what_a_column_tells_is_what_the_bins_tell(market: Market, horizon: float | None) -> None:
    """The short way to a column's dollars, and the long one over levels of every class, part by rounding alone."""
    gathered = maps_of(market.path, BTC)
    maps = [part.map for part in gathered.parts]
    mark = gathered.parts[0].state.mark * 1.002
    edges = levels.edges_around(mark, width=100.0)
    long = levels.binned([levels.levels(one, horizon_min=horizon) for one in maps], edges, mark).usd.sum(axis=0)
    short = levels.expected_usd(maps, edges, mark, horizon_min=horizon)
    assert short == pytest.approx(long, rel=1e-9, abs=1e-6 * long.max() * 1e-6)
    assert short.sum() > 0.0


def test_a_map_that_has_taken_nothing_has_no_column(market: Market) -> None:
    """As its levels have none."""
    ladders = maps_of(market.path, BTC).parts[0].ladders
    with pytest.raises(ValueError, match="never told"):
        levels.expected_usd([VenueMap(ladders)], levels.edges_around(60_000.0, width=100.0), 60_000.0)
