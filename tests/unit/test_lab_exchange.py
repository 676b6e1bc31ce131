"""The agent market's accounts, liquidation engine and truth log, on positions small enough to reckon by hand."""

import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # ships no types
import pytest

from perpscope.analytics.margin_linear import Floats
from perpscope.lab.agents.book import Walk
from perpscope.lab.agents.exchange import LOT, MAKER_FEE, PLACES, TAKER_FEE, Exchange, Place
from perpscope.lab.agents.liquidation import FEE, Liquidator
from perpscope.lab.agents.market import record
from perpscope.lab.agents.steps import Setting
from perpscope.lab.agents.truth import CLOSED, DELEVERAGED, LIQUIDATED, Chronicle, Table, told, true_map
from perpscope.model.market import Completeness, Sampling

_ONE = (Place("binance", 1.0, 1.0, Completeness.SAMPLED, Sampling.LARGEST_1S, 1.0),)
_DEEP = 1e12  # a book that orders do not move


def exchange(count: int = 4, fund_usd: float = 1000.0) -> Exchange:
    """One venue."""
    return Exchange(count, _ONE, fund_usd, Chronicle(count))


def trade(place: Exchange, agent: int, lots: float, price: float, leverage: float = 10.0, ts: int = 1) -> None:
    """One agent trades."""
    place.leverage[agent] = leverage
    place.trade(np.array([agent]), np.array([lots]), np.array([price]), ts)


def at(price: float) -> Floats:
    """The marks of one venue."""
    return np.array([price])


def test_a_round_trip_costs_what_it_lost_and_the_fees() -> None:
    """An agent who buys 1 BTC at 60,000 and sells at 59,000 has lost 1,000 and two taker fees."""
    place = exchange()
    trade(place, 0, 10_000, 60_000.0)
    assert place.margin[0] == pytest.approx(6000.0)
    assert place.deposits[0] == pytest.approx(1000 + 6000 + 60_000 * TAKER_FEE)
    trade(place, 0, -10_000, 59_000.0)
    assert place.wallet[0] == pytest.approx(6000 - 1000 - 59_000 * TAKER_FEE)
    assert place.fees[0] == pytest.approx(119_000 * (TAKER_FEE + MAKER_FEE))
    assert (place.lots[0], place.margin[0], place.open_interest[0]) == (0.0, 0.0, 0.0)
    assert place.audit(at(1.0)) == pytest.approx((0, 0, 0), abs=1e-12)


def test_adding_to_a_position_averages_its_entry() -> None:
    """Twice the size at 62,000 on top of 60,000 makes an entry of 61,333 and one position in the log."""
    place = exchange()
    trade(place, 0, -10_000, 60_000.0)
    trade(place, 0, -20_000, 62_000.0)
    assert place.entry[0] == pytest.approx((60_000 + 2 * 62_000) / 3)
    assert place.chronicle.serial[0] == 1
    trade(place, 0, 30_000, 61_000.0, ts=9)
    (row,) = zip(
        *[place.chronicle.positions(place)[name].tolist() for name in ("side", "lots", "ts_closed", "ended")],
        strict=True,
    )
    assert row == (-1, 30_000, 9, CLOSED)


def test_a_market_maker_is_the_other_side_and_stays_liquid() -> None:
    """The maker holds what agents hold, the other way, and pays in before it is over its leverage."""
    place = exchange()
    trade(place, 0, 10_000, 60_000.0)
    assert place.maker_lots[0] == -10_000
    assert place.open_interest[0] == 10_000
    place.keep_makers_liquid(at(60_000.0))
    equity = place.maker_cash[0] + place.maker_lots[0] * LOT * 60_000
    assert 60_000 / equity < 3
    before = place.deposits[0]
    place.keep_makers_liquid(at(60_000.0))
    assert place.deposits[0] == before


def test_funding_goes_from_longs_to_shorts_and_erodes_the_margin() -> None:
    """At +0.1 % a long of 60,000 pays 60 to the shorts, and is liquidated sooner for it."""
    place = exchange()
    trade(place, 0, 10_000, 60_000.0)
    before, cash = place.floor[0], place.maker_cash[0]
    place.pay_funding(np.array([0.001]), at(60_000.0))
    assert place.margin[0] == pytest.approx(5940.0)
    assert place.maker_cash[0] - cash == pytest.approx(60.0)
    assert place.floor[0] > before
    place.add_margin(np.array([0]), np.array([60.0]))
    assert place.floor[0] == pytest.approx(before)


def test_a_small_position_is_liquidated_whole_with_a_fee_to_the_fund() -> None:
    """A deep book fills all at the last price; what is left beyond the fee stays the trader's."""
    place = exchange()
    trade(place, 0, 10_000, 60_000.0)
    mark = float(place.floor[0]) * 0.9999
    hit = place.overdue(0, mark)
    assert hit.tolist() == [0]
    before, fund = place.wallet[0], place.fund_cash[0]
    Liquidator(place, np.random.default_rng(1)).close(hit, mark, mark, Walk(_DEEP, 1.16), 5)
    (row,) = place.chronicle.forced
    assert (row.side, row.lots, row.filled_lots, row.fund_lots, row.adl_lots) == (1, 10_000, 10_000, 0, 0)
    assert row.fill_price == pytest.approx(mark)
    left, fee = 6000 + mark - 60_000, FEE * mark
    assert place.fund_cash[0] - fund == pytest.approx(min(left, fee))
    assert place.wallet[0] - before == pytest.approx(max(left - fee, 0.0))
    assert place.chronicle.positions(place)["ended"].tolist() == [LIQUIDATED]
    assert place.overdue(0, mark).size == 0


def test_a_large_position_is_reduced_by_a_fifth_first() -> None:
    """METHOD 13.1: 20 % first, the rest if that was not enough in the same step."""
    place = exchange()
    trade(place, 0, 100_000, 60_000.0)
    mark = float(place.floor[0])
    engine = Liquidator(place, np.random.default_rng(1))
    engine.close(np.array([0]), mark, mark, Walk(_DEEP, 1.16), 5)
    assert place.lots[0] == 80_000
    engine.close(np.array([0]), mark, mark, Walk(_DEEP, 1.16), 5)
    assert place.lots[0] == 0
    assert [row.lots for row in place.chronicle.forced] == [20_000, 80_000]
    assert place.audit(at(mark)) == pytest.approx((0, 0, 0), abs=1e-12)


def test_what_the_book_will_not_take_is_the_funds_at_the_bankruptcy_price() -> None:
    """An IOC limit at bankruptcy in a thin book: the fund inherits the rest, and can sell it later."""
    place = exchange()
    trade(place, 0, 10_000, 60_000.0)
    mark = float(place.floor[0])
    Liquidator(place, np.random.default_rng(1)).close(np.array([0]), mark, mark, Walk(20_000.0, 1.0), 5)
    (row,) = place.chronicle.forced
    assert 0 < row.filled_lots < 10_000
    assert row.fund_lots == 10_000 - row.filled_lots == place.fund_lots[0]
    assert row.bankruptcy_price == pytest.approx(54_000.0)
    place.unwind(-place.fund_lots, at(50_000.0))
    assert place.fund_lots[0] == 0
    assert place.audit(at(50_000.0)) == pytest.approx((0, 0, 0), abs=1e-12)


def test_an_empty_fund_closes_the_best_placed_of_the_other_side() -> None:
    """ADL: the short with the greatest profit × leverage goes first; what nobody is left for is the fund's."""
    place = exchange(fund_usd=0.0)
    trade(place, 0, 10_000, 60_000.0)
    trade(place, 1, -4_000, 61_000.0, leverage=2.0)
    trade(place, 2, -5_000, 61_000.0, leverage=20.0)
    trade(place, 3, -9_000, 50_000.0)  # in the red: not touched
    engine = Liquidator(place, np.random.default_rng(1))
    engine.begin_step()
    engine.close(np.array([0]), 53_000.0, 53_000.0, Walk(1000.0, 1.0), 5)
    (row,) = place.chronicle.forced
    assert math.isnan(row.fill_price)
    assert (row.filled_lots, row.adl_lots, row.fund_lots) == (0, 9_000, 1_000)
    assert engine.deleveraged == [2, 1]
    assert place.lots.tolist() == [0, 0, 0, -9_000]
    gain = 0.5 * (61_000 - 54_000)
    assert place.wallet[2] == pytest.approx(0.5 * 61_000 / 20 + gain)
    ended = place.chronicle.positions(place)["ended"].tolist()
    assert ended.count(DELEVERAGED) == 2
    assert place.audit(at(54_000.0)) == pytest.approx((0, 0, 0), abs=1e-12)


def test_a_stop_beyond_bankruptcy_is_the_funds_loss() -> None:
    """Nobody owes more than the margin: a gap's loss is paid by the insurance fund."""
    place = exchange()
    trade(place, 0, 10_000, 60_000.0)
    trade(place, 0, -10_000, 50_000.0)
    assert place.wallet[0] == 0.0
    assert place.fund_cash[0] == pytest.approx(1000 + 6000 - 10_000 - 50_000 * TAKER_FEE)


def test_the_true_map_holds_every_lot() -> None:
    """Bins of 5 bps add up to the open positions; unlevered longs lie in the bin beyond."""
    place = exchange()
    trade(place, 0, 10_000, 60_000.0)
    trade(place, 1, 7_000, 60_000.0, leverage=1.0)
    trade(place, 2, -5_000, 60_000.0)
    bins = true_map(place, at(60_000.0), 7)
    assert bins["lots"].sum() == 22_000
    assert dict(zip(bins["bin"].tolist(), bins["lots"].tolist(), strict=True))[-701] == 7_000
    near = math.floor(math.log(float(place.floor[0]) / 60_000) / 0.0005)
    assert near in bins["bin"].tolist()
    assert set(bins["ts"].tolist()) == {7}


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [(Sampling.NONE, [0, 1, 2, 3]), (Sampling.LARGEST_1S, [1, 3]), (Sampling.LATEST_1S, [2, 3])],
    ids=["complete", "largest", "latest"],
)
def test_a_feed_tells_what_its_sampling_lets_it(sampling: Sampling, expected: list[int]) -> None:
    """Three liquidations in one second and one in the next, of one venue; another venue's are not its business."""
    seconds = np.array([1_000_000_000, 1_200_000_000, 1_900_000_000, 2_000_000_000, 1_500_000_000])
    rows: Table = {"ts": seconds, "venue": np.array([0, 0, 0, 0, 1]), "lots": np.array([3.0, 9.0, 5.0, 1.0, 99.0])}
    place = Place("any", 1.0, 1.0, Completeness.SAMPLED, sampling, 1.0)
    assert told(rows, 0, place).tolist() == expected
    assert told(rows, 2, place).size == 0


def test_the_truth_is_written_as_parquet(tmp_path: Path) -> None:
    """Each table comes back from its file as it was, with the seed and that it is made up."""
    truth = record(Setting(3, agents=200, dt_s=60.0), 0.1, map_every_s=3600)
    paths = truth.write(tmp_path / "truth")
    assert {path.stem for path in paths} == {"market", "venues", "positions", "liquidations", "map"}
    for path in paths:
        table = pq.read_table(path)
        assert table.schema.metadata[b"seed"] == b"3"
        assert table.schema.metadata[b"data"] == b"made up by the lab"
        for name, values in truth[path.stem].items():
            np.testing.assert_array_equal(table[name].to_numpy(), values)
    assert len(truth.by_venue("mark")) == 144
    assert len(truth.places) == len(PLACES)
