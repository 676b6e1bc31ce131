"""The resolver for all catalogues: it depends on what is listed, not on the order, and forgets nobody."""

from hypothesis import given
from hypothesis import strategies as st

from perpscope.app.default_set import default_set
from perpscope.app.symbols import QUOTES, Names, is_common
from perpscope.model.instrument import Contract, Instrument, instrument_id


def listed(base: str, quote: str, expiry: str | None, *, trades: bool, crypto: bool, inverse: bool) -> Instrument:
    """A contract whose coin hides behind a `1000` or `k`, as venues write it."""
    many = next((many for many in ("1000", "k") if base.startswith(many)), "")
    return Instrument(
        id=instrument_id("okx", base, quote, expiry),
        venue="okx",
        symbol=f"{base}-{quote}-{expiry or 'SWAP'}",
        base=base,
        quote=quote,
        expiry=expiry,
        contract=Contract.INVERSE if inverse else Contract.LINEAR,
        coin=base.removeprefix(many) if many else "",
        multiplier=1000 if many else 1,
        is_trading=trades,
        is_crypto=crypto,
    )


contracts = st.builds(
    listed,
    st.sampled_from(["BTC", "ETH", "PEPE", "1000PEPE", "kPEPE", "TSLA"]),
    st.sampled_from([*QUOTES, "BTC", "FDUSD"]),
    st.sampled_from([None, None, None, "261225"]),
    trades=st.booleans(),
    crypto=st.booleans(),
    inverse=st.booleans(),
)
catalogues = st.lists(contracts, unique_by=lambda instrument: instrument.id, max_size=20)
spoken = st.sampled_from(["btc", "PEPE", "1000pepe", "kPEPE", "Tsla", "ETH-USDC-PERP", "btc-usdt-swap", "none"])


@given(catalogues, st.randoms(use_true_random=False), spoken)
def test_a_name_means_the_same_in_any_order(catalogue: list[Instrument], rng: object, name: str) -> None:
    """The resolver is a function of the set."""
    shuffled = catalogue[:]
    rng.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random of hypothesis
    assert Names(catalogue).find(name) == Names(shuffled).find(name)


@given(catalogues)
def test_every_instrument_has_names_of_its_own(catalogue: list[Instrument]) -> None:
    """Id and symbol, in any case, mean the instrument itself, whatever its coin is called."""
    names = Names(catalogue)
    for instrument in catalogue:
        for name in (instrument.id, instrument.symbol):
            assert names.find(name) == names.find(name.swapcase()) == instrument


@given(catalogues, st.sampled_from(["BTC", "PEPE", "TSLA"]))
def test_a_coin_means_the_best_there_is(catalogue: list[Instrument], coin: str) -> None:
    """None where there is no dollar perpetual on it; else one that trades if any does, linear if any such is."""
    common = [i for i in catalogue if is_common(i) and i.asset == coin]
    meant = Names(catalogue).coin(coin)
    assert (meant is None) == (not common)
    if meant is not None:
        assert meant in common
        assert meant.is_trading == any(i.is_trading for i in common)
        rivals = [i for i in common if i.is_trading == meant.is_trading]
        assert (meant.contract is Contract.LINEAR) == any(i.contract is Contract.LINEAR for i in rivals)


@given(catalogues, catalogues, st.randoms(use_true_random=False))
def test_the_default_set_is_a_function_of_the_sets(one: list[Instrument], other: list[Instrument], rng: object) -> None:
    """Neither the order of the rows nor that of the venues changes it; only what trades on both is in it."""
    turnovers = {venue: {i.symbol: float(len(i.symbol)) for i in one} for venue in ("a", "b")}
    chosen = default_set({"a": one, "b": other}, turnovers)
    shuffled = one[:]
    rng.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random of hypothesis
    again = default_set({"b": other, "a": shuffled}, turnovers)
    if one or other:
        assert chosen.coins == again.coins
    if one:
        for coin in chosen.names:
            for catalogue in (one, other):
                meant = Names(catalogue).coin(coin)
                assert meant is not None
                assert meant.is_trading
