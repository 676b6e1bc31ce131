"""Laws of questions: whatever a URL holds, it is answered, or refused as a problem; never by an error of ours."""

import asyncio
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.asking import GridQuery, Maker, ask, endpoint

from perpscope.settings import Settings, Web
from perpscope.web.app import create_app
from perpscope.web.query import cursor_encode, duration_s, instant_ms

_NAMES = st.sampled_from([*GridQuery.__struct_fields__, "hours", ""])
_TEXTS = st.one_of(
    st.text(max_size=30),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(["24h", "1e9", "2026-11-20T09:00:00Z", "nan", "null", "true", cursor_encode((1, 2)), "A" * 600]),
)
_PAIRS = st.lists(st.tuples(_NAMES, _TEXTS), max_size=12)
_APP = create_app(
    Settings(web=Web(keys="/nowhere/keys.json", requests_per_min=10_000_000)), None, endpoints=[endpoint(Maker())]
)


def _is_in_order(query: str) -> None:
    told = asyncio.run(ask(_APP, f"/api/grid?{query}"))
    if told.status != 200:
        assert told.status in {400, 422}
        assert told.headers["content-type"] == "application/problem+json"
        assert told.json["code"]
        assert all(fault["message"] for fault in told.json.get("errors", []))


@settings(max_examples=150, deadline=None)
@given(_PAIRS)
def test_any_well_formed_query_is_answered_or_refused(pairs: list[tuple[str, str]]) -> None:
    """Names and values of every kind, right and wrong, give 200 or a problem. Security S18."""
    _is_in_order("&".join(f"{quote(name)}={quote(text, errors='replace')}" for name, text in pairs))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_behind_the_question_mark_are_answered_or_refused(raw: bytes) -> None:
    """What is no query at all gives a problem, too."""
    _is_in_order(raw.decode("latin-1"))


@given(st.text(max_size=40), st.integers(0, 4_000_000_000_000))
def test_an_instant_is_one_or_is_refused(text: str, now_ms: int) -> None:
    """Whatever text comes, it is an instant between 1970 and 2100, or a ValueError."""
    try:
        found = instant_ms(text, now_ms)
    except ValueError:
        return
    assert 0 <= found < 4_102_444_800_000


@given(st.floats(0, 99_999, allow_nan=False).map(lambda value: f"{value:.3f}h"))
def test_a_length_of_time_is_read_back(text: str) -> None:
    """Hours with a fraction are what they say."""
    assert abs(duration_s(text) - float(text[:-1]) * 3600) < 1e-6
