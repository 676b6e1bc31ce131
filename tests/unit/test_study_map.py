"""`perpscope study map-score`: walk-forward on the lab and on a store, what is left out, what is kept and told."""

import contextlib
import io
import json
import sys
from collections.abc import Iterator
from contextlib import closing
from math import exp, log
from pathlib import Path

import msgspec
import numpy as np
import pytest
import structlog
from tests.contract.store_events import NOON, SECOND, heart

from perpscope.analytics.liqmap import levels
from perpscope.analytics.liqmap.bars import DAY_NS, MINUTE_NS
from perpscope.analytics.liqmap.venue_map import VenueMap
from perpscope.analytics.scorecard.baselines import cell_edges
from perpscope.analytics.scorecard.windows import CELLS, Window
from perpscope.app.study import map_kept as study_map_kept
from perpscope.app.study import map_score as study_map
from perpscope.app.study.map_lab import Run, parameters_hash, tapes_of
from perpscope.app.study.map_score import MapScore, score_lab, score_stored
from perpscope.app.study.map_tapes import Forced, Tape, candles_of
from perpscope.app.study.map_windows import VARIANTS, frozen, other_rules, windows
from perpscope.cli import study_map as printed
from perpscope.cli.main import run
from perpscope.errors import ConfigError, DataError
from perpscope.model.instrument import Instrument, instrument_id
from perpscope.model.market import (
    Candle,
    Completeness,
    Covered,
    Interval,
    Liquidation,
    MarketEvent,
    OpenInterest,
    PositionSide,
    Sampling,
    Tick,
)
from perpscope.model.stream import Channel, Stream
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

Captured = pytest.CaptureFixture[str]
SMALL = Run(seed=6, days=0.9, dt_s=60.0, agents=20_000, bar_minutes=15)
STEP = 5 * MINUTE_NS


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A data folder of one's own, and the log as it was."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def tapes() -> list[Tape]:
    """A day of the lab's five venues."""
    return tapes_of(SMALL)


@pytest.fixture(scope="module")
def made(tapes: list[Tape]) -> dict[int, list[Window]]:
    """Windows of two of them."""
    return windows(6, tapes[:2])


def moments(tape: Tape) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Quarter hours from midday on."""
    first = tape.bars[0].ts + DAY_NS // 2
    return np.arange(first, tape.bars[-1].ts, 15 * MINUTE_NS, dtype=np.int64)


def after(told: Forced, ts: int) -> Forced:
    """What was received later, three times as large and elsewhere."""
    late = told.ts > ts
    return msgspec.structs.replace(
        told, price=np.where(late, told.price * 1.01, told.price), usd=np.where(late, told.usd * 3.0, told.usd)
    )


def changed(tape: Tape, ts: int) -> Tape:
    """The same until a moment, another world after it."""
    bars = [
        bar
        if bar.ts <= ts
        else msgspec.structs.replace(
            bar,
            low=bar.low * 0.97,
            high=bar.high * 1.03,
            close=bar.close * 1.01,
            volume=bar.volume * 5.0,
            open_interest=bar.open_interest * 1.4,
            liquidated_long=bar.liquidated_long + 100.0,
            funding_8h=-0.001,
        )
        for bar in tape.bars
    ]
    truth = {at: cells if at <= ts else cells[::-1] * 2.0 for at, cells in tape.truth.items()}
    bought = np.where([bar.ts > ts for bar in bars], 0.9, tape.bought)
    return msgspec.structs.replace(
        tape, bars=bars, bought=bought, told=after(tape.told, ts), forced=after(tape.forced, ts), truth=truth
    )


def test_nothing_later_is_known_at_a_moment(tapes: list[Tape]) -> None:
    """Everything after a moment is another world; every forecast at and before it stays the same bit. Keeps B1."""
    times = moments(tapes[0])
    at = times.size // 2
    others = [changed(tape, int(times[at])) for tape in tapes]
    for tape, other in zip(tapes[:2], others[:2], strict=True):
        before, after_it = frozen(tape, times, 1)[0], frozen(other, times, 1)[0]
        assert set(before) == {"map", *VARIANTS[1:]}
        for name, laid in before.items():
            assert np.array_equal(laid[: at + 1], after_it[name][: at + 1]), name
        assert not np.array_equal(before["map"][at + 1 :], after_it["map"][at + 1 :])
    rules, rules_after = other_rules(tapes, times), other_rules(others, times)
    for name, laid in rules.items():
        assert np.array_equal(laid[: at + 1], rules_after[name][: at + 1]), name
    assert {name for name in rules if not np.array_equal(rules[name], rules_after[name])} == set(rules) - {
        "uniform",
        "static_ladder",
    }


def test_what_is_fed_was_received(tapes: list[Tape]) -> None:
    """A feed that tells a second late puts its liquidations into the bar they were received in."""
    for tape in tapes:
        ends = [bar.ts for bar in tape.bars]
        expected = np.zeros((2, len(ends)))
        for ts, side, price, usd in zip(*(getattr(tape.told, f) for f in ("ts", "side", "price", "usd")), strict=True):
            expected[side, int(np.searchsorted(ends, ts))] += usd / price
        assert [bar.liquidated_long for bar in tape.bars] == pytest.approx(expected[0].tolist())
        assert [bar.liquidated_short for bar in tape.bars] == pytest.approx(expected[1].tolist())
    sampled, complete = tapes[0], tapes[1]
    assert sampled.told.ts.size <= sampled.forced.ts.size
    assert complete.told.ts.size == complete.forced.ts.size
    assert np.array_equal(complete.told.ts - complete.forced.ts, np.full(complete.told.ts.size, 500_000_000))


def test_windows_hold_what_was_reached(tapes: list[Tape], made: dict[int, list[Window]]) -> None:
    """Sides do not overlap in time, cells are covered from the mark outwards, and what was closed lies in them."""
    for minutes, found in made.items():
        for side in (0, 1):
            stamps = [one.ts for one in found if one.side == side]
            assert (np.diff(stamps) == minutes * MINUTE_NS).all()
        for one in found:
            assert (np.diff(one.cover) <= 1e-12).all()
            assert one.cover.size <= CELLS
            assert all(
                values.size == one.cover.size and values.min(initial=0.0) >= 0.0 for values in one.found.values()
            )
        inside = sum(float(one.realised.sum()) for one in found)
        span = (min(one.ts for one in found), max(one.ts for one in found) + minutes * MINUTE_NS)
        assert inside > 0.0
        whole = sum(float(tape.forced.from_to(*span).usd.sum()) for tape in tapes[:2])
        assert inside > 0.85 * whole


def test_the_truth_lies_where_positions_are_closed(made: dict[int, list[Window]]) -> None:
    """Cells in which the true map holds nothing see next to nothing closed within a quarter of an hour."""
    found = made[15]
    held = np.concatenate([one.found["oracle"] > 0.0 for one in found])
    realised = np.concatenate([one.realised for one in found])
    assert realised[held].sum() > 0.6 * realised.sum()


def test_venues_together_are_one_market(tapes: list[Tape]) -> None:
    """Candles have the leading venue's prices and everybody's volume."""
    candles = candles_of(tapes)
    volume = sum(bar.volume * bar.close for tape in tapes for bar in tape.bars)
    assert candles.volume_usd.sum() == pytest.approx(volume)
    assert candles.close[-1] == tapes[0].bars[-1].close
    assert (candles.low <= candles.close).all()
    assert ((candles.bought > 0.0) & (candles.bought < 1.0)).all()


def test_the_labs_parameters_are_in_the_result() -> None:
    """The hash is the same each time, and another for other people. Keeps B13."""
    assert parameters_hash(SMALL) == parameters_hash(msgspec.structs.replace(SMALL, seed=4))
    assert parameters_hash(SMALL) != parameters_hash(msgspec.structs.replace(SMALL, agents=1501))
    assert len(parameters_hash(SMALL)) == 64


def test_without_options_the_runs_are_quick_and_fixed() -> None:
    """Seeds that were not looked at while the map was made: eight, and with --full sixteen, a week each."""
    assert [one.seed for one in study_map.lab_runs(full=False)] == list(range(101, 109))
    full = study_map.lab_runs(full=True)
    assert [one.seed for one in full] == list(range(101, 117))
    assert {(one.days, one.bar_minutes) for one in full} == {(7.0, 5)}


def test_what_is_scored_is_what_is_published(tapes: list[Tape]) -> None:
    """The map that is scored is the one that `map` shows: blended with its own distance, over its whole reach."""
    tape = tapes[1]
    at = moments(tape)[-1:]
    venue = VenueMap(tape.ladders)
    for bar in tape.bars:
        if bar.ts <= at[0]:
            venue.take(bar)
    shown, mass = levels.levels(venue, horizon_min=60.0), levels.levels(venue)
    found = frozen(tape, at, 1)[0]
    for name, laid in (("map", shown), ("unblended", mass)):
        cells = levels.rebinned(laid.forced * laid.prices, laid.edges, cell_edges(laid.mark))
        expected = np.stack([cells[0][:CELLS][::-1], cells[1][CELLS:]])
        np.testing.assert_allclose(found[name][0], expected, rtol=1e-9, atol=1e-3)
    assert not np.allclose(found["map"], found["unblended"])


def contract(venue: str, base: str = "BTC") -> Instrument:
    """A perpetual."""
    name = instrument_id(venue, base, "USDT")
    return Instrument(id=name, venue=venue, symbol=f"{base}USDT", base=base, quote="USDT", funding_interval_h=8.0)


def market(of: Instrument, days: float) -> Iterator[MarketEvent]:
    """A random walk in steps of five minutes that closes longs as it falls and shorts as it rises, at its extremes."""
    rng = np.random.default_rng(4)
    at = log(60_000.0)
    for step in range(round(days * 288)):
        ts_open = NOON + step * STEP
        ts = ts_open + MINUTE_NS - SECOND
        was, at = at, at + 0.003 * float(rng.standard_normal())
        low, high = exp(min(was, at) - 0.0004), exp(max(was, at) + 0.0004)
        volume = 40.0 + 4e4 * abs(at - was)
        yield Candle(
            of.id,
            ts,
            ts + 1,
            Interval.M1,
            ts_open,
            exp(was),
            high,
            low,
            exp(at),
            volume,
            None,
            None,
            None,
            None,
            is_closed=True,
        )
        yield OpenInterest(of.id, ts, ts + 1, 30_000.0 + 200.0 * float(rng.standard_normal()), None)
        side = PositionSide.LONG if at < was else PositionSide.SHORT
        for number in range(4):
            size = float(rng.gamma(0.7, 1.0))
            kind = (Completeness.COMPLETE, Sampling.NONE)
            yield Liquidation(of.id, ts - number, ts, side, size, None, exp(at), *kind, venue_id=f"{step}/{number}")


def filled(path: Path, venues: tuple[str, ...], days: float) -> Path:
    """A store of so many days, of which the liquidations were seen but for the first three hours."""
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as kept:
        kept.register([contract(venue) for venue in venues])
        last = NOON + round(days * DAY_NS)
        for venue in venues:
            of = contract(venue)
            for event in market(of, days):
                kept.sink().accept(event)
            streams = (Stream(Channel.LIQUIDATIONS, of.id),)
            start = NOON + round(0.75 * DAY_NS)
            kept.sink().accept(Covered(venue, f"{venue}/0", streams, start, last, is_open=True, ts_recv=last))
        kept.report([], heart(round(days * 86_400)))
        kept.sink().accept(Tick(last))
    return path


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three days of Bybit and Binance."""
    return filled(tmp_path_factory.mktemp("score") / "market.db", ("binance", "bybit"), 3.0)


@pytest.fixture(scope="module")
def printout(stored: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """What the command prints as JSON, and the folder it keeps and draws in."""
    place, out = tmp_path_factory.mktemp("kept"), io.StringIO()
    words = [
        "study",
        "map-score",
        "--source",
        "store",
        "--db",
        str(stored),
        "--png",
        str(place / "score.png"),
        "--json",
    ]
    with pytest.MonkeyPatch.context() as patched, contextlib.redirect_stdout(out):
        patched.setenv("XDG_DATA_HOME", str(place))
        assert run(words) == 0
    return out.getvalue(), place


@pytest.fixture(scope="module")
def scored(printout: tuple[str, Path]) -> MapScore:
    """The card of that store."""
    return msgspec.json.decode(printout[0], type=MapScore)


def test_a_store_is_scored_where_its_feed_is_complete(scored: MapScore, stored: Path) -> None:
    """Bybit is, Binance is left out by name; windows that were not seen are counted. Keeps B1."""
    assert scored.data.markets == ["BTC-USDT-PERP.BYBIT"]
    assert scored.data.left_out == ["BTCUSDT on binance: its liquidation feed is not complete"]
    assert scored.data.store == str(stored)
    assert 0.6 < scored.data.coverage < 0.95
    assert [one.minutes for one in scored.horizons] == [15, 60]
    assert all(one.left_out["liquidations not seen throughout"] > 0 for one in scored.horizons)
    assert all(one.oracle_share is None for one in scored.horizons)
    assert {"uniform", "volume_profile", "swings", "static_ladder", "yesterday", "public_rule"} <= set(scored.baselines)
    assert scored.baselines["distance"] == 0.0


@pytest.mark.unmeasured
def test_a_negative_result_is_said(scored: MapScore) -> None:
    """Liquidations of a random walk that holds no positions: nothing beats distance, and that is the verdict."""
    assert not scored.is_better
    assert scored.verdict.startswith("Not better than distance on your data")


@pytest.mark.parametrize(
    ("venues", "days", "missing"),
    [
        pytest.param(("binance",), 3.0, "its liquidation feed is not complete", id="sampled"),
        pytest.param(("bybit",), 1.0, "less than 2.5 days", id="short"),
    ],
)
def test_too_little_says_what_is_missing(
    venues: tuple[str, ...], days: float, missing: str, tmp_path: Path, capsys: Captured
) -> None:
    """A store that cannot be scored ends with an exit code of its own and the reason."""
    path = filled(tmp_path / "market.db", venues, days)
    with pytest.raises(DataError, match=missing) as caught:
        score_stored(path, ["BTC"], NOON)
    assert caught.value.code == "score-too-little"
    assert run(["study", "map-score", "--source", "store", "--db", str(path)]) == 5
    assert missing in capsys.readouterr().err


def test_a_result_is_kept_and_told(scored: MapScore, stored: Path, tmp_path: Path) -> None:
    """Dated, whole, beside what perpscope came with; another store's own result is not told. Keeps B1."""
    shipped = study_map_kept.measured(stored)
    assert shipped.startswith("measured: ")
    assert "on the lab (16 seeds × 7 days, 20" in shipped
    assert shipped.endswith("; not measured on your data")
    place = study_map_kept.keep(scored, "store", scored.made_ms)
    assert place.parent == tmp_path / "data" / "perpscope" / "scores"
    assert json.loads(place.read_text())["form"] == study_map.FORM
    assert "Not better than distance: " in study_map_kept.measured(stored).partition("; ")[2]
    assert study_map_kept.measured(Path("another.db")) == study_map_kept.measured() == shipped
    (place.parent / "map-score-lab-broken.json").write_text("{")
    assert study_map_kept.measured() == shipped


def test_a_source_that_is_none_is_refused(capsys: Captured) -> None:
    """Before anything is made."""
    with pytest.raises(ConfigError, match="none of lab, store"):
        study_map.check_source("exchange")
    assert run(["study", "map-score", "--source", "exchange"]) == 2
    assert "--source exchange" in capsys.readouterr().err


def test_the_command_scores_a_store_and_draws_it(printout: tuple[str, Path]) -> None:
    """The contract's fields as JSON, the result kept, and a PNG."""
    told, place = json.loads(printout[0]), printout[1]
    wanted = "minutes lift lift_low lift_high bits bits_low bits_high oracle_share ece windows"
    assert all(set(wanted.split()) <= set(one) for one in told["horizons"])
    assert {"source", "from_ms", "to_ms", "coverage"} <= set(told["data"])
    assert all(isinstance(bits, float) for bits in told["baselines"].values())
    assert (place / "score.png").read_bytes().startswith(b"\x89PNG")
    assert len(list(place.glob("perpscope/scores/map-score-store-*.json"))) == 1


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_the_map_is_better_than_distance_on_two_seeds() -> None:
    """Two markets of three days each: gain and lift above distance with their intervals, the truth above the map."""
    runs = [Run(seed=seed, days=3.0, dt_s=30.0, agents=100_000, bar_minutes=5) for seed in (2, 6)]
    found = score_lab(runs, NOON, is_full=False)
    assert found.data.lab is not None
    assert found.data.lab.parameters == parameters_hash(runs[0])
    for card in found.horizons:
        assert card.bits > 0.0
        assert card.lift > 1.0
        assert card.others["oracle"].blended_bits.value > card.bits


def test_a_card_is_printed_for_people(scored: MapScore, capsys: Captured) -> None:
    """Verdict first, then each horizon with its intervals, what was left out, and the oracle's share."""
    card = msgspec.structs.replace(scored.horizons[1], oracle_share=0.5)
    printed.print_score(msgspec.structs.replace(scored, horizons=[scored.horizons[0], card]), out=sys.stdout)
    out = capsys.readouterr().out
    assert out.startswith("Not better than distance on your data: 15 min")
    assert "left out: BTCUSDT on binance" in out
    assert "50% of what the true prices gain" in out
    assert "another day's map, shuffled" in out


def test_windows_of_a_market_name_every_forecast(made: dict[int, list[Window]]) -> None:
    """What is scored beside the map is the whole bench of models. Keeps B18."""
    assert set(made[60][0].found) == {
        "map",
        "other_day",
        "oracle",
        *VARIANTS[1:],
        "uniform",
        "volume_profile",
        "swings",
        "static_ladder",
        "yesterday",
        "seed_formula",
        "py_liquidation_map",
        "three_leverages",
        "public_rule",
    }
