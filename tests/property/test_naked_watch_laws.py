"""Laws of the watch over naked positions, for every history of positions, stops, refusals and looks."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from perpscope.execution.guard import Care, NakedWatch

_ALLOWED_S = 5.0
#: Seconds between two looks, and after each: what is held, whether a stop is confirmed, whether one was refused.
_HISTORIES = st.lists(
    st.tuples(
        st.floats(0.0, 0.5),
        st.sampled_from([Decimal(0), Decimal("0.1"), Decimal("-0.2")]),
        st.booleans(),
        st.sampled_from(["", "", "", "refused", "hopeless"]),
    ),
    max_size=120,
)


@given(_HISTORIES)
def test_never_naked_for_longer_than_allowed_without_closing(
    history: list[tuple[float, Decimal, bool, str]],
) -> None:
    """Whoever has been naked for the time allowed was told to close before, at every look since. Keeps B15."""
    watch, now_s = NakedWatch(_ALLOWED_S), 0.0
    naked_since: float | None = None
    longest = 0.0
    for pause_s, position, is_protected, refusal in history:
        now_s += pause_s
        if naked_since is not None:
            longest = max(longest, now_s - naked_since)
        naked_since = None if not position or is_protected else now_s if naked_since is None else naked_since
        care = watch.look(position, is_protected=is_protected, now_s=now_s)
        if naked_since is None:
            assert care is Care.NOTHING
        elif now_s - naked_since >= 0.9 * _ALLOWED_S:
            assert care is Care.FLATTEN
        assert watch.longest_s == longest
        assert watch.now_s == (0.0 if naked_since is None else now_s - naked_since)
        if refusal and naked_since is not None:
            watch.refused(is_hopeless=refusal == "hopeless")


@given(_HISTORIES)
def test_a_stop_is_sent_again_once_and_never_after_closing_began(
    history: list[tuple[float, Decimal, bool, str]],
) -> None:
    """Within one naked spell: at most one RESEND, and none once the position is to be closed. Keeps B15."""
    watch, now_s, said = NakedWatch(_ALLOWED_S), 0.0, list[Care]()
    for pause_s, position, is_protected, refusal in history:
        now_s += pause_s
        care = watch.look(position, is_protected=is_protected, now_s=now_s)
        if not position or is_protected:
            said.clear()
            continue
        said.append(care)
        assert said.count(Care.RESEND) <= 1
        if Care.FLATTEN in said:
            assert set(said[said.index(Care.FLATTEN) :]) == {Care.FLATTEN}
        if refusal:
            watch.refused(is_hopeless=refusal == "hopeless")
