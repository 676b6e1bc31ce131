"""`perpscope margin`: the contract of its JSON, names, cross positions, and what is refused with exit code 2."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import structlog

from perpscope.cli.main import run
from perpscope.model.instrument import Contract, Instrument, MarginTier, instrument_id
from perpscope.stores.sqlite import open_writer
from perpscope.stores.status import StoreKind

Captured = pytest.CaptureFixture[str]
DATED = "--venue binance --symbol BTCUSDT --table 2024-10"
FLAT = [{"floor": 0, "cap": None, "mmr": 0.01, "max_leverage": 100}]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty home and working folder with a table of one tier, and the log as it was."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    Path("flat.json").write_text(json.dumps(FLAT))
    yield
    structlog.reset_defaults()


def answer(words: str, capsys: Captured) -> dict[str, object]:
    """What the command prints as JSON."""
    assert run(["margin", *words.split(), "--json"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    found: dict[str, object] = json.loads(out)
    return found


@pytest.mark.parametrize(
    ("words", "price", "tier", "rate"),
    [
        pytest.param("--side long --entry 100000 --size 6.05 --leverage 50", 98_484.1563, 2, 0.005, id="13"),
        pytest.param("--side short --entry 100000 --size 5.95 --leverage 50", 101_499.9144, 3, 0.0065, id="14"),
        pytest.param("--side long --entry 60000 --size 100 --leverage 10", 54_429.7980, 4, 0.01, id="15"),
        pytest.param("--side long --entry 60000 --size 0.1 --leverage 20", 57_228.9157, 1, 0.004, id="16 long"),
        pytest.param("--side short --entry 60000 --size 0.1 --margin 300", 62_749.0040, 1, 0.004, id="16 by margin"),
    ],
)
def test_the_dated_vectors(words: str, price: float, tier: int, rate: float, capsys: Captured) -> None:
    """METHOD 1.2 by the command line, with the six fields of the contract. Keeps B8."""
    found = answer(f"{DATED} {words}", capsys)
    assert found["liquidation_price"] == pytest.approx(price, abs=5e-5)
    assert (found["tier"], found["maintenance_rate"], found["table_date"]) == (tier, rate, "2024-10")
    assert found["bankruptcy_price"] is not None
    assert "exact" in str(found["formula"])


@pytest.mark.parametrize(
    ("words", "symbol", "price"),
    [
        pytest.param("--venue binance --symbol btc", "BTCUSDT", 90.0 / 0.99, id="a coin"),
        pytest.param("--venue binance --symbol BTC-USDT-PERP.BINANCE", "BTCUSDT", 90.0 / 0.99, id="an id"),
        pytest.param("--venue BYBIT --symbol BTCUSDT", "BTCUSDT", 90.0 / 0.99, id="a venue in capitals"),
        pytest.param("--venue okx --symbol BTC", "BTC-USDT-SWAP", 90.0 / 0.9895, id="okx counts the fee"),
        pytest.param("--venue okx --symbol ZZZ-USDT-SWAP", "ZZZ-USDT-SWAP", 90.0 / 0.9895, id="okx unheard of"),
        pytest.param("--venue okx --symbol BTC --fee 0", "BTC-USDT-SWAP", 90.0 / 0.99, id="one's own fee"),
        pytest.param("--venue bitget --symbol BTCUSDT", "BTCUSDT", 90.0 / 0.9894, id="bitget"),
        pytest.param("--venue hyperliquid --symbol BTC", "BTC", 90.0 / 0.99, id="hyperliquid"),
    ],
)
def test_each_venue_by_any_name(words: str, symbol: str, price: float, capsys: Captured) -> None:
    """A long of 1 at 100 with 10 behind it, 1 %."""
    found = answer(f"{words} --table flat.json --side long --entry 100 --size 1 --margin 10", capsys)
    assert found["symbol"] == symbol
    assert found["liquidation_price"] == pytest.approx(price)


def test_an_inverse_contract(capsys: Captured) -> None:
    """METHOD 1.2, 17 by mark: 60,000 USD at 50,000, 10×, 0.5 %; the older formula is kept."""
    words = "--venue bybit --symbol BTCUSD --inverse --side long --entry 50000 --size 60000 --leverage 10"
    found = answer(words, capsys)
    assert found["liquidation_price"] == pytest.approx(45_681.8182, abs=5e-5)
    assert (found["table_date"], found["table_quality"]) == (None, "assumed")
    assert "0.5 % is assumed" in str(found["notes"])
    assert answer(f"{words} --formula entry", capsys)["liquidation_price"] == pytest.approx(45_662.1005, abs=5e-5)


def test_the_first_documents_formula(capsys: Captured) -> None:
    """METHOD 1.2, 13: 98,650 where the exact price is 98,484."""
    found = answer(f"{DATED} --side long --entry 100000 --size 6.05 --leverage 50 --formula seed", capsys)
    assert found["liquidation_price"] == pytest.approx(98_650.0)
    assert found["tier"] == 3


def test_a_cross_position_leans_on_the_others(capsys: Captured) -> None:
    """Wallet 50, another's loss of 20 and maintenance of 3.8; or that loss and maintenance as two figures."""
    words = "--venue bybit --symbol AUSDT --table flat.json --side long --entry 100 --size 1 --cross --wallet 50"
    others = ("--other BUSDT:long:2:200:190", "--other=-20:3.8")
    prices = [answer(f"{words} {other}", capsys)["liquidation_price"] for other in others]
    assert prices == [pytest.approx((100.0 - 50.0 + 20.0 + 3.8) / 0.99)] * 2
    alone = answer(words, capsys)
    assert alone["liquidation_price"] == pytest.approx(50.0 / 0.99)
    assert (alone["mode"], alone["bankruptcy_price"]) == ("cross", pytest.approx(50.0))


def test_hedge_mode_shares_its_prices(capsys: Captured) -> None:
    """Long 3, short 2.99 at 100, 8 of margin: 8 + 0.01 (P - 100) = 0.0599 P above; below, ever less is needed."""
    words = "--venue bybit --symbol AUSDT --table flat.json --side long --entry 100 --size 3 --cross --wallet 8"
    found = answer(f"{words} --other AUSDT:short:2.99:100", capsys)
    assert found["liquidation_below"] is None
    assert found["liquidation_above"] == pytest.approx(7.0 / 0.0499)
    assert found["liquidation_price"] == found["liquidation_above"]
    assert "share one margin" in str(found["notes"])


def test_what_no_price_liquidates_is_null(capsys: Captured) -> None:
    """A long at 1×: price, tier and rate are null, in words "no price"."""
    words = "--venue bybit --symbol AUSDT --side long --entry 100 --size 1 --leverage 1"
    found = answer(words, capsys)
    assert [found[name] for name in ("liquidation_price", "bankruptcy_price", "tier", "maintenance_rate")] == [None] * 4
    assert run(["margin", *words.split()]) == 0
    assert capsys.readouterr().out.count("no price") == 2


def test_funding_is_taken_from_the_margin(capsys: Captured) -> None:
    """Ten fundings of 0.1 % of 100 take 1 of 10."""
    words = "--venue bybit --symbol AUSDT --table flat.json --side long --entry 100 --size 1 --margin 10"
    found = answer(f"{words} --funding-rate 0.001 --fundings 10", capsys)
    assert (found["funding_paid"], found["balance"]) == (pytest.approx(1.0), pytest.approx(9.0))
    assert found["liquidation_price"] == pytest.approx(91.0 / 0.99)


def test_in_words(capsys: Captured) -> None:
    """Price, tier, table and formula, each with its date; fee and funding where there are any."""
    words = "--venue binance --symbol BTCUSDT --side long --entry 100000 --size 6.05 --leverage 50"
    assert run(["margin", *words.split()]) == 0
    out = capsys.readouterr().out
    assert "98,442.626" in out
    assert "0.5 % - 300, tier 2" in out
    assert "DATED: Binance USD-M leverage brackets, as of 2026-09" in out
    words = (
        "--venue bitget --symbol AUSDT --side short --entry 1 --size 50 --margin 5 --funding-rate 0.001 --fundings 2"
    )
    assert run(["margin", *words.split()]) == 0
    out = capsys.readouterr().out
    assert "ASSUMED: the venue's tiers are not known" in out
    assert "0.06 % counted" in out
    assert "-0.1 paid" in out


def test_tables_that_jump_are_said_to(capsys: Captured) -> None:
    """A venue without deductions: the note says why an edge can be the price."""
    tiers = ((0, 1000, 0.01, 50), (1000, None, 0.05, 10))
    jumps = [dict(zip(("floor", "cap", "mmr", "max_leverage"), tier, strict=True)) for tier in tiers]
    Path("jumps.json").write_text(json.dumps(jumps))
    words = "--venue bitget --symbol AUSDT --fee 0 --table jumps.json --side short --entry 99 --size 10 --margin 40"
    found = answer(words, capsys)
    assert found["liquidation_price"] == pytest.approx(100.0)
    assert "jumps where a tier ends" in str(found["notes"])


def test_the_store_knows_names_and_tiers(capsys: Captured) -> None:
    """An inverse contract of the store's catalogue, with the tiers the venue told."""
    identity = instrument_id("bybit", "BTC", "USD")
    inverse = Instrument(
        id=identity, venue="bybit", symbol="BTCUSD", base="BTC", quote="USD", contract=Contract.INVERSE
    )
    with closing(open_writer("market.db", kind=StoreKind.OBSERVED)) as store:
        store.register([inverse], 10**18)
        store.register_tiers({identity: [MarginTier(0.0, 150.0, 0.005, 100.0)]}, source="published", ts_from=10**18)
    words = "--venue bybit --symbol BTCUSD --side long --entry 50000 --size 60000 --leverage 10 --db market.db"
    found = answer(words, capsys)
    assert found["liquidation_price"] == pytest.approx(45_681.8182, abs=5e-5)
    assert (found["table_date"], found["table_quality"]) == ("2001-09-09", "published")


GOOD = "--venue binance --symbol BTCUSDT --side long --entry 100 --size 1"
CROSS = "--venue binance --symbol BTCUSDT --side long --entry 100 --size 1 --cross --wallet 50"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        pytest.param(GOOD, "wants --leverage or --margin", id="neither"),
        pytest.param(f"{GOOD} --leverage 5 --margin 5", "one of them", id="both"),
        pytest.param(f"{GOOD} --margin -5", "--margin -5", id="margin below 0"),
        pytest.param(f"{GOOD} --leverage 0.5", "1 or more", id="leverage below 1"),
        pytest.param(f"{GOOD} --leverage 151", "above 150", id="leverage above the tier's"),
        pytest.param(f"{GOOD} --margin 0.1", "below maintenance already", id="liquidated at once"),
        pytest.param(f"{GOOD} --leverage 5 --size nan", "--size nan", id="size nan"),
        pytest.param(f"{GOOD} --leverage 5 --entry 0", "--entry 0", id="entry 0"),
        pytest.param(f"{GOOD} --leverage 5 --mark=-1", "--mark -1", id="mark"),
        pytest.param(f"{GOOD} --leverage 5 --fee 0.5", "closing fee 0.5", id="fee"),
        pytest.param(f"{GOOD} --leverage 5 --side up", "'up'", id="side"),
        pytest.param(f"{GOOD} --leverage 5 --size x", "'--size'", id="size a word"),
        pytest.param(f"{GOOD} --leverage 5 --cross", "belong together", id="cross without wallet"),
        pytest.param(f"{GOOD} --leverage 5 --wallet 5", "belong together", id="wallet without cross"),
        pytest.param(f"{GOOD} --leverage 5 --other 1:2", "belongs to a cross position", id="other isolated"),
        pytest.param(f"{GOOD} --margin 5 --formula seed", "seed wants --leverage", id="seed without leverage"),
        pytest.param(f"{CROSS} --margin 5", "its --wallet", id="cross and margin"),
        pytest.param(f"{CROSS} --other x", "'x' is not SYMBOL:SIDE", id="other a word"),
        pytest.param(f"{CROSS} --other x:2", "'x' in --other", id="other no number"),
        pytest.param(f"{CROSS} --other ETHUSDT:up:1:1:1", "is not SYMBOL:SIDE", id="other side"),
        pytest.param(f"{CROSS} --other ETHUSDT:long:0:1:1", "must be a number above 0", id="other size"),
        pytest.param(f"{CROSS} --other ETHUSDT:long:1:1", "has no MARK", id="other without mark"),
        pytest.param("--venue kraken --symbol A --side long --entry 1 --size 1 --leverage 2", "'kraken'", id="venue"),
        pytest.param(
            "--venue binance --symbol NOSUCH --side long --entry 1 --size 1 --leverage 2", "'NOSUCH'", id="symbol"
        ),
        pytest.param(
            "--venue bybit --symbol BTCUSD --inverse --side long --entry 100 --size 10 --cross --wallet 1 --other "
            "ETHUSD:long:1:1:1",
            "margined in ETH",
            id="another coin's margin",
        ),
        pytest.param(f"{GOOD} --leverage 5 --table 2019-01", "as of 2019-01", id="table too old"),
    ],
)
def test_bad_input_is_told_with_exit_code_2(words: str, said: str, capsys: Captured) -> None:
    """What was wrong, with the value, and no traceback."""
    assert run(["margin", *words.split()]) == 2
    told = capsys.readouterr()
    assert said in " ".join(told.err.split())
    assert not told.out
