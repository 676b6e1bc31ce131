"""`perpscope cascade`: a store's map pushed through a book, by turnover or as given, and what is refused."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import structlog
from tests.contract.store_events import MINUTE, NOON, SECOND, heart

from perpscope.app.sentiment.cascade import CascadeAnswer, Shock, read_cascade
from perpscope.cli.main import run
from perpscope.errors import ConfigError, DataError
from perpscope.model.instrument import Instrument, instrument_id
from perpscope.model.market import Candle, Interval, OpenInterest, Tick
from perpscope.stores.sqlite import SqliteStore
from perpscope.stores.status import StoreKind

Captured = pytest.CaptureFixture[str]
BTC = Instrument(
    id=instrument_id("binance", "BTC", "USDT"), venue="binance", symbol="BTCUSDT", base="BTC", quote="USDT"
)
HOURS = 27
#: Of a minute's log return.
SIGMA = 0.0005


def stored(path: Path, hours: int = HOURS) -> Path:
    """Minutes of one venue."""
    rng = np.random.default_rng(5)
    closes = 60_000.0 * np.exp(np.cumsum(SIGMA * rng.standard_normal(hours * 60)))
    with closing(SqliteStore.open(path, kind=StoreKind.DEMO)) as store:
        store.register([BTC])
        for minute, close in enumerate(closes.tolist()):
            opened = NOON + minute * MINUTE
            ts = opened + MINUTE - SECOND
            prices = (close, close * 1.0005, close * 0.9995, close)
            store.sink().accept(
                Candle(BTC.id, ts, ts, Interval.M1, opened, *prices, 20.0, None, None, None, None, is_closed=True)
            )
            store.sink().accept(OpenInterest(BTC.id, ts, ts, 50_000.0, None))
        store.report([], heart(hours * 3600.0))
        store.sink().accept(Tick(NOON + hours * 60 * MINUTE))
    return path


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """The log as it was."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day and three hours."""
    return stored(tmp_path_factory.mktemp("cascade") / "market.db")


@pytest.fixture(scope="module")
def found(store: Path) -> CascadeAnswer:
    """Pushed 1 % each way."""
    return read_cascade(store, "btc", Shock(lookback_h=25.0))


def test_depth_follows_from_turnover(found: CascadeAnswer) -> None:
    """I = Y σ √(Q ÷ V): what a day trades and how it moves says what the market takes. Keeps B9."""
    assert found.turnover_day_usd == pytest.approx(20.0 * 1440 * 60_000.0, rel=0.1)
    assert found.sigma_day == pytest.approx(SIGMA * 1440**0.5, rel=0.1)
    assert found.turnover_day_usd is not None
    assert found.sigma_day is not None
    expected = found.turnover_day_usd * (0.01 / found.sigma_day) ** 2
    assert found.depth_at_one_percent_usd == pytest.approx(expected)
    assert (found.depth_basis, found.kappa, found.basis) == ("square-root law", 2.0, "estimated")


def test_the_fewer_quotes_are_left_the_further_it_goes(found: CascadeAnswer) -> None:
    """Down for longs and up for shorts, never short of the shock; more is forced and R is larger with fewer quotes."""
    for side, sign in (("LONG", -1.0), ("SHORT", 1.0)):
        stories = [story for story in found.stories if story.side == side]
        assert [story.survival for story in stories] == [1.0, 0.3, 0.06]
        stops = [sign * story.stop_pct for story in stories]
        assert 1.0 - 1e-9 <= stops[0] <= stops[1] <= stops[2]
        assert all(story.amplification >= 1.0 for story in stories)
        assert [story.forced_usd for story in stories] == sorted(story.forced_usd for story in stories)
        assert stories[0].stop_price == pytest.approx(found.price * (1.0 + stories[0].stop_pct / 100.0))
        fed = [each for each in found.feeding if each.side == side]
        assert fed[1].largest_ratio == pytest.approx(fed[0].largest_ratio / 0.3)
        for low, high in fed[2].zones:
            assert sign * (high - low) > 0.0


def test_liquidation_at_risk_grows_with_the_horizon(found: CascadeAnswer) -> None:
    """Three horizons, both sides, rising with alpha and with time."""
    assert [(told.minutes, told.side) for told in found.at_risk][:3] == [(60, "LONG"), (60, "SHORT"), (240, "LONG")]
    longs = [told for told in found.at_risk if told.side == "LONG"]
    assert all(told.forced_usd == sorted(told.forced_usd) for told in longs)
    assert longs[0].forced_usd[1] <= longs[1].forced_usd[1] <= longs[2].forced_usd[1]
    assert all(stop <= 0.0 for stop in longs[0].stop_pct)


def test_a_book_that_is_given_is_taken(store: Path) -> None:
    """A deep one stops where the shock does; a thin one lets it run."""
    deep = read_cascade(store, "BTC", Shock(moves=(-0.02,), depth_usd=1e15, lookback_h=6.0))
    thin = read_cascade(store, "BTC", Shock(moves=(-0.02,), depth_usd=1e6, kappa=1.0, lookback_h=6.0))
    assert deep.stories[0].amplification == pytest.approx(1.0, abs=1e-6)
    assert (thin.depth_basis, thin.kappa) == ("given", 1.0)
    assert thin.stories[0].amplification > 2.0
    assert {story.side for story in deep.stories} == {"LONG"}


def test_a_young_store_needs_a_book(tmp_path: Path) -> None:
    """With less than a day nothing says what the market takes; with a book there is no liquidation at risk."""
    path = stored(tmp_path / "young.db", 4)
    with pytest.raises(DataError) as caught:
        read_cascade(path, "BTC", Shock(lookback_h=3.0))
    assert caught.value.code == "cascade-too-little"
    found = read_cascade(path, "BTC", Shock(depth_usd=4e7, lookback_h=3.0))
    assert found.at_risk == []
    assert found.sigma_day is None
    assert any("less than a day" in note for note in found.notes)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(["--shock", "down"], "--shock 'down' is no move", id="shock"),
        pytest.param(["--shock", "-100%"], "--shock -100% must be above", id="all"),
        pytest.param(["--shock", "0%"], "and not 0", id="none"),
        pytest.param(["--depth", "much"], "--depth 'much' is no amount", id="depth"),
        pytest.param(["--depth", "0M"], "--depth 0 must be above 0", id="no-depth"),
        pytest.param(["--kappa", "-1"], "--kappa -1 must be above 0", id="kappa"),
    ],
)
def test_wrong_words_are_answered_by_name(store: Path, words: list[str], says: str, capsys: Captured) -> None:
    """Exit code 2, the flag and its value."""
    assert run(["cascade", "BTC", "--db", str(store), *words]) == 2
    assert says in capsys.readouterr().err


def test_an_unknown_coin_is_refused(store: Path) -> None:
    """By name."""
    with pytest.raises(ConfigError, match="BTX"):
        read_cascade(store, "BTX", Shock())


def test_the_command_prints_a_cascade(store: Path, capsys: Captured) -> None:
    """In 80 columns with its label; or one JSON object."""
    words = ["cascade", "BTC", "--db", str(store), "--lookback", "25h", "--shock", "−2%", "--shock", "3%"]
    assert run(words) == 0
    out = capsys.readouterr().out
    assert out.startswith("DEMO DATA: no real market\nBTC perp ")
    assert "liquidation at risk" in out
    assert "R of longs, 30% of quotes" in out
    lines = [line for line in out.splitlines() if not line.startswith("note")]
    assert max(map(len, lines)) <= 80
    assert run([*words, "--depth", "1.5B", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["depth_at_one_percent_usd"] == 1.5e9
    assert len(told["stories"]) == 6
