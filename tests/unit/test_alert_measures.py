"""Measures of a coin: exact sums over windows, changes over time, and silence about what is not known."""

from collections.abc import Mapping

import pytest

from perpscope.analytics.alerts.alert import Cluster
from perpscope.analytics.alerts.expression import Value
from perpscope.analytics.alerts.history import History
from perpscope.analytics.alerts.measures import MEASURES, UNITS, CoinMeasures, Line, Model
from perpscope.analytics.alerts.windows import Liquidated

T = 1_800_000_000_000  #: ms
MIN = 60_000


def line(
    at_ms: int, price: float | None, interest: float | None = 10.0, name: str = "A", funding: float = 1e-4
) -> Line:
    """An instrument as it stands."""
    return Line(instrument=name, at_ms=at_ms, price=price, funding_8h=funding, open_interest=interest)


def number(values: Mapping[str, Value], name: str) -> float:
    """A measure that is known."""
    found = values[name]
    assert isinstance(found, float)
    return found


def test_windows_hold_their_own_time_and_no_more() -> None:
    """A liquidation counts in a window for exactly as long as the window is."""
    sums = Liquidated()
    sums.take(1000, "long", 100.0, "okx")
    sums.take(1030, "short", 50.5, "bybit")
    sums.advance(1059)
    assert (sums.usd("1m", None), sums.usd("1m", "long"), sums.usd("1m", "short")) == (150.5, 100.0, 50.5)
    sums.advance(1060)
    assert (sums.usd("1m", None), sums.events("1m", None), sums.usd("5m", None)) == (50.5, 1, 150.5)
    sums.advance(1000 + 3600)
    assert (sums.usd("1h", "long"), sums.events("1h", "short")) == (0.0, 1)
    sums.advance(10_000)
    assert (sums.usd("1h", None), sums.largest("1h")) == (0.0, None)


def test_late_liquidations_count_where_they_belong() -> None:
    """A venue that tells late changes the windows that reach back so far, and no other."""
    sums = Liquidated()
    sums.take(5000, "long", 10.0, "okx")
    sums.take(4800, "short", 7.0, "bybit")
    sums.take(4800, "short", 90.0, "binance")
    sums.take(4700, "long", 5.0, "okx")
    sums.take(1000, "long", 1e6, "okx")
    assert (sums.usd("1m", None), sums.usd("5m", None), sums.usd("1h", None)) == (10.0, 107.0, 112.0)
    assert sums.largest("5m") == (90.0, "binance")
    sums.advance(5100)
    assert sums.usd("5m", None) == 10.0


def test_history_answers_only_for_times_it_saw() -> None:
    """A change over an hour is unknown where nobody looked an hour ago."""
    prices = History(5_000)
    prices.take(T, 100.0)
    prices.take(T + 1_000, 999.0)
    assert prices.ago(60_000) is None
    prices.take(T + MIN, 101.0)
    prices.take(T, 5.0)
    assert (prices.ago(MIN), prices.ago(0)) == (100.0, 101.0)
    prices.advance(T + 10 * MIN)
    assert prices.ago(MIN) is None
    for second in range(0, 3 * 3600, 5):
        prices.take(T + 20 * MIN + second * 1000, float(second))
    assert prices.ago(3_600_000) == 3 * 3600 - 5 - 3600
    assert len(prices._times) < 2 * 3600 // 5 + 2


def test_every_measure_of_a_coin_that_is_fully_seen() -> None:
    """All that is told arrives under its name, in its unit."""
    coin = CoinMeasures("BTC")
    coin.watched(T - 3_600_000)
    coin.take_line(line(T, 100.0))
    coin.take_line(line(T, 50.0, 4.0, "B", funding=4e-4))
    coin.take_line(line(T + 60 * MIN, 102.0, 5.0))
    coin.take_line(line(T + 60 * MIN, 51.0, 4.0, "B", funding=4e-4))
    coin.take_liquidation(T + 60 * MIN, "long", 1000.0, "okx")
    coin.take_liquidation(T + 60 * MIN, "short", 250.0, "bybit")
    coin.take_liquidation(T + 60 * MIN, "short", float("nan"), "bybit")
    coin.take_model(
        Model(
            until_ms=T + 90 * MIN,
            clusters=(
                Cluster(price=103.02, usd=7.0, distance_pct=0.0, side="short"),
                Cluster(price=110.0, usd=9.0, distance_pct=0.0, side="short"),
                Cluster(price=99.96, usd=5.0, distance_pct=0.0, side="long"),
                Cluster(price=101.0, usd=1.0, distance_pct=0.0, side="short"),
            ),
            pull=-0.2,
            sentiment=61.0,
            risk=7.0,
            cascade=True,
        )
    )
    values = coin.values()
    expected = {
        "liq_usd_1m": 1250.0,
        "long_liq_usd_1h": 1000.0,
        "short_liq_events_5m": 1.0,
        "largest_liq_usd_5m": 1000.0,
        "price": 102.0,
        "price_change_pct_1h": 2.0,
        "oi_usd": 510.0 + 204.0,
        "oi_change_pct_1h": ((510.0 + 204.0) / (1020.0 + 204.0) - 1.0) * 100.0,
        "funding_8h_pct": (510.0 * 1e-4 + 204.0 * 4e-4) / 714.0 * 100.0,
        "cluster_above_pct": 1.0,
        "cluster_above_usd": 7.0,
        "cluster_below_pct": 2.0,
        "cluster_below_usd": 5.0,
        "pull": -0.2,
        "sentiment": 61.0,
        "risk": 7.0,
        "cascade": 1.0,
        "feed_age_s": 0.0,
    }
    assert {name: round(number(values, name), 9) for name in expected} == {
        name: round(value, 9) for name, value in expected.items()
    }
    assert (values["coin"], values["symbol"]) == ("BTC", "BTC")
    assert values.keys() == UNITS.keys()


def test_what_was_not_seen_is_unknown_and_not_nothing() -> None:
    """Sums over a time that was not watched, models that are too old, changes over unseen time: all unknown."""
    coin = CoinMeasures("BTC")
    assert {name for name, value in coin.values().items() if value is not None} == {"coin", "symbol"}
    assert (coin.price, coin.reference, coin.is_hearing, coin.facts().age_ms) == (None, None, False, None)
    coin.watched(T)
    coin.take_line(line(T, 100.0, None))
    coin.take_model(Model(until_ms=T + MIN, cascade=None))
    coin.advance(T + 5 * MIN - 1)
    values = coin.values()
    unknown = ("liq_usd_5m", "largest_liq_usd_5m", "oi_usd", "funding_8h_pct", "pull", "cascade", "cluster_above_pct")
    assert [values[name] for name in unknown] == [None] * len(unknown)
    assert (values["liq_usd_1m"], values["price"]) == (0.0, 100.0)
    coin.advance(T + 5 * MIN)
    assert (coin.values()["liq_usd_5m"], coin.values()["largest_liq_usd_5m"]) == (0.0, 0.0)
    assert (coin.is_watched(T), coin.is_watched(T - 1)) == (True, False)
    coin.watched(None)
    assert coin.values()["liq_usd_1m"] is None


def test_the_price_is_that_of_one_contract_until_it_falls_silent() -> None:
    """Prices of two contracts never mix into a move that nobody traded."""
    coin = CoinMeasures("BTC")
    coin.take_line(line(T, None, 10.0, "A"))
    assert coin.values()["price"] is None
    coin.take_line(line(T, 100.0, 10.0, "A"))
    coin.take_line(line(T, 200.0, 900.0, "B"))
    assert (coin.reference, coin.price) == ("A", 100.0)
    for minute in range(1, 4):
        coin.take_line(line(T + minute * MIN, 200.0, 900.0, "B"))
    assert (coin.reference, coin.price) == ("B", 200.0)
    assert coin.values()["price_change_pct_1m"] is None
    coin.take_line(line(T + 4 * MIN, None, 900.0, "B"))
    assert coin.price == 200.0


def test_another_market_begins_anew() -> None:
    """Market time that goes back by more than minutes is a new demo or replay: nothing of the old one counts."""
    coin = CoinMeasures("BTC")
    coin.watched(T)
    coin.take_line(line(T + 60 * MIN, 100.0))
    coin.take_liquidation(T + 60 * MIN, "long", 5.0, "okx")
    coin.take_line(line(T + 58 * MIN, 101.0))
    assert (coin.now_ms, coin.values()["liq_usd_1h"]) == (T + 60 * MIN, 5.0)
    coin.take_line(line(T, 50.0))
    assert (coin.now_ms, coin.price, coin.values()["liq_usd_1h"]) == (T, 50.0, None)


@pytest.mark.parametrize(("price", "expected"), [(102.0, "short"), (98.0, "long")], ids=["rising", "falling"])
def test_facts_name_the_cluster_the_price_moves_to(price: float, expected: str) -> None:
    """A message tells what lies ahead of the move, and says from which side."""
    coin = CoinMeasures("BTC")
    coin.take_line(line(T, 100.0))
    coin.take_line(line(T + 5 * MIN, price))
    clusters = (
        Cluster(price=110.0, usd=1.0, distance_pct=0.0, side="short"),
        Cluster(price=90.0, usd=2.0, distance_pct=0.0, side="long"),
    )
    coin.take_model(Model(until_ms=T + 10 * MIN, clusters=clusters))
    coin.take_liquidation(T + 5 * MIN, "long", 9.0, "okx")
    facts = coin.facts()
    assert facts.cluster is not None
    assert (facts.cluster.side, facts.price, facts.largest_usd, facts.largest_venue) == (expected, price, 9.0, "okx")
    assert facts.move_pct == pytest.approx(price - 100.0)


def test_every_measure_says_what_it_is() -> None:
    """The documents and the page can tell each measure's unit, kind and meaning."""
    assert all(measure.text and measure.name == name for name, measure in MEASURES.items())
    assert {measure.side for name, measure in MEASURES.items() if name.startswith("long_")} == {"long"}
