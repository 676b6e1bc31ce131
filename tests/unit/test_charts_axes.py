"""Where axes have their marks."""

import math

import pytest

from perpscope.reports.axis_marks import even_marks, log_marks, mirrored_axis, padded, time_marks
from perpscope.reports.numerals import tick

DAY = 86_400_000
NOON = 1_723_118_400_000  # 2024-08-08 12:00 UTC


@pytest.mark.parametrize("length", [0.001, 0.7, 3.0, 99.0, 1e7])
@pytest.mark.parametrize("low", [-50.0, 0.0, 0.3])
def test_even_marks_are_round_and_within(low: float, length: float) -> None:
    """Two to eight marks, at multiples of 1, 2 or 5, inside the range."""
    at = [value for value, _ in even_marks(low, low + length, str)]
    step = at[1] - at[0]
    digit = step / 10 ** math.floor(math.log10(step) + 1e-9)
    assert min(abs(digit - round_one) for round_one in (1, 2, 5, 10)) < 1e-6
    assert 2 <= len(at) <= 8
    assert low - 1e-6 * length <= at[0] <= at[-1] <= low + length * (1 + 1e-6)


def test_counts_have_whole_marks() -> None:
    """Half an event is not marked."""
    assert [label for _, label in even_marks(0, 1.3, tick, whole=True)] == ["0", "1"]


@pytest.mark.parametrize(("low", "high"), [(-3.0, 1.0), (0.1, 0.2), (0.0, 0.4), (-12.0, 9.0), (2.0, 2.0)])
def test_log_marks_fit(low: float, high: float) -> None:
    """At least one and at most eight marks, inside the range, however many decades."""
    marks = log_marks(low, high, tick)
    assert 1 <= len(marks) <= 8
    assert all(low <= value <= high for value, _ in marks)


@pytest.mark.parametrize(
    ("length", "labels"),
    [
        (1000, ["12:00\n08 Aug"]),
        (4 * 60_000, ["12:00\n08 Aug", "12:01", "12:02", "12:03", "12:04"]),
        (2 * DAY, ["12:00\n08 Aug", "18:00", "00:00\n09 Aug", "06:00", "12:00", "18:00", "00:00\n10 Aug", "06:00"]),
        (6 * DAY, ["09 Aug\n2024", "10 Aug", "11 Aug", "12 Aug", "13 Aug", "14 Aug"]),
    ],
)
def test_time_marks_are_round_times(length: int, labels: list[str]) -> None:
    """Times people know, with the day where it changes."""
    found = [label for _, label in time_marks(NOON, NOON + length)]
    assert found[: len(labels)] == labels


def test_years_have_few_marks() -> None:
    """Ten years are marked by the year."""
    assert 2 <= len(time_marks(NOON, NOON + 3650 * DAY)) <= 10
    assert len(time_marks(NOON, NOON + 36_500 * DAY)) <= 101


def test_mirrored_axes_have_positive_labels() -> None:
    """Longs go down, but $5 of them are not −$5; an empty side keeps a little room."""
    axis = mirrored_axis("events", [10.0], [0.0], tick)
    assert axis.range[0] < -10 < 0 < axis.range[1] < 1
    assert [label for _, label in axis.marks] == ["10", "8", "6", "4", "2", "0"]
    assert mirrored_axis("events", [], [], tick).range[0] < 0


def test_ranges_have_air() -> None:
    """A single value does not make an empty range, not even zero."""
    assert padded([1.0, 2.0], by=0.5) == (0.5, 2.5)
    assert padded([5.0]) == (5.0 - 0.005, 5.0 + 0.005)
    assert padded([0.0]) == (-1.0, 1.0)
