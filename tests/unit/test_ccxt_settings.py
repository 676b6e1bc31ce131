"""`[ccxt]`: exchanges with a folder of their own are refused, misspelt ones named; without it nothing is imported."""

import random
import subprocess
import sys
from collections.abc import Mapping

import pytest

from perpscope.app.others import Others, venue_named
from perpscope.config import load
from perpscope.errors import ConfigError
from perpscope.feeds import ccxt_calls
from perpscope.feeds.clock import MarketClock
from perpscope.settings import Ccxt, Settings, Table

LAB = "http://127.0.0.1:9/lab/clock"


def others(*exchanges: str, options: Mapping[str, Table] | None = None) -> Others:
    """As a heart makes them."""
    settings = Settings(ccxt=Ccxt(venues=exchanges, options=dict(options or {})))
    return Others(settings, clock=MarketClock(), announce=lambda _: None, rng=random.Random(1))


@pytest.fixture
def library() -> None:
    """The real ccxt; skipped, visibly, where the extra is not installed."""
    pytest.importorskip("ccxt", reason="ccxt is not installed: the extra [ccxt]")


@pytest.mark.parametrize(
    ("exchange", "venue"),
    [("binanceusdm", "binance"), ("bybit", "bybit"), ("okx", "okx"), ("bitget", "bitget")],
    ids=["binanceusdm", "bybit", "okx", "bitget"],
)
def test_the_five_are_refused(exchange: str, venue: str) -> None:
    """Nobody gets a thin copy of what we hear in full, unless it is a rehearsal; the hint has the setting."""
    with pytest.raises(ConfigError, match="folder of its own") as caught:
        others(exchange)
    assert caught.value.hint == f"use collect.venues = [{venue!r}]"


@pytest.mark.usefixtures("library")
def test_a_rehearsal_may_name_them() -> None:
    """With a lab's clock it is DEMO DATA, and says which clock to follow."""
    made = others("bybit", "gate", options={"bybit": {"clock_url": LAB}})
    assert made.labs == {LAB}
    assert made.wanted == {}
    assert made.unreachable == {}


@pytest.mark.usefixtures("library")
@pytest.mark.parametrize(
    ("exchange", "hint"),
    [("kukoin", "did you mean 'kucoin'?"), ("%%%", "https://docs.ccxt.com lists them")],
    ids=["misspelt", "nonsense"],
)
def test_an_unknown_exchange_is_named_with_the_nearest(exchange: str, hint: str) -> None:
    """A misspelt name is found at the start, not in silence."""
    with pytest.raises(ConfigError, match="ccxt knows no exchange") as caught:
        others(exchange)
    assert (caught.value.code, caught.value.hint) == ("venue-unknown", hint)


def test_options_are_checked() -> None:
    """Options of an exchange that is not asked, unknown keys and unknown units are refused."""
    with pytest.raises(ConfigError, match=r"'gate' is not among ccxt\.venues"):
        others(options={"gate": {}})
    with pytest.raises(ConfigError, match=r"ccxt\.options\.gate\.rest"):
        others("gate", options={"gate": {"rest": "x"}})
    with pytest.raises(ConfigError, match="open_interest_unit"):
        others("gate", options={"gate": {"open_interest_unit": "lots"}})


def test_a_missing_extra_names_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ccxt the house's error says what to install, and nothing was started."""
    monkeypatch.setitem(sys.modules, "ccxt", None)
    monkeypatch.delitem(sys.modules, "ccxt.async_support", raising=False)
    with pytest.raises(ConfigError) as caught:
        others("gate")
    assert caught.value.code == "extra-missing"
    assert "pip install 'perpscope[ccxt]'" in (caught.value.hint or "")


def test_ccxt_is_imported_only_when_an_exchange_is_named() -> None:
    """Its two hundred modules take most of a second: no command pays for them without `[ccxt] venues`."""
    others()
    program = "import sys, perpscope.cli.commands, perpscope.app.others; sys.exit('ccxt' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_settings_are_read_from_the_environment() -> None:
    """`PERPSCOPE_CCXT__VENUES` is a list, and options go down by name."""
    read = load(
        environment={
            "PERPSCOPE_CCXT__VENUES": "gate, htx",
            "PERPSCOPE_CCXT__EVERY_S": "15",
            "PERPSCOPE_CCXT__OPTIONS__GATE__REST_URL": "http://127.0.0.1:9",
            "XDG_CONFIG_HOME": "nowhere",
        }
    ).settings.ccxt
    assert (read.venues, read.every_s) == (("gate", "htx"), 15.0)
    assert read.options == {"gate": {"rest_url": "http://127.0.0.1:9"}}


def test_a_recordings_venue_is_found_by_its_label() -> None:
    """A replay needs the name only; other names are not ours."""
    venue = venue_named("ccxt-gate")
    assert venue is not None
    assert venue.name == "ccxt-gate"
    assert venue_named("bybit") is None


def test_addresses_are_moved_and_paths_kept() -> None:
    """Every host of an exchange gives way to the one given; what is no address stays."""
    urls = {"public": "https://api.{hostname}/v5", "ws": {"linear": "wss://stream/x"}, "test": None, "n": ["a"]}
    assert ccxt_calls.moved(urls, "http://127.0.0.1:9") == urls | {"public": "http://127.0.0.1:9/v5"}
