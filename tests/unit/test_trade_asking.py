"""From what a person asks for to a run: what is refused before a venue is asked, and what its heart is narrowed to."""

from pathlib import Path

import pytest
from tests.acceptance.whole_runs import busy

from perpscope.app.backtest.played import numbers
from perpscope.app.risk_profiles import chosen
from perpscope.app.strategies import find
from perpscope.app.trade import asking
from perpscope.app.trade.account import broker_named
from perpscope.app.trade.lab import LabMarket
from perpscope.app.trade.opening import Wanted
from perpscope.app.trade.setup import limits_of, read
from perpscope.errors import ConfigError, DataError
from perpscope.model.run import RunKind
from perpscope.settings import Collect, Inference, Risk, Settings
from perpscope.trading.strategy import Needs

DEMO: dict[str, object] = {
    "rest_url": "https://demo-fapi.binance.com",
    "websocket_url": "wss://demo-fstream.binance.com",
}
LAB = {"binance": dict.fromkeys(("rest_url", "websocket_url", "clock_url"), "http://127.0.0.1:1")}


def wanted(named: str, tree: Settings, folder: Path, **given: str) -> Wanted:
    """A paper run."""
    return asking.wanted(RunKind.PAPER, named, tree, folder / "m.db", venue="binance", symbol="BTC", given=given)


def test_a_file_is_found_again_wherever_it_was_named_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its path, or by the table that tells its file: a replay needs neither the folder nor the configuration."""
    file = busy(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert wanted("busy.py", Settings(), tmp_path, held="3").named == file
    tree = Settings(strategy={"busy": {"file": "busy.py", "enabled": True, "held": 4}})
    found = wanted("busy", tree, tmp_path)
    assert found.named == file
    assert numbers(found.strategy, found.parameters)["held"] == 4.0
    assert found.settings.strategy == {"busy": {"file": "busy.py", "held": 4}}
    assert wanted("burst", Settings(), tmp_path).named == "burst"


def test_a_name_that_no_order_has_room_for_is_refused(tmp_path: Path) -> None:
    """An id has 36 characters."""
    file = Path(busy(tmp_path))
    text = file.read_text().replace('name="busy"', 'name="a_very_long_name_of_it"')
    (tmp_path / "long.py").write_text(text)
    with pytest.raises(ConfigError) as caught:
        wanted(str(tmp_path / "long.py"), Settings(), tmp_path)
    assert caught.value.code == "strategy-name-long"


def test_a_heart_does_what_its_strategy_needs_and_no_more() -> None:
    """One contract with its book; maps and forecasts only for those that look at them."""
    tree = Settings(collect=Collect(books=False), inference=Inference(symbols=("ETH",)))
    plain = asking.narrowed(tree, Needs.CANDLES, "okx", "BTC")
    assert (plain.collect.venues, plain.collect.symbols, plain.collect.books) == (("okx",), ("BTC",), True)
    assert (plain.map.enabled, plain.inference.enabled, plain.backfill.days) == (False, False, 0.0)
    derived = asking.narrowed(tree, Needs.MAP | Needs.FORECAST, "okx", "BTC")
    assert (derived.map.enabled, derived.inference.symbols, derived.backfill.days) == (True, ("BTC",), 2.0)


@pytest.mark.parametrize(
    ("change", "is_lab"),
    [
        ({}, True),
        ({"rest_url": "https://fapi.binance.com"}, False),
        ({"clock_url": ""}, False),
        ({"websocket_url": ""}, False),
    ],
)
def test_a_lab_is_a_lab_only_on_loopback(change: dict[str, object], *, is_lab: bool) -> None:
    """Nothing that could be the real exchange is exempt of being armed."""
    assert asking.is_lab(Settings(venue={"binance": {**LAB["binance"], **change}}), "binance") is is_lab


@pytest.mark.parametrize(
    ("venue", "table", "data"),
    [
        ("binance", {}, "observed"),
        ("binance", DEMO, "demo"),
        ("binance", {"rest_url": DEMO["rest_url"]}, "observed"),
        ("binance", {"websocket_url": DEMO["websocket_url"]}, "observed"),
        ("okx", DEMO, "observed"),
        ("binance", LAB["binance"], "demo"),
    ],
    ids=["the exchange", "its demo", "orders alone", "market alone", "another's", "a lab"],
)
def test_money_is_made_up_where_orders_and_market_are(
    venue: str, table: dict[str, object], data: str, tmp_path: Path
) -> None:
    """A testnet is called DEMO, and never counts as evidence; whatever could be the real exchange is the real one."""
    tree = Settings(venue={venue: table})
    found = asking.wanted(RunKind.PAPER, "burst", tree, tmp_path / "m.db", venue=venue, symbol="BTC", given={})
    assert found.data == data


def test_orders_go_where_a_dialect_for_them_is() -> None:
    """Binance alone so far; the others are told so."""
    assert broker_named("binance") is not None
    with pytest.raises(ConfigError) as caught:
        broker_named("okx")
    assert caught.value.code == "venue-no-orders"


def test_the_lab_says_what_it_does_not_speak() -> None:
    """A venue or a coin it does not have is refused before anything is started."""
    for venue, symbol, code in (("moon", "BTC", "venue-unknown"), ("binance", "NOPE", "symbol-unknown")):
        with pytest.raises(ConfigError) as caught:
            LabMarket(venue, symbol, seed=1, speed=1.0)
        assert caught.value.code == code


def test_ages_of_data_are_real_time_and_a_baseline_holds_without_leverage() -> None:
    """On a lab at sixty market seconds a second a mark may be sixty times as old."""
    limits = chosen(Risk())
    own = limits_of(limits, find("burst"), 60.0)
    assert (own.mark_age_s, own.flatten_age_s, own.cooldown_s, own.leverage) == (180.0, 900.0, 60.0, 5.0)
    assert limits_of(limits, find("hold")).leverage == 1.0


def test_a_recording_without_its_setup_is_not_run_again(tmp_path: Path) -> None:
    """Missing, damaged, or of a later perpscope: it says what is missing."""
    recording = tmp_path / "run.perpscope"
    for text in (None, "{}"):
        if text is not None:
            recording.with_suffix(".json").write_text(text)
        with pytest.raises(DataError) as caught:
            read(recording)
        assert caught.value.code == "run-setup"
