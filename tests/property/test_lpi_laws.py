"""LPI for all samples: as counted one by one, bounded, never falling with size or displacement, without a unit."""

from hypothesis import given
from hypothesis import strategies as st

from perpscope.analytics.lpi import LpiSample

#: Coarse, so that equal times and equal figures are frequent.
events = st.tuples(st.integers(0, 60), st.integers(0, 12).map(float), st.integers(-6, 6).map(lambda n: n / 1024))
samples = st.lists(events, max_size=60)
WINDOW = 20


def judged(sample: list[tuple[int, float, float]], last: tuple[int, float, float]) -> tuple[int, float | None]:
    """What the last one gets."""
    stream = LpiSample(window_ns=WINDOW, min_sample=3)
    for event in (*sample, last):
        stream.update(*event)
    return stream.count, stream.value


def counted(sample: list[tuple[int, float, float]], last: tuple[int, float, float]) -> tuple[int, float | None]:
    """The definition, over a plain list: the window of the newest seen so far is all that is still held."""
    newest = -1
    held: list[tuple[int, float, float]] = []
    answer: tuple[int, float | None] = (0, None)
    for event in (*sample, last):
        newest = max(newest, event[0])
        earlier = [other for other in held if other[0] < event[0] and other[0] >= newest - WINDOW]
        answer = (len(earlier), None)
        if len(earlier) >= 3:
            parts = [
                sum((other[part] < event[part]) + 0.5 * (other[part] == event[part]) for other in earlier)
                for part in (1, 2)
            ]
            answer = (len(earlier), 100.0 * 0.5 * sum(parts) / len(earlier))
        held = [other for other in held if other[0] >= newest - WINDOW]
        if event[0] >= newest - WINDOW:
            held.append(event)
    return answer


def close(found: tuple[int, float | None], expected: tuple[int, float | None]) -> bool:
    """Equal up to rounding."""
    if found[1] is None or expected[1] is None:
        return found == expected
    return found[0] == expected[0] and abs(found[1] - expected[1]) < 1e-9


@given(samples, events)
def test_as_counted_one_by_one(sample: list[tuple[int, float, float]], last: tuple[int, float, float]) -> None:
    """In any order of arrival, late ones included, the sorted sample says what the definition says. Keeps S1-46."""
    assert close(judged(sample, last), counted(sample, last))


@given(samples, events)
def test_bounds(sample: list[tuple[int, float, float]], last: tuple[int, float, float]) -> None:
    """0 to 100, whatever comes."""
    value = judged(sample, last)[1]
    assert value is None or 0.0 <= value <= 100.0


@given(samples, events, st.floats(0, 5), st.floats(0, 0.01))
def test_larger_or_more_displaced_is_never_less(
    sample: list[tuple[int, float, float]], last: tuple[int, float, float], larger: float, further: float
) -> None:
    """More dollars, or a price further beyond the reference, cannot lower it."""
    ts_event, notional, moved = last
    before, after = judged(sample, last)[1], judged(sample, (ts_event, notional + larger, moved + further))[1]
    assert (before is None) == (after is None)
    assert before is None or after is None or after >= before - 1e-9


@given(samples, events, st.integers(-8, 8), st.integers(-8, 8))
def test_no_unit(
    sample: list[tuple[int, float, float]], last: tuple[int, float, float], dollars: int, prices: int
) -> None:
    """Another currency or another volatility, and the same LPI: powers of two keep the figures exact."""

    def scaled(event: tuple[int, float, float]) -> tuple[int, float, float]:
        return event[0], event[1] * 2.0**dollars, event[2] * 2.0**prices

    assert judged([scaled(event) for event in sample], scaled(last)) == judged(sample, last)
