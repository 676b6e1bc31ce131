"""What one cell of an imported file says."""

from datetime import UTC, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest

from perpscope.feeds.liquidation_cells import (
    Ambiguity,
    SideMeaning,
    TimeUnit,
    moment,
    number,
    position_side,
    told_number,
    unit_of,
    zone_named,
)
from perpscope.model.market import PositionSide

IST = timezone(timedelta(hours=5, minutes=30))
BERLIN = ZoneInfo("Europe/Berlin")
NOON = 1_733_313_600_000_000_000  # 2024-12-04 12:00:00 UTC


@pytest.mark.parametrize(
    ("text", "unit", "zone", "expected"),
    [
        ("1733313600", None, None, NOON),
        ("1733313600.5", None, None, NOON + 500_000_000),
        ("1733313600000", None, None, NOON),
        ("1733313600000000", None, None, NOON),
        ("1733313600000000001", None, None, NOON + 1),
        ("1733313600000", TimeUnit.MS, BERLIN, NOON),
        ("2024-12-04 12:00:00Z", None, None, NOON),
        ("2024-12-04T12:00", None, UTC, NOON),
        ("2024-12-04 12:00:00.000000001 UTC", TimeUnit.ISO, None, NOON + 1),
        ("2024/12/04 17:30:00,5+0530", None, None, NOON + 500_000_000),
        ("2024-12-04 17:30:00", None, IST, NOON),
        ("2024-12-04 17:30:00+05:30", None, BERLIN, NOON),
        ("2024-12-04 13:00:00", None, BERLIN, NOON),
    ],
)
def test_a_moment_is_read_in_its_own_unit_and_zone(
    text: str, unit: TimeUnit | None, zone: tzinfo | None, expected: int
) -> None:
    """Seconds to nanoseconds, dates with and without a zone: all become the same UTC nanoseconds, exactly."""
    assert moment(text, unit, zone) == expected


@pytest.mark.parametrize(
    ("text", "unit", "zone", "reason"),
    [
        ("yesterday", None, UTC, "is not a time"),
        ("2024-12-04", None, UTC, "is not a time"),
        ("2024-13-04 12:00:00", None, UTC, "month must be"),
        ("04.12.2024 12:00", None, UTC, "is not a time"),
        ("1.7333E+12", None, UTC, "is not a time"),
        ("0001-01-01 00:00:00+14:00", None, UTC, "between 2010 and 2100"),
        ("1999-12-04 12:00:00", None, UTC, "between 2010 and 2100"),
        ("9999999999999999999", None, UTC, "between 2010 and 2100"),
        ("1733313600", TimeUnit.MS, UTC, "between 2010 and 2100"),
        ("2024-12-04 12:00:00", TimeUnit.MS, UTC, "not written as ms"),
        ("1733313600000", TimeUnit.ISO, UTC, "not written as iso"),
        ("2024-10-27 02:30:00", None, BERLIN, "happened twice in Europe/Berlin"),
        ("2024-03-31 02:30:00", None, BERLIN, "never happened in Europe/Berlin"),
        ("2024-12-04 12:00:00+25:00", None, UTC, "offset must be"),
    ],
)
def test_what_is_no_moment_is_refused(text: str, unit: TimeUnit | None, zone: tzinfo, reason: str) -> None:
    """Half a date, another notation, an hour that happened twice: a reason, never a guess."""
    with pytest.raises(ValueError, match=reason):
        moment(text, unit, zone)


def test_a_local_time_without_a_zone_asks_for_one() -> None:
    """A date without a zone is no UTC date: the option that decides is named."""
    with pytest.raises(Ambiguity, match="no time zone") as caught:
        moment("2024-12-04 12:00:00", None, None)
    assert caught.value.option.startswith("--time-zone")


@pytest.mark.parametrize(("text", "expected"), [("17", "iso"), ("1718901133", "s"), ("1718901133106", "ms")])
def test_the_length_of_an_epoch_tells_its_unit(text: str, expected: str) -> None:
    """Between 2010 and 2100 the units of an epoch do not overlap."""
    assert unit_of(text).value == expected


@pytest.mark.parametrize(
    ("name", "hours"), [("utc", 0), ("Z", 0), ("IST", 5.5), ("+05:30", 5.5), ("UTC-3", -3), ("Asia/Kolkata", 5.5)]
)
def test_a_zone_goes_by_many_names(name: str, hours: float) -> None:
    """Offsets, abbreviations in headers, and the names of the zone database."""
    zone = zone_named(name)
    assert moment("2024-12-04 12:00:00", None, zone) == NOON - int(hours * 3600) * 1_000_000_000


@pytest.mark.parametrize("name", ["Mars", "", "../etc", "Asia", "+99:00"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    """No zone is taken for UTC because nobody knows it."""
    with pytest.raises(ValueError, match=r"."):
        zone_named(name)


@pytest.mark.parametrize("text", ["", "x", "-1", "nan", "inf", "1e15", "1_000", "1,5", "٣"])
def test_what_is_no_number_is_refused(text: str) -> None:
    """Signs, digit grouping, infinities and other scripts are no sizes or prices."""
    with pytest.raises(ValueError, match="is not a number"):
        number(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("None", None), ("", None), ("0", None), ("0.000", None), ("NaN", None), ("0.5", 0.5)]
)
def test_a_number_may_be_untold(text: str, expected: float | None) -> None:
    """`None`, nothing and nought are how recorders say that there was no fill price."""
    assert told_number(text) == expected


@pytest.mark.parametrize(
    ("text", "meaning", "expected"),
    [
        ("SELL", SideMeaning.ORDER, PositionSide.LONG),
        ("buy", SideMeaning.ORDER, PositionSide.SHORT),
        ("Buy", SideMeaning.POSITION, PositionSide.LONG),
        ("sell", SideMeaning.POSITION, PositionSide.SHORT),
        ("Long", None, PositionSide.LONG),
        ("SHORT", SideMeaning.ORDER, PositionSide.SHORT),
    ],
)
def test_a_side_is_turned_into_the_position_s(text: str, meaning: SideMeaning | None, expected: PositionSide) -> None:
    """SELL closes a long if it is the order's side, and is a short if it is the position's."""
    assert position_side(text, meaning) is expected


def test_a_side_of_nobody_knows_what_is_ambiguous() -> None:
    """Venues disagree on what BUY is said of, so it has to be said."""
    with pytest.raises(Ambiguity, match="order's or the position's") as caught:
        position_side("BUY", None)
    assert caught.value.option.startswith("--side-means")
    with pytest.raises(ValueError, match="none of BUY"):
        position_side("A", SideMeaning.ORDER)
