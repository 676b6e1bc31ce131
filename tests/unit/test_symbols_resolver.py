"""Instruments by any of their names, on one venue and on several."""

import pytest
from msgspec.structs import replace

from perpscope.app.symbols import Names, Selection, everything, resolve, take_coins
from perpscope.errors import ConfigError
from perpscope.model.instrument import Contract, Instrument, instrument_id


def contract(base: str, quote: str = "USDT", expiry: str | None = None, *, coin: str = "", many: int = 1) -> Instrument:
    """A contract of Binance's."""
    symbol = f"{base}{quote}" + (f"_{expiry}" if expiry else "")
    identity = instrument_id("binance", base, quote, expiry)
    return Instrument(
        id=identity,
        venue="binance",
        symbol=symbol,
        base=base,
        quote=quote,
        expiry=expiry,
        coin=coin,
        multiplier=many,
    )


def elsewhere(venue: str, symbol: str, base: str, quote: str, *, coin: str = "", many: int = 1) -> Instrument:
    """A perpetual of another venue."""
    identity = instrument_id(venue, base, quote)
    return Instrument(id=identity, venue=venue, symbol=symbol, base=base, quote=quote, coin=coin, multiplier=many)


def halted(instrument: Instrument) -> Instrument:
    """The same, not trading now."""
    return replace(instrument, is_trading=False)


BTC, BTC_USDC, BTC_DATED = contract("BTC"), contract("BTC", "USDC"), contract("BTC", expiry="251226")
ETH, ETHBTC, XMR = contract("ETH"), contract("ETH", "BTC"), contract("XMR", "USDC")
PEPE, LUNA = contract("1000PEPE", coin="PEPE", many=1000), halted(contract("LUNA"))
TESLA = replace(contract("TSLA"), is_crypto=False)
BINANCE = [ETHBTC, BTC_USDC, BTC_DATED, BTC, ETH, XMR, PEPE, LUNA, TESLA]

OKX_BTC, OKX_PEPE = (elsewhere("okx", f"{coin}-USDT-SWAP", coin, "USDT") for coin in ("BTC", "PEPE"))
OKX_INVERSE = replace(elsewhere("okx", "BTC-USD-SWAP", "BTC", "USD"), contract=Contract.INVERSE)
OKX_LUNA = elsewhere("okx", "LUNA-USDT-SWAP", "LUNA", "USDT")
HL_BTC, HL_PEPE = (
    elsewhere("hyperliquid", "BTC", "BTC", "USDC"),
    elsewhere("hyperliquid", "kPEPE", "kPEPE", "USDC", coin="PEPE", many=1000),
)
EVERYWHERE = {"binance": BINANCE, "okx": [OKX_INVERSE, OKX_BTC, OKX_PEPE, OKX_LUNA], "hyperliquid": [HL_PEPE, HL_BTC]}


CASES = [
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
    (["pepe"], [PEPE]),
    (["1000pepe", "TSLAUSDT"], [PEPE, TESLA]),
    (["TSLA-USDT-PERP.BINANCE"], [TESLA]),
    (["ETH", "BTC", "BTCUSDT", "btc"], [ETH, BTC]),
]


@pytest.mark.parametrize(("wanted", "found"), CASES, ids=[" ".join(wanted) for wanted, _ in CASES])
def test_an_instrument_goes_by_many_names(wanted: list[str], found: list[Instrument]) -> None:
    """Coins, symbols and ids in any case, in the order asked, each once; a coin means its USDT perpetual first.

    Keeps S1-34.
    """
    assert resolve(wanted, {"binance": BINANCE}) == Selection({"binance": found}, [])
    assert resolve(wanted, {"binance": reversed(BINANCE)}) == Selection({"binance": found}, [])


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("PEPE", {"binance": PEPE, "okx": OKX_PEPE, "hyperliquid": HL_PEPE}),
        ("btc", {"binance": BTC, "okx": OKX_BTC, "hyperliquid": HL_BTC}),
        ("BTC-USDT-PERP", {"binance": BTC, "okx": OKX_BTC}),
        ("btc-usdt-perp.okx", {"okx": OKX_BTC}),
        ("BTC-USD-SWAP", {"okx": OKX_INVERSE}),
        ("kPEPE", {"hyperliquid": HL_PEPE}),
        ("BTCUSDT", {"binance": BTC}),
        ("LUNA", {"okx": OKX_LUNA}),
    ],
)
def test_a_name_is_looked_for_on_every_venue(name: str, found: dict[str, Instrument]) -> None:
    """A coin finds its contract whatever a venue calls it; an id without venue finds every one that is called so."""
    expected = {venue: [found[venue]] if venue in found else [] for venue in EVERYWHERE}
    assert resolve([name], EVERYWHERE).instruments == expected


@pytest.mark.parametrize(
    ("name", "notes"),
    [
        ("BTC", []),
        ("BTC-USDT-PERP.OKX", []),
        ("XMR", ["okx: does not list 'XMR'", "hyperliquid: does not list 'XMR'"]),
        (
            "BTCUSDT",
            [
                "okx: does not list 'BTCUSDT'; its BTC is BTC-USDT-SWAP",
                "hyperliquid: does not list 'BTCUSDT'; its BTC is BTC",
            ],
        ),
        ("LUNA", ["binance: LUNAUSDT does not trade now, left out", "hyperliquid: does not list 'LUNA'"]),
    ],
)
def test_a_venue_without_the_name_says_so(name: str, notes: list[str]) -> None:
    """What is left out is announced, with what the venue has instead; an id of one venue concerns no other."""
    assert resolve([name], EVERYWHERE).notes == notes


def test_all_means_every_perpetual_that_trades() -> None:
    """Dated, halted and non-crypto contracts are not among them, in whatever case the word is written."""
    assert everything(BINANCE) == [ETHBTC, BTC_USDC, BTC, ETH, XMR, PEPE]
    selection = resolve(["ALL"], EVERYWHERE)
    assert selection.instruments == {venue: everything(listed) for venue, listed in EVERYWHERE.items()}
    assert selection.notes == []


@pytest.mark.parametrize(
    ("name", "code", "said"),
    [
        ("BTCUST", "symbol-unknown", "did you mean 'BTCUSDT'?"),
        ("?!?", "symbol-unknown", "give a coin (BTC)"),
        ("all", "symbol-unknown", ""),
        ("TSLA", "symbol-unknown", "name it by symbol or id: TSLAUSDT (binance)"),
        ("LUNAUSDT", "symbol-not-trading", ""),
        ("BTC-USDT-PERP.BYBIT", "symbol-unknown", ""),
    ],
)
def test_a_wrong_name_is_refused_with_the_nearest(name: str, code: str, said: str) -> None:
    """Exit 2 before anything is heard; `all` beside other names is no name; stocks are never meant by accident."""
    with pytest.raises(ConfigError) as caught:
        resolve(["BTC", name], EVERYWHERE)
    assert caught.value.code == code
    assert said in (caught.value.hint or "")
    assert name.upper() in caught.value.message.upper()


def test_a_venue_that_has_not_answered_may_know_the_name() -> None:
    """No name is refused while somebody who was not heard could have it, unless the name says it is not theirs."""
    waiting = resolve(["kPEPE"], {"okx": [OKX_PEPE]}, unheard=["hyperliquid"])
    assert waiting.instruments == {"okx": []}
    assert waiting.notes == ["okx: does not list 'kPEPE'", "'kPEPE' has to wait for hyperliquid"]
    addressed = resolve(["kPEPE-USDC-PERP.HYPERLIQUID"], {"okx": [OKX_PEPE]}, unheard=["hyperliquid"])
    assert addressed.notes == ["'kPEPE-USDC-PERP.HYPERLIQUID' has to wait for hyperliquid"]
    with pytest.raises(ConfigError, match="unknown symbol"):
        resolve(["DOGE-USDT-PERP.OKX"], {"okx": [OKX_PEPE]}, unheard=["hyperliquid"])


@pytest.mark.parametrize(
    ("listed", "meant"),
    [
        ([BTC_USDC, contract("BTC", "USD"), BTC], BTC),
        ([BTC_USDC, contract("BTC", "USD")], BTC_USDC),
        ([contract("BTC", "USD"), BTC_DATED], contract("BTC", "USD")),
        ([OKX_INVERSE, replace(OKX_BTC, quote="USDC")], replace(OKX_BTC, quote="USDC")),
        ([halted(BTC), BTC_USDC], BTC_USDC),
        ([PEPE, contract("PEPE")], contract("PEPE")),
        ([replace(BTC, is_crypto=False), BTC_DATED, contract("BTC", "FDUSD")], None),
    ],
    ids=["usdt", "usdc", "usd", "linear", "trading", "one-coin-a-unit", "nothing-common"],
)
def test_a_bare_coin_means_the_dollar_perpetual_that_trades(listed: list[Instrument], meant: Instrument | None) -> None:
    """USDT, else USDC, else USD; linear before inverse; never a stock, a dated contract or another quote."""
    coin = listed[0].asset
    assert Names(listed).coin(coin) == Names(reversed(listed)).coin(coin) == meant


def test_coins_are_taken_where_they_trade() -> None:
    """Each venue's missing coins stand in one note."""
    taken = take_coins(["BTC", "LUNA", "PEPE"], EVERYWHERE)
    assert taken.instruments == {
        "binance": [BTC, PEPE],
        "okx": [OKX_BTC, OKX_LUNA, OKX_PEPE],
        "hyperliquid": [HL_BTC, HL_PEPE],
    }
    left_out = "not listed or not trading, left out: LUNA"
    assert taken.notes == [f"binance: {left_out}", f"hyperliquid: {left_out}"]
