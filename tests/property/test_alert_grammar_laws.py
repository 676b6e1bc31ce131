"""Whatever text comes: the grammar of alert rules reads it or refuses it, and does nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from perpscope.analytics.alerts.expression import names, softened, truth
from perpscope.analytics.alerts.grammar import Mistake, parse
from perpscope.analytics.alerts.measures import UNITS

_PIECES = st.sampled_from(
    "liq_usd_5m price coin 'BTC' 5M 1e6 - + * / ( ) < >= == and or not abs( max( , "
    "__import__ lambda . [ % $ pull 1_0 µ".split()
)


@given(st.one_of(st.text(max_size=120), st.lists(_PIECES, max_size=24).map(" ".join)))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but a `Mistake` comes of a text that means nothing, and its place lies within the text."""
    node, at = None, -1
    try:
        node = parse(text, UNITS)
    except Mistake as mistake:
        at = mistake.at
    if node is None:
        assert 0 <= at <= len(text)
        return
    assert truth(node, dict.fromkeys(UNITS)) in {None, True, False}
    assert set(names(node)) <= set(UNITS)


@given(
    st.floats(-1e9, 1e9),
    st.floats(-1e9, 1e9),
    st.floats(0.01, 1.0),
    st.sampled_from(["<", "<=", ">", ">="]),
    st.booleans(),
)
def test_an_eased_condition_is_never_harder(value: float, bound: float, factor: float, sign: str, turned: bool) -> None:
    """What raises an alert keeps it up: hysteresis can only make a condition easier to meet."""
    text = f"{bound:.6f} {sign} price" if turned else f"price {sign} {bound:.6f}"
    node = parse(text, {"price": "price"})
    if truth(node, {"price": value}):
        assert truth(softened(node, factor), {"price": value})
