"""The facade's totals, map, heatmap and sentiment are what the commands print, and a closed store is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.contract.store_events import NOON
from tests.unit.test_totals_wired import stored, true_tapes

import perpscope
from perpscope.app.liqmap.answer import cells
from perpscope.app.liqmap.parts import Question
from perpscope.app.liqmap.reading import read_map
from perpscope.app.totals.reading import read_totals
from perpscope.errors import ConfigError
from perpscope.facade import Perpscope

BINANCE = "BTC-USDT-PERP.BINANCE"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days of four venues."""
    return stored(tmp_path_factory.mktemp("facade") / "market.db", true_tapes(), NOON)


def test_a_program_gets_what_the_commands_print(path: Path) -> None:
    """The same answers by other words: lookbacks, horizons, widths and prices go through; docs/python.md runs more."""
    with perpscope.open(path) as store:
        assert store.totals(BINANCE, 6, last=3) == read_totals(path, symbol=BINANCE, hours=6, last=3)
        found = store.liquidation_map(
            BINANCE, "neutral", lookback_hours=2, horizon_minutes=0, width=500, prices=[45_000.0]
        )
        asked = Question(
            name=BINANCE, profile="neutral", lookback_h=2, horizon_min=0, width=500, prices=(45_000.0,), moves=()
        )
        assert found == read_map(path, asked)
        told = cells(store.heatmap(BINANCE, 1, 20, lookback_hours=2, width=500))
        assert told["usd"].shape == (3, told["edges"].size - 1)


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(lambda store: store.totals(), id="totals"),
        pytest.param(lambda store: store.liquidation_map("BTC"), id="map"),
        pytest.param(lambda store: store.heatmap("BTC"), id="heatmap"),
        pytest.param(lambda store: store.sentiment("BTC"), id="sentiment"),
    ],
)
def test_a_closed_store_is_refused(path: Path, asked: Callable[[Perpscope], object]) -> None:
    """As every other question to it."""
    store = perpscope.open(path)
    store.close()
    with pytest.raises(ValueError, match="was closed"):
        asked(store)


def test_nonsense_is_answered_by_name(path: Path) -> None:
    """An unknown profile or coin, with what was meant."""
    with perpscope.open(path) as store:
        with pytest.raises(ConfigError, match="neutrl"):
            store.liquidation_map("BTC", "neutrl")
        with pytest.raises(ConfigError, match="BTX"):
            store.sentiment("BTX")
