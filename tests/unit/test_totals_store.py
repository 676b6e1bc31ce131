"""Totals of a real store: five venues of one tape, coverage, bounds, floors, and `perpscope tape`."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from tests.contract.store_events import NOON, heart, tick
from tests.unit.sampled_days import hawkes_day

from perpscope.analytics.totals.prints import Prints, thinned
from perpscope.app.totals import feeds as totals_feeds
from perpscope.app.totals.reading import FORM, TotalsReport, described, read_totals
from perpscope.cli.main import run
from perpscope.cli.totals import print_totals
from perpscope.errors import ConfigError, DataError
from perpscope.model.instrument import InstrumentId
from perpscope.model.market import (
    Candle,
    Completeness,
    Covered,
    Gap,
    Interval,
    Liquidation,
    MarketEvent,
    OpenInterest,
    PositionSide,
    Sampling,
)
from perpscope.model.stream import Channel, Stream
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

SECOND = 1_000_000_000
END_S = NOON // SECOND
#: Noon is the end: the last eight hours of a generated day.
HOURS = 8
PRICE = 50_000.0
VENUES = {
    "BINANCE": (Completeness.SAMPLED, Sampling.UNKNOWN, Sampling.LARGEST_1S, False, 0.42),
    "BYBIT": (Completeness.COMPLETE, Sampling.NONE, Sampling.NONE, False, 0.28),
    "OKX": (Completeness.SAMPLED, Sampling.LATEST_1S, Sampling.LATEST_1S, False, 0.15),
    "BITGET": (Completeness.SAMPLED, Sampling.LARGEST_1S, Sampling.LARGEST_1S, True, 0.13),
    "HYPERLIQUID": (Completeness.WATCHLIST, Sampling.NONE, Sampling.NONE, False, 0.02),
}


def instrument(venue: str, coin: str = "BTC") -> InstrumentId:
    """A perpetual by its id."""
    return InstrumentId(f"{coin}-USDT-PERP.{venue}")


def told(
    tape: Prints, venue: str, completeness: Completeness, sampling: Sampling, coin: str = "BTC"
) -> list[Liquidation]:
    """Prints as a venue's events."""
    return [
        Liquidation(
            instrument(venue, coin),
            (second * 1000 + i % 1000) * 1_000_000,
            (second * 1000 + i % 1000) * 1_000_000,
            PositionSide.LONG if is_long else PositionSide.SHORT,
            usd / PRICE,
            PRICE,
            None,
            completeness,
            sampling,
            venue_id=str(i),
        )
        for i, (second, usd, is_long) in enumerate(
            zip(tape.second.tolist(), tape.usd.tolist(), tape.is_long.tolist(), strict=True)
        )
    ]


def covered(venue: str, from_s: int = END_S - HOURS * 3600, to_s: int = END_S) -> Covered:
    """A watched stretch of a venue's liquidations."""
    streams = (Stream(Channel.LIQUIDATIONS, instrument(venue)),)
    return Covered(venue.lower(), f"{venue}/0", streams, from_s * SECOND, to_s * SECOND, is_open=False, ts_recv=NOON)


def stored(path: Path, *events: MarketEvent) -> Path:
    """A demo store whose market stands at noon."""
    store = SqliteStore.open(path, kind=StoreKind.DEMO)
    for event in events:
        store.sink().accept(event)
    store.report([], heart(0.0))
    store.sink().accept(tick(0.0))
    store.close()
    return path


@pytest.fixture(scope="module")
def day() -> dict[str, Prints]:
    """Eight hours of one coin's liquidations at five venues, complete."""
    rng = np.random.default_rng(79)
    whole = hawkes_day(rng, branching=0.8, kind="logn", mu=0.05)
    start = 86_400 - HOURS * 3600
    whole = whole.between(start, 86_400)
    shift = END_S - 86_400
    draws = rng.random(len(whole))
    tapes, low = {}, 0.0
    for venue, (*_, share) in VENUES.items():
        mine = whole.only((draws >= low) & (draws < low + share))
        tapes[venue] = Prints(mine.second + shift, mine.usd, mine.is_long)
        low += share
    return tapes


@pytest.fixture(scope="module")
def five(day: dict[str, Prints], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those as each venue publishes them, with what was watched, candles and open interest of Binance."""
    events: list[MarketEvent] = []
    for venue, (completeness, sampling, cap, per_side, share) in VENUES.items():
        events += told(thinned(day[venue], cap, per_side=per_side), venue, completeness, sampling)
        events.append(covered(venue))
        events.append(OpenInterest(instrument(venue), NOON - SECOND, NOON - SECOND, 1000 * share, None))
    for minute in range(HOURS * 60):
        ts = (END_S - (HOURS * 60 - minute) * 60) * SECOND
        traded = (PRICE, PRICE, PRICE, PRICE, 2e9 / PRICE, 2e9, 10, 1e9 / PRICE, 1e9)
        closed = ts + 60 * SECOND
        events.append(Candle(instrument("BINANCE"), closed, closed, Interval.M1, ts, *traded, is_closed=True))
        events.append(OpenInterest(instrument("BINANCE"), ts + SECOND, ts + SECOND, 420.0 - minute / 10, None))
    return stored(tmp_path_factory.mktemp("totals") / "five.db", *events)


@pytest.fixture(scope="module")
def report(five: Path) -> TotalsReport:
    """Everything that is told of it."""
    return read_totals(five, symbol="btc", hours=HOURS)


def test_totals_are_nearer_the_truth_than_what_was_observed(report: TotalsReport, day: dict[str, Prints]) -> None:
    """Of four venues the observed falls short; the estimate does not, its interval holds the truth. Keeps S0-05."""
    true = sum(float(tape.usd.sum()) for venue, tape in day.items() if venue != "HYPERLIQUID")
    both = report.total.both
    assert both.estimated_usd is not None
    assert both.observed_usd < 0.97 * true
    assert both.estimated_usd == pytest.approx(true, rel=0.06)
    assert both.low_usd <= true
    assert both.high_usd is None or true <= both.high_usd
    assert (report.form, report.data, both.covered) == (FORM, StoreKind.DEMO, 1.0)
    shares = [round((each or float("inf")) / true, 3) for each in (both.observed_usd, both.low_usd, both.high_usd)]
    print(f"of the truth: observed, 5 %, 95 % {shares}, estimated {both.estimated_usd / true:.3f}")


def test_each_feed_says_how_its_amount_came_about(report: TotalsReport) -> None:
    """Detected, documented, complete or a watchlist; which sizes, whose calibration, which ratio. Keeps S0-52."""
    feeds = {feed.venue: feed for feed in report.feeds}
    assert (feeds["binance"].told_by, feeds["binance"].how.sampling) == ("detected", Sampling.LARGEST_1S)
    assert feeds["binance"].mode is not None
    assert (feeds["okx"].told_by, feeds["okx"].how.sampling) == ("documented", Sampling.LATEST_1S)
    assert feeds["bitget"].how.calibration == "own"
    assert feeds["binance"].how.ratio is not None
    assert not feeds["bybit"].how.is_estimated
    assert feeds["bybit"].sides.both.estimated_usd == feeds["bybit"].sides.both.observed_usd
    assert not feeds["hyperliquid"].is_summed
    assert feeds["hyperliquid"].sides.both.estimated_usd is None
    assert {(score.per_side, score.calibration.sampling) for score in report.scores} == {
        (False, Sampling.LARGEST_1S),
        (False, Sampling.LATEST_1S),
        (True, Sampling.LARGEST_1S),
    }


def test_hours_and_sides_add_up(report: TotalsReport) -> None:
    """Hours and sides are together the whole, observed and estimated; a coin is its feeds."""
    assert len(report.by_hour) == HOURS
    for name in ("observed_usd", "estimated_usd"):
        whole = getattr(report.total.both, name)
        assert sum(getattr(hour.sides.both, name) for hour in report.by_hour) == pytest.approx(whole)
        assert getattr(report.total.long, name) + getattr(report.total.short, name) == pytest.approx(whole)
        assert getattr(report.coins[0].sides.both, name) == pytest.approx(whole)
    assert [coin.coin for coin in report.coins] == ["BTC"]


def test_the_tape_ends_with_the_newest(five: Path, report: TotalsReport) -> None:
    """As many of the newest as were asked for, of all feeds, oldest first; none where none are wanted."""
    assert len(report.last) == 20
    times = [row.time_ms for row in report.last]
    assert times == sorted(times)
    assert {row.side for row in report.last} <= {"long", "short"}
    assert read_totals(five, hours=HOURS, last=0).last == []


def test_what_is_said_of_totals_is_never_a_point_alone(report: TotalsReport) -> None:
    """Every estimate stands between its bounds, beside the observed and the share seen. Keeps B3."""
    out = io.StringIO()
    print_totals(report, out=out)
    text = out.getvalue()
    assert text.startswith("DEMO DATA")
    assert "observed ≥" in text
    assert "5 – 95 %" in text
    assert "largest_1s (detected)" in text
    assert "complete: the observed is all" in text
    assert "a floor: a watchlist" in text
    assert "score on BTC's complete feed thinned to latest_1s" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "between" in described(report)


def test_tape_prints_one_json_object(five: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`tape --json` is the report on one line; the talk is on stderr."""
    assert run(["tape", "BTC", "--hours", "8", "--last", "3", "--db", str(five), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["form"] == FORM
    assert len(found["last"]) == 3
    assert {"observed_usd", "estimated_usd", "low_usd", "high_usd", "covered"} <= set(found["total"]["both"])
    assert run(["tape", "--hours", "8", "--db", str(five)]) == 0
    assert "by feed" in capsys.readouterr().out


def few(n: int, every_s: int = 300) -> Prints:
    """Liquidations at even distances up to noon."""
    second = END_S - 60 - np.arange(n)[::-1] * every_s
    return Prints(second, np.full(n, 1000.0), np.arange(n) % 2 == 0)


def test_time_not_seen_scales_the_estimate_alone(tmp_path: Path) -> None:
    """Half the time of a complete feed missed: the estimate doubles and says so, the observed does not."""
    half = END_S - 4 * 3600
    begun = END_S - 8 * 3600
    missed = Gap("bybit", covered("BYBIT").streams, (begun + 60) * SECOND, half * SECOND, "disconnect", NOON)
    events = told(few(40), "BYBIT", Completeness.COMPLETE, Sampling.NONE)
    path = stored(tmp_path / "half.db", *events, covered("BYBIT", begun, begun + 60), covered("BYBIT", half), missed)
    both = read_totals(path, hours=8).total.both
    assert both.covered == pytest.approx(0.5, abs=0.01)
    assert both.is_scaled
    assert both.observed_usd == pytest.approx(40_000)
    assert both.estimated_usd == pytest.approx(80_000, rel=0.02)


def test_a_sampled_feed_alone_is_estimated_with_stated_doubts(tmp_path: Path) -> None:
    """No complete feed, nothing on coverage: undecided, the prior doubts, coverage unknown."""
    path = stored(tmp_path / "alone.db", *told(few(60), "OKX", Completeness.SAMPLED, Sampling.UNKNOWN))
    found = read_totals(path, hours=8)
    (feed,) = found.feeds
    assert (feed.told_by, feed.how.calibration, feed.sides.both.covered) == ("undecided", "prior", None)
    out = io.StringIO()
    print_totals(found, out=out)
    assert "no complete feed to learn from" in out.getvalue()
    assert "unknown" in out.getvalue()


def test_a_feed_that_nobody_vouches_for_is_left_out_where_it_told_nothing(tmp_path: Path) -> None:
    """Liquidations of last week, nothing since and no coverage: not a feed of this window, and no zero of it."""
    old = Prints(few(5).second - 3 * 86_400, few(5).usd, few(5).is_long)
    path = stored(
        tmp_path / "old.db",
        *told(few(5), "BYBIT", Completeness.COMPLETE, Sampling.NONE),
        *told(old, "BYBIT", Completeness.COMPLETE, Sampling.NONE, "ETH"),
    )
    assert [feed.coin for feed in read_totals(path, hours=8).feeds] == ["BTC"]


def test_a_coin_with_a_short_tape_borrows_the_calibration(tmp_path: Path, day: dict[str, Prints]) -> None:
    """Where a coin's complete feed is too short to learn from, the busiest coin's calibration is borrowed, and said."""
    path = stored(
        tmp_path / "two.db",
        *told(day["BYBIT"], "BYBIT", Completeness.COMPLETE, Sampling.NONE),
        *told(few(9), "BYBIT", Completeness.COMPLETE, Sampling.NONE, "ETH"),
        *told(few(9, 301), "BITGET", Completeness.SAMPLED, Sampling.LARGEST_1S, "ETH"),
    )
    found = read_totals(path, hours=8)
    lent = next(feed for feed in found.feeds if feed.venue == "bitget")
    assert (lent.how.calibration, lent.how.sizes) == ("borrowed", "own")
    assert [coin.coin for coin in found.coins] == ["BTC", "ETH"]
    out = io.StringIO()
    print_totals(found, out=out)
    assert "by coin" in out.getvalue()


def test_a_feed_without_a_cap_is_a_floor(tmp_path: Path, day: dict[str, Prints]) -> None:
    """Several prints in a second contradict one a second: the observed is shown as a floor, open above."""
    path = stored(tmp_path / "floor.db", *told(day["OKX"], "OKX", Completeness.SAMPLED, Sampling.UNKNOWN))
    found = read_totals(path, hours=8)
    assert found.feeds[0].told_by == "contradicted"
    assert (found.total.both.estimated_usd, found.total.both.high_usd) == (None, None)
    assert "nothing more can be estimated" in described(found)
    out = io.StringIO()
    print_totals(found, out=out)
    assert "no rule is known" in out.getvalue()


def test_a_long_list_is_cut_and_long_tapes_are_learnt_from_their_end(
    tmp_path: Path, day: dict[str, Prints], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """People are shown twelve coins and told of the rest; a calibration rests on the newest prints alone."""
    monkeypatch.setattr(totals_feeds, "_MOST_PRINTS", 300)
    coins = [f"C{letter}" for letter in "ABCDEFGHIJKLMN"]
    events: list[MarketEvent] = [
        event for coin in coins for event in told(few(3), "BYBIT", Completeness.COMPLETE, Sampling.NONE, coin)
    ]
    events += told(day["BYBIT"], "BYBIT", Completeness.COMPLETE, Sampling.NONE)
    events += told(thinned(day["OKX"], Sampling.LATEST_1S), "OKX", Completeness.SAMPLED, Sampling.LATEST_1S)
    path = stored(tmp_path / "many.db", *events)
    assert run(["tape", "--db", str(path), "--hours", "40"]) == 0
    said = capsys.readouterr()
    assert "and 3 more; --json lists all" in said.out
    assert "note: 40 h were asked for" in said.err
    score = read_totals(path, hours=8).scores[0]
    assert score.calibration.minutes < 300


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["NOPE"], "symbol-unknown"),
        (["BTCC"], "symbol-unknown"),
        (["--hours", "0"], "option-value"),
        (["--last", "-1"], "option-value"),
    ],
    ids=["unknown", "misspelt", "hours", "last"],
)
def test_bad_questions_are_answered_by_name(
    five: Path, words: list[str], code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be asked is refused with its code and exit 2."""
    assert run(["tape", *words, "--db", str(five)]) == 2
    assert f"error {code}" in capsys.readouterr().err


def test_an_empty_store_is_told_from_one_that_is_not_there(tmp_path: Path) -> None:
    """Nothing collected yet and no store at all are two errors."""
    with pytest.raises(DataError) as empty:
        read_totals(stored(tmp_path / "empty.db"))
    assert empty.value.code == "window-empty"
    with pytest.raises(DataError) as missing:
        read_totals(tmp_path / "none.db")
    assert missing.value.code == "store-missing"
    with pytest.raises(ConfigError):
        read_totals(tmp_path / "none.db", hours=-1)
