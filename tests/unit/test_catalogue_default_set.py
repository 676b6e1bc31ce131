"""The default set: which coins are listened to when nobody names any."""

import random

import pytest
from msgspec.structs import replace

from perpscope.app.default_set import BY_HAND, LARGEST, STABLECOINS, default_set
from perpscope.model.instrument import Instrument, instrument_id


def perpetual(venue: str, base: str, quote: str = "USDT", *, coin: str = "", many: int = 1) -> Instrument:
    """A perpetual whose symbol is base and quote."""
    identity = instrument_id(venue, base, quote)
    symbol = f"{base}{quote}"
    return Instrument(id=identity, venue=venue, symbol=symbol, base=base, quote=quote, coin=coin, multiplier=many)


A = [perpetual("a", base) for base in ("BTC", "ETH", "LONELY")] + [perpetual("a", "1000PEPE", coin="PEPE", many=1000)]
B = [perpetual("b", base, "USDC") for base in ("BTC", "ETH")] + [
    perpetual("b", "kPEPE", "USDC", coin="PEPE", many=1000),
    perpetual("b", "BTC", "USDT"),
]
TURNOVER_A = {"BTCUSDT": 50.0, "ETHUSDT": 60.0, "LONELYUSDT": 1e9, "1000PEPEUSDT": 7.0}
TURNOVER_B = {"BTCUSDC": 30.0, "BTCUSDT": 4.0, "ETHUSDC": 10.0, "kPEPEUSDC": 100.0}


def test_coins_are_ranked_by_what_all_venues_traded() -> None:
    """PEPE = 7 + 100, BTC = 50 + 30 + 4, ETH = 60 + 10; a coin of one venue alone is not among them."""
    chosen = default_set({"a": A, "b": B}, {"a": TURNOVER_A, "b": TURNOVER_B})
    assert [(entry.coin, entry.turnover_usd_24h) for entry in chosen.coins] == [
        ("PEPE", 107.0),
        ("BTC", 84.0),
        ("ETH", 70.0),
    ]
    assert {tuple(entry.venues) for entry in chosen.coins} == {("a", "b")}
    assert chosen.how == "the 3 coins with the largest turnover in 24 h traded on at least two of a, b"


def test_one_venue_alone_chooses_its_own() -> None:
    """A coin need not be listed elsewhere where there is no elsewhere."""
    chosen = default_set({"a": A}, {"a": TURNOVER_A})
    assert chosen.names == ["LONELY", "ETH", "BTC", "PEPE"]
    assert chosen.how.endswith("on a")


@pytest.mark.parametrize("missing", [None, {}], ids=["refused", "empty"])
def test_the_others_decide_where_a_venue_does_not_tell(missing: dict[str, float] | None) -> None:
    """Its listings still count, and it is named."""
    chosen = default_set({"a": A, "b": B}, {"a": TURNOVER_A, "b": missing})
    assert chosen.names == ["ETH", "BTC", "PEPE"]
    assert chosen.how.endswith("; b did not tell")


def test_without_any_turnover_the_hand_list_is_taken_and_said_so() -> None:
    """Thirty coins, in the order of the list, with the venues that trade them."""
    chosen = default_set({"a": A, "b": B}, {"a": None})
    assert chosen.names == BY_HAND
    assert "by hand" in chosen.how
    assert [entry.venues for entry in chosen.coins[:3]] == [["a", "b"], ["a", "b"], []]
    assert len(BY_HAND) == len(set(BY_HAND)) == LARGEST == 30
    assert not STABLECOINS & set(BY_HAND)


@pytest.mark.parametrize(
    "unfit",
    [
        perpetual("a", "USDC"),
        replace(perpetual("a", "TSLA"), is_crypto=False),
        replace(perpetual("a", "LUNA"), is_trading=False),
        replace(perpetual("a", "SOL"), expiry="261225"),
        perpetual("a", "ETC", "BTC"),
    ],
    ids=["stablecoin", "stock", "halted", "dated", "not-in-dollars"],
)
def test_what_is_not_a_dollar_perpetual_on_a_coin_is_left_out(unfit: Instrument) -> None:
    """However much it traded."""
    listed = [*A, unfit]
    assert unfit.asset not in default_set({"a": listed}, {"a": TURNOVER_A | {unfit.symbol: 1e12}}).names


def test_thirty_at_most_and_ties_by_name() -> None:
    """The same catalogue gives the same set, whatever the order of its rows. Keeps S4-69."""
    listed = [perpetual("a", f"C{n:02}") for n in range(50)]
    turnover = {instrument.symbol: 5.0 for instrument in listed} | {"C49USDT": 6.0}
    random.Random(7).shuffle(listed)
    chosen = default_set({"a": listed}, {"a": turnover})
    assert chosen.names == ["C49", *(f"C{n:02}" for n in range(29))]
    assert default_set({"a": sorted(listed, key=lambda i: i.symbol)}, {"a": turnover}) == chosen
