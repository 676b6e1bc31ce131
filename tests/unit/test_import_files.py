"""Files of liquidations: forms found out by content, rows as events, broken rows by name.

Rows are written by hand in the forms recorders of Binance's `!forceOrder@arr` use.
"""

from collections.abc import Callable
from datetime import timedelta, timezone
from pathlib import Path

import pytest

from perpscope.app import venues
from perpscope.errors import DataError
from perpscope.feeds.liquidation_cells import SideMeaning
from perpscope.feeds.liquidation_columns import PriceMeaning, Reading, SizeUnit, columns_named
from perpscope.feeds.liquidation_files import FORCE_ORDER, Found, LiquidationFile, Rejected
from perpscope.model.market import Completeness, Liquidation, PositionSide, Sampling
from perpscope.ports import Venue
from perpscope.venues.binance import Binance

BINANCE = venues.find("binance")
HEADER = (
    "Symbol,Side,Order Type,Time in Force,Quantity,Price,Average Price,Order Status,Last Filled Quantity,"
    "Filled Quantity,Event Time (IST),Trade Time (IST)"
)
IST_ROW = (
    "BTCUSDT,SELL,LIMIT,IOC,0.013,94434.91,94809.6,FILLED,0.013,0.013,2024-12-04 22:16:25.587000+05:30,"
    "2024-12-04 22:16:25.584000+05:30"
)
ROW = "RARE,BUY,LIMIT,IOC,4421,0.2226588,0.2185000,FILLED,3750,4421,1723895903305,984.37"
NO_FILL = "BTC_250627,SELL,LIMIT,IOC,0.5,104083.00,None,PARTIALLY_FILLED,0.001,0.010,1750712382035,1040.83"


class Bybit(Binance):
    """A venue with the same names whose files do not say what BUY is said of."""

    name = "bybit"


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., LiquidationFile]:
    """A file with these lines, read."""

    def write(*lines: str, venue: Venue = BINANCE, reading: Reading | None = None) -> LiquidationFile:
        path = tmp_path / "file.csv"
        path.write_text("\n".join(lines) + "\n", "utf-8")
        return LiquidationFile(path, reading or Reading(), venue)

    return write


Opened = Callable[..., LiquidationFile]


def events(file: LiquidationFile) -> list[Liquidation]:
    """The good rows."""
    return [row.liquidation for row in file.rows() if isinstance(row, Found)]


def reasons(file: LiquidationFile) -> list[tuple[int, str]]:
    """The others."""
    return [(row.line, row.reason) for row in file.rows() if isinstance(row, Rejected)]


def test_force_order_rows_need_no_header(file: Opened) -> None:
    """A stripped symbol gets its quote (before the expiry), `None` is no fill price, `p` the bankruptcy price."""
    opened = file(ROW, NO_FILL)
    assert opened.layout is FORCE_ORDER
    sampled = Completeness.SAMPLED, Sampling.UNKNOWN
    rare, btc = events(opened)
    ts, ts_btc = 1_723_895_903_305_000_000, 1_750_712_382_035_000_000
    assert rare == Liquidation(rare.instrument, ts, ts, PositionSide.SHORT, 4421.0, 0.2185, 0.2226588, *sampled)
    assert btc == Liquidation(btc.instrument, ts_btc, ts_btc, PositionSide.LONG, 0.01, None, 104083.0, *sampled)
    assert (rare.instrument, btc.instrument) == ("RARE-USDT-PERP.BINANCE", "BTC-USDT-250627.BINANCE")
    assert "times since 1970 in ms" in opened.findings[2]


def test_a_header_in_ist_lands_in_utc(file: Opened) -> None:
    """The trade time, not the event time, in UTC to the nanosecond."""
    opened = file(HEADER, IST_ROW)
    (event,) = events(opened)
    assert event.ts_event == 1_733_330_785_584_000_000  # 2024-12-04 16:46:25.584 UTC
    assert (event.fill_price, event.bankruptcy_price, event.size) == (94809.6, 94434.91, 0.013)
    assert "'Trade Time (IST)'" in opened.findings[1]
    assert "IST" in opened.findings[2]
    (naive,) = events(file(HEADER, IST_ROW.replace("+05:30", "")))
    assert naive == event
    joined = file(HEADER, IST_ROW, HEADER, IST_ROW)
    assert (len(events(joined)), reasons(joined)) == (2, [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("<generator object f.<locals>.<genexpr> at 0x0>,175.5", "2 cells where there should be 12"),
        ("Hello Trading Bot" + ROW, "symbol 'Hello Trading BotRARE' is none of binance's"),
        (ROW.replace("RARE", "BTCUSD"), "symbol 'BTCUSD' is none of"),
        (ROW.replace("RARE", "BTCUSD_250627"), "symbol 'BTCUSD_250627' is none of"),
        (ROW.replace("RARE", "x" * 90), "…'"),
        (ROW.replace("BUY", "HOLD"), "side 'HOLD' is none of"),
        (ROW.replace("FILLED", "NEW"), "status 'NEW': not executed"),
        (ROW.replace("4421", "0"), "no size"),
        (ROW.replace("4421,1723", "oops,1723"), "'oops' is not a number"),
        (ROW.replace("0.2226588", "0").replace("0.2185000", "None"), "no price"),
        (ROW.replace("1723895903305", "9723895903305"), "between 2010 and 2100"),
        (HEADER, "of another layout (a table with a header)"),
        (IST_ROW, "of another layout (times that are not milliseconds)"),
        ('"' + ROW, "quotes:"),
    ],
)
def test_a_broken_row_is_named_and_the_others_stay(file: Opened, line: str, reason: str) -> None:
    """Before or after the good rows, a bad one costs itself."""
    for lines, number in (((line, ROW, NO_FILL), 1), ((ROW, line, NO_FILL), 2)):
        if number == 1 and line == HEADER:
            continue  # the first form that is recognised holds: then the others are the broken ones
        opened = file(*lines)
        assert len(events(opened)) == 2
        ((at, why),) = reasons(opened)
        assert at == number
        assert reason in why


def test_a_mixed_file_keeps_the_first_form_and_names_the_rest(file: Opened) -> None:
    """Rows without a header below one: each is named as of another layout."""
    opened = file(HEADER, IST_ROW, ROW, IST_ROW)
    assert len(events(opened)) == 2
    ((line, reason),) = reasons(opened)
    assert line == 3
    assert reason.startswith("of another layout (Binance forceOrder rows without a header)")


@pytest.mark.parametrize(
    ("row", "reading", "expected"),
    [
        ("BTC,SELL,2,100", Reading(), (PositionSide.LONG, 2.0, 100.0, None)),
        ("BTC,LONG,2,100", Reading(), (PositionSide.LONG, 2.0, 100.0, None)),
        ("BTC,SELL,2,100", Reading(side_means=SideMeaning.POSITION), (PositionSide.SHORT, 2.0, 100.0, None)),
        ("BTC,SELL,2,100", Reading(price_means=PriceMeaning.BANKRUPTCY), (PositionSide.LONG, 2.0, None, 100.0)),
        ("BTC,SELL,200,100", Reading(size_unit=SizeUnit.USD), (PositionSide.LONG, 2.0, 100.0, None)),
        (
            "BTC,SELL,20,100",
            Reading(size_unit=SizeUnit.CONTRACTS, contract_size=0.1),
            (PositionSide.LONG, 2.0, 100.0, None),
        ),
    ],
)
def test_options_say_what_a_plain_table_cannot(
    file: Opened, row: str, reading: Reading, expected: tuple[PositionSide, float, float | None, float | None]
) -> None:
    """Side, price and size are read as told, sizes become base units."""
    (event,) = events(file("time,symbol,side,size,price", "1723895903," + row, reading=reading))
    assert (event.position_side, event.size, event.fill_price, event.bankruptcy_price) == expected
    assert event.ts_event == 1_723_895_903_000_000_000


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("time,symbol,side,notional_usd,price", "BTC,SELL,200,100", (2.0, 100.0, None)),
        ("time,symbol,side,size,price,bankruptcy_price", "BTC,SELL,2,101,100", (2.0, 101.0, 100.0)),
        ("time,symbol,side,size,fill_price,bankruptcy_price,price", "BTC,SELL,2,,100,100", (2.0, None, 100.0)),
        ("time,symbol,side,size,bankruptcy_price", "BTC,SELL,2,100", (2.0, None, 100.0)),
        ("T,s,S,q,z,p,ap,X", "BTCUSDT,SELL,3,2,100,101,FILLED", (2.0, 101.0, 100.0)),
        ("time,symbol,side,size,price,venue", "BTC,SELL,2,100,Binance", (2.0, 100.0, None)),
        ("time,symbol,position_side,side,size,price", "BTC,LONG,nonsense,2,100", (2.0, 100.0, None)),
    ],
)
def test_prices_and_sizes_of_many_tables(
    file: Opened, header: str, row: str, expected: tuple[float, float | None, float | None]
) -> None:
    """Dollars over the price, filled before ordered, the order's own price beside an average."""
    opened = file(header, "1723895903," + row)
    (event,) = events(opened)
    assert event.position_side is PositionSide.LONG
    assert (event.size, event.fill_price, event.bankruptcy_price) == expected
    assert len(opened.findings) == 4


def test_a_row_of_another_venue_is_named(file: Opened) -> None:
    """A table of several venues gives the rows of the one that was asked for."""
    opened = file(
        "time,symbol,side,size,price,venue", "1723895903,BTC,SELL,2,100,binance", "1723895903,BTC,SELL,2,100,okx"
    )
    assert len(events(opened)) == 1
    assert "give its rows with --venue" in reasons(opened)[0][1]


def test_places_are_named_where_there_is_no_header(file: Opened) -> None:
    """`--columns time=1,…` reads a table without names; a short row is named."""
    reading = Reading(columns=columns_named("time=1,side=2,size=3,price=4"), symbol="ethusdt")
    opened = file("1723895903,SELL,2,100", "1723895903,SELL", reading=reading)
    (event,) = events(opened)
    assert event.instrument == "ETH-USDT-PERP.BINANCE"
    assert reasons(opened) == [(2, "2 cells where there should be 4")]
    assert opened.findings[1].startswith("time ← column 1")


@pytest.mark.parametrize(
    ("symbol", "quote", "expected"),
    [
        ("BTC", "USDT", "BTC-USDT-PERP.BINANCE"),
        ("BTC", "USDC", "BTC-USDC-PERP.BINANCE"),
        ("BTCUSDC", "USDT", "BTC-USDC-PERP.BINANCE"),
        ("USDC", "USDT", "USDC-USDT-PERP.BINANCE"),
        ("XAU", "USDT", "XAU-USDT-PERP.BINANCE"),
        ("BTCU", "U", "BTC-U-PERP.BINANCE"),
        ("1000PEPE", "usdt", "1000PEPE-USDT-PERP.BINANCE"),
    ],
)
def test_a_symbol_names_its_quote_or_gets_one(file: Opened, symbol: str, quote: str, expected: str) -> None:
    """The quote of one letter, with which many coins end, counts only where it was asked for."""
    (event,) = events(file(ROW.replace("RARE", symbol), reading=Reading(quote=quote)))
    assert event.instrument == expected


@pytest.mark.parametrize(
    ("lines", "venue", "option"),
    [
        (("time,symbol,side,size,price", "2024-12-04 10:00:00,BTC,SELL,1,2"), BINANCE, "--time-zone"),
        (("time,symbol,side,size,price", "x,BTC,SELL,1,2", "2024-12-04 10:00,BTC,SELL,1,2"), BINANCE, "--time-zone"),
        (("time,symbol,side,size,price", "1723895903,BTC,SELL,1,2"), Bybit(), "--side-means"),
        (("time,symbol,side,amount,price", "1723895903,BTC,SELL,1,2"), BINANCE, "--size-unit"),
    ],
)
def test_an_ambiguity_names_the_option_that_decides(
    file: Opened, lines: tuple[str, ...], venue: Venue, option: str
) -> None:
    """No zone, a side of nobody knows whom, an amount of nobody knows what: asked, never guessed."""
    with pytest.raises(DataError) as caught:
        file(*lines, venue=venue)
    assert caught.value.code == "import-ambiguous"
    assert option in str(caught.value.hint)


def test_contracts_need_their_size(file: Opened) -> None:
    """A number of contracts is no size until somebody says how large one is."""
    with pytest.raises(DataError) as caught:
        file("time,symbol,side,size,price", "1723895903,BTC,SELL,1,2", reading=Reading(size_unit=SizeUnit.CONTRACTS))
    assert "--contract-size" in str(caught.value.hint)


def test_one_row_without_a_zone_is_only_a_bad_row(file: Opened) -> None:
    """Where others tell theirs, whichever comes first, the naive one is named and the others stay."""
    good, naive = "2024-12-04 10:00:00Z,BTC,SELL,1,2", "2024-12-04 10:00:00,BTC,SELL,1,2"
    for lines in ((good, naive), (naive, good)):
        opened = file("time,symbol,side,size,price", *lines)
        assert len(events(opened)) == 1
        assert "has no time zone" in reasons(opened)[0][1]


@pytest.mark.parametrize(
    ("lines", "reading", "code", "message"),
    [
        (
            ("s,liq_amount,S,q,funding_rate,time", "FLOWUSDT,30000,BUY,8,0.1,x"),
            Reading(),
            "import-form",
            "bucketed sums",
        ),
        (
            ("time,user,liquidated_ntl_pos,liquidated_account_value,leverage_type", "x,0x0,1,1,Cross"),
            Reading(),
            "import-form",
            "liquidated accounts",
        ),
        (("time,symbol,side,size", "1,2,3,4"), Reading(), "import-columns", "no column for price (it has time, symbol"),
        (
            ("a,b", "1,2"),
            Reading(columns=columns_named("time=1,price=2")),
            "import-columns",
            "symbol and side and size",
        ),
        (("a,b", "1,2"), Reading(columns=columns_named("time=when")), "import-columns", "no header with all of when"),
        (("hello", "world"), Reading(), "import-form", "neither a header nor"),
        (('{"a":1}',), Reading(), "import-form", "raw frames"),
        (('"broken',), Reading(), "import-form", "begins with"),
        ((HEADER,), Reading(), "import-form", "a header and no rows"),
        ((HEADER, "x", "y"), Reading(), "import-form", "not one of its 2 rows is a liquidation; line 2: 1 cells"),
    ],
)
def test_a_file_that_holds_no_liquidations_says_why(
    file: Opened, lines: tuple[str, ...], reading: Reading, code: str, message: str
) -> None:
    """Sums, accounts, recordings and tables that lack something: one error each, with what to do."""
    with pytest.raises(DataError) as caught:
        file(*lines, reading=reading)
    assert caught.value.code == code
    assert message in caught.value.message
    assert caught.value.hint


def test_force_order_rows_are_binance_s(file: Opened) -> None:
    """The form is not read as another venue's, whose fields mean other things."""
    with pytest.raises(DataError, match="neither a header nor"):
        file(ROW, venue=Bybit())


def test_more_symbols_than_are_remembered_are_read_all_the_same(file: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of nonsense symbols does not fill the memory."""
    monkeypatch.setattr("perpscope.feeds.liquidation_rows._MOST_SYMBOLS", 1)
    opened = file(ROW, NO_FILL, ROW, NO_FILL)
    assert len(events(opened)) == 4


def test_zone_of_an_option_is_for_naive_times_only(file: Opened) -> None:
    """A value that tells its own zone keeps it."""
    reading = Reading(time_zone=timezone(timedelta(hours=1)))
    told, naive = events(
        file(
            "time,symbol,side,size,price",
            "2024-12-04 10:00Z,BTC,SELL,1,2",
            "2024-12-04 10:00,BTC,SELL,1,2",
            reading=reading,
        )
    )
    assert told.ts_event - naive.ts_event == 3_600_000_000_000
