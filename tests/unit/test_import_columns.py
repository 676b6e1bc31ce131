"""Which column of an imported table means what."""

from datetime import timedelta

import pytest

from perpscope.errors import ConfigError
from perpscope.feeds.liquidation_columns import Meaning, Reading, columns_named, header_of, missing, places_named


def found(header: str, columns: str = "") -> dict[str, str] | None:
    """Meaning → column, as the header is understood."""
    cells = header.split(",")
    understood = header_of(cells, columns_named(columns))
    return None if understood is None else {meaning.value: cells[at] for meaning, at in understood.places.items()}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            # the header of an exporter of Binance's forceOrder, as published
            "Symbol,Side,Order Type,Time in Force,Quantity,Price,Average Price,Order Status,Last Filled Quantity,"
            "Filled Quantity,Event Time (IST),Trade Time (IST)",
            {
                "time": "Trade Time (IST)",
                "symbol": "Symbol",
                "side": "Side",
                "filled": "Filled Quantity",
                "size": "Quantity",
                "fill_price": "Average Price",
                "price": "Price",
                "status": "Order Status",
            },
        ),
        (
            # the archive data.binance.vision once had, as its columns were documented
            "time,side,order_type,time_in_force,original_quantity,price,average_price,order_status,"
            "last_fill_quantity,accumulated_fill_quantity",
            {
                "time": "time",
                "side": "side",
                "filled": "accumulated_fill_quantity",
                "size": "original_quantity",
                "fill_price": "average_price",
                "price": "price",
                "status": "order_status",
            },
        ),
        (
            "s,S,o,f,q,p,ap,X,l,z,T",
            {
                "symbol": "s",
                "side": "S",
                "size": "q",
                "bankruptcy_price": "p",
                "fill_price": "ap",
                "status": "X",
                "filled": "z",
                "time": "T",
            },
        ),
        (
            "tradeTime,symbol,positionSide,origQty",
            {"time": "tradeTime", "symbol": "symbol", "position_side": "positionSide", "size": "origQty"},
        ),
        (
            "timestamp_ms,coin,notional_usd,px",
            {"time": "timestamp_ms", "symbol": "coin", "notional": "notional_usd", "price": "px"},
        ),
        ("hello,world,time", None),
        ("time,symbol,side,17", None),
    ],
)
def test_a_header_is_understood_by_its_names(header: str, expected: dict[str, str] | None) -> None:
    """Case, punctuation, camel case, zones and units do not matter; two known words do not make a header."""
    assert found(header) == expected


def test_named_columns_win_over_known_names() -> None:
    """What the user names is taken, and its rivals are no longer looked for."""
    header = "time,when,symbol,side,size,filled size,price,avg price,who"
    assert found(header, "time=when,size=size,price=price,position_side=who") == {
        "time": "when",
        "symbol": "symbol",
        "size": "size",
        "price": "price",
        "position_side": "who",
    }
    assert found("a,b", "time=a,symbol=c") is None
    assert found("a,b", "time=a,symbol=b") == {"time": "a", "symbol": "b"}


@pytest.mark.parametrize(
    ("name", "hours"),
    [("Time (IST)", 5.5), ("time_utc", 0), ("Time (UTC+1)", 1), ("Time [ms]", None), ("time", None), ("Time ()", None)],
)
def test_a_header_may_tell_the_time_zone(name: str, hours: float | None) -> None:
    """A zone in brackets or at the end; anything else there is none."""
    understood = header_of([name, "symbol", "side"], {})
    assert understood is not None
    assert (understood.zone and understood.zone.utcoffset(None)) == (None if hours is None else timedelta(hours=hours))


@pytest.mark.parametrize("text", ["time", "time=", "colour=red", "filled=x", "=x"])
def test_a_wrong_columns_option_is_refused(text: str) -> None:
    """`--columns` takes MEANING=COLUMN and says which meanings there are."""
    with pytest.raises(ConfigError, match="MEANING=COLUMN") as caught:
        columns_named(text)
    assert caught.value.code == "option-value"


def test_places_stand_for_columns_where_there_is_no_header() -> None:
    """All numbers are places from 1; a mixture are names."""
    assert places_named(columns_named("time=2, symbol=1")) == {Meaning.TIME: 1, Meaning.SYMBOL: 0}
    assert places_named(columns_named("time=2,symbol=coin")) is None
    assert places_named(columns_named("time=0")) is None
    assert places_named({}) is None


def test_what_is_missing_is_named() -> None:
    """Time, symbol, side, some size and some price have to be there; a symbol for all rows may be given instead."""
    assert missing({}, Reading()) == ["time", "symbol", "side", "size", "price"]
    places = {Meaning.TIME: 0, Meaning.POSITION_SIDE: 1, Meaning.NOTIONAL: 2, Meaning.BANKRUPTCY_PRICE: 3}
    assert missing(places, Reading()) == ["symbol"]
    assert missing(places, Reading(symbol="BTC")) == []
