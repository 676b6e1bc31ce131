"""Venues and instruments by any of their names."""

import pytest
from msgspec.structs import replace

from perpscope.app import venues
from perpscope.app.venues import DEFAULT_COINS, choose, find, names
from perpscope.errors import ConfigError
from perpscope.model.instrument import Instrument, instrument_id


def contract(base: str, quote: str = "USDT", expiry: str | None = None) -> Instrument:
    """A contract of Binance's."""
    symbol = f"{base}{quote}" + (f"_{expiry}" if expiry else "")
    identity = instrument_id("binance", base, quote, expiry)
    return Instrument(id=identity, venue="binance", symbol=symbol, base=base, quote=quote, expiry=expiry)


def halted(instrument: Instrument) -> Instrument:
    """The same, not trading now."""
    return replace(instrument, is_trading=False)


BTC, BTC_USDC, BTC_DATED = contract("BTC"), contract("BTC", "USDC"), contract("BTC", expiry="251226")
ETH, ETHBTC, XMR = contract("ETH"), contract("ETH", "BTC"), contract("XMR", "USDC")
PEPE, HALTED, TESLA = contract("1000PEPE"), halted(contract("LUNA")), replace(contract("TSLA"), is_crypto=False)
CATALOGUE = [ETHBTC, BTC_USDC, BTC_DATED, BTC, ETH, XMR, PEPE, HALTED, TESLA]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (["BTC"], [BTC]),
        (["btc"], [BTC]),
        (["BTCUSDT"], [BTC]),
        (["btcusdc"], [BTC_USDC]),
        (["BTC-USDT-PERP"], [BTC]),
        (["btc-usdt-perp.binance"], [BTC]),
        (["BTCUSDT_251226"], [BTC_DATED]),
        (["BTC-USDT-251226.BINANCE"], [BTC_DATED]),
        (["ETHBTC"], [ETHBTC]),
        (["xmr"], [XMR]),
        (["1000PEPE", "TSLA"], [PEPE, TESLA]),
        (["ETH", "BTC", "BTCUSDT", "btc"], [ETH, BTC]),
    ],
)
def test_an_instrument_goes_by_many_names(wanted: list[str], found: list[Instrument]) -> None:
    """Coins, symbols and ids in any case, in the order asked, each once; a coin means its USDT perpetual first.

    Keeps S1-34.
    """
    assert choose(wanted, CATALOGUE, "binance") == (found, [])
    assert choose(wanted, reversed(CATALOGUE), "binance") == (found, [])


def test_all_means_every_perpetual_that_trades() -> None:
    """Dated, halted and non-crypto contracts are not among them."""
    assert choose(["ALL"], CATALOGUE, "binance") == ([ETHBTC, BTC_USDC, BTC, ETH, XMR, PEPE], [])


def test_without_names_the_liquid_ones_are_taken_and_the_missing_named() -> None:
    """The default set, less what the venue does not list or has halted."""
    found, left_out = choose([], [*CATALOGUE, halted(contract("SOL"))], "binance")
    assert found == [BTC, ETH]
    assert left_out == [coin for coin in DEFAULT_COINS if coin not in {"BTC", "ETH"}]
    assert "SOL" in left_out
    assert len(DEFAULT_COINS) == len(set(DEFAULT_COINS)) == 30


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("BTCUST", "symbol-unknown", "did you mean 'BTCUSDT'?"),
        ("?!?", "symbol-unknown", "give a coin (BTC)"),
        ("all", "symbol-unknown", ""),
        ("LUNA", "symbol-not-trading", ""),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest(name: str, code: str, said: str) -> None:
    """Exit 2 before anything is heard; `all` beside other names is no name."""
    with pytest.raises(ConfigError) as caught:
        choose(["BTC", name], CATALOGUE, "binance")
    assert caught.value.code == code
    assert said in (caught.value.hint or "")
    assert name.upper() in caught.value.message.upper()


def test_venues_are_found_by_their_folder() -> None:
    """Each has a package of its name; a misspelt one is refused with the nearest, or with the list."""
    assert "binance" in names()
    assert [find(name).name for name in names()] == names()
    for wrong, hint in (("binanse", "did you mean 'binance'?"), ("???", "known: ")):
        with pytest.raises(ConfigError, match="unknown venue") as caught:
            find(wrong)
        assert hint in (caught.value.hint or "")


def test_a_venues_settings_are_checked_by_their_own_shape() -> None:
    """Numbers may be given as text; a wrong one is named with its key."""
    assert venues.settings("binance", {"binance": {"weight_per_minute": "100"}}).weight_per_minute == 100.0
    assert venues.settings("binance", {}) == venues.VenueSettings()
    with pytest.raises(ConfigError, match=r"venue\.binance\.weight_per_minute"):
        venues.settings("binance", {"binance": {"weight_per_minute": "much"}})
