"""Questions: what a URL may say, what it may not, and that all of it is told at once."""

import pytest
from tests.unit.asking import GridQuery

from perpscope.web.problem import Refused
from perpscope.web.query import Questions, cursor_decode, cursor_encode, duration_s, instant_ms

_NOW_MS = 1_795_165_200_000  # 2026-11-20T09:00:00Z


def read(query: str) -> GridQuery:
    """The question of a query string."""
    found = Questions(GridQuery).read(query.encode())
    assert isinstance(found, GridQuery)
    return found


def faults(query: str) -> dict[str, str]:
    """Pointer → message of a refused query string."""
    with pytest.raises(Refused) as caught:
        read(query)
    assert (caught.value.status, caught.value.code) == (422, "query-invalid")
    return {fault.pointer: fault.message for fault in caught.value.errors}


def test_a_question_is_read_by_the_types_of_its_fields() -> None:
    """Numbers, lists and switches come as such; what is left out keeps its default."""
    found = read("symbol=ETH&rows=7&share=0.25&names=a,b&is_wide=true&span=90s&since=24h")
    assert found == GridQuery(symbol="ETH", rows=7, share=0.25, names=("a", "b"), is_wide=True, span="90s", since="24h")
    assert read("") == GridQuery()
    assert read("names=") == GridQuery()


@pytest.mark.parametrize(
    ("query", "pointer", "word"),
    [
        ("rows=1e9", "/rows", "<= 1000"),
        ("rows=-1", "/rows", ">= 0"),
        ("rows=x", "/rows", "int"),
        ("rows=" + "9" * 400, "/rows", "int"),
        ("share=nan", "/share", "nan"),
        ("share=inf", "/share", "inf"),
        ("symbol=", "/symbol", "length >= 1"),
        ("symbol=" + "A" * 600, "/symbol", "600 characters"),
        ("symbol=A%00B", "/symbol", "control"),
        ("symbol=BTC&symbol=ETH", "/symbol", "twice"),
        ("names=a,b,c,d", "/names", "length <= 3"),
        ("names=a,,b", "/names", "length >= 1"),
        ("is_wide=perhaps", "/is_wide", "bool"),
        ("since=2026-11-20T09:00:00", "/since", "no zone"),
        ("since=1795165200", "/since", "neither epoch ms"),
        ("since=2026-02-30T00:00:00Z", "/since", "neither epoch ms"),
        ("since=1905-01-01T00:00:00Z", "/since", "between 1970 and 2100"),
        ("span=5y", "/span", "no length of time"),
        ("hours=24", "/hours", "unknown here; known are symbol, rows"),
        ("a/b~c=1", "/a~1b~0c", "unknown"),
        ("rows", "", "cannot be read"),
        ("symbol=%ff", "", "UTF-8"),
        ("symbol=\xe9", "", "UTF-8"),
        ("&".join(f"x{n}=1" for n in range(60)), "", "cannot be read"),
        ("symbol=A&" + "x" * 5000, "", "5009 characters"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(query: str, pointer: str, word: str) -> None:
    """Each wrong parameter is told with its pointer and what is wrong, and none reaches a store. Security S18, S19."""
    assert word in faults(query)[pointer]


def test_everything_wrong_is_told_at_once() -> None:
    """Whoever asks need not mend a question one parameter at a time."""
    assert set(faults("rows=1e9&share=2&bogus=1&span=x")) == {"/rows", "/share", "/bogus", "/span"}


def test_a_name_in_the_path_is_no_query_parameter() -> None:
    """The path's own name is read from the path, bounded the same, and cannot be overridden behind the `?`."""
    questions = Questions(GridQuery, frozenset({"symbol"}))
    found = questions.read(b"rows=2", {"symbol": "ETH"})
    assert found == GridQuery(symbol="ETH", rows=2)
    for query, path in ((b"symbol=BTC", "ETH"), (b"", "A" * 30)):
        with pytest.raises(Refused) as caught:
            questions.read(query, {"symbol": path})
        assert caught.value.errors[0].pointer == "/symbol"
    with pytest.raises(ValueError, match="nothing"):
        Questions(GridQuery, frozenset({"nothing"}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1795165200000", _NOW_MS),
        ("2026-11-20T09:00:00Z", _NOW_MS),
        ("2026-11-20T18:00:00+09:00", _NOW_MS),
        ("2026-11-20T18:00:00 09:00", _NOW_MS),
        ("2026-11-20T09:00:00.250Z", _NOW_MS + 250),
        ("24h", _NOW_MS - 86_400_000),
        ("1.5h", _NOW_MS - 5_400_000),
        ("7d", _NOW_MS - 604_800_000),
        ("999999999w", 0),
    ],
)
def test_an_instant_is_read_in_every_documented_spelling(text: str, expected: int) -> None:
    """Epoch ms, ISO 8601 with a zone (its plus lost or not), and so long ago mean the same instant."""
    assert instant_ms(text, _NOW_MS) == expected


def test_a_length_of_time_has_a_unit() -> None:
    """A bare number is no length of time: nobody has to guess whether it is hours or milliseconds."""
    assert [duration_s(text) for text in ("90s", "15m", "24h", "7d", "2w")] == [90, 900, 86_400, 604_800, 1_209_600]
    with pytest.raises(ValueError, match="no length of time"):
        duration_s("24")


@pytest.mark.parametrize("position", [(1, 2), ("BTC", 3), [1.5]])
def test_a_cursor_comes_back_as_it_went(position: object) -> None:
    """What a page ended with is what the next begins with."""
    assert cursor_decode(cursor_encode(position), type(position)) == position


@pytest.mark.parametrize("text", ["", "x", "AAAA", "é", "AacNBKHnWzEsMm0", cursor_encode((1, 2))[:-1]])
def test_a_forged_cursor_is_refused(text: str) -> None:
    """A cursor that was changed, cut or made up is refused as such. Security S18."""
    with pytest.raises(Refused) as caught:
        cursor_decode(text, tuple[int, int])
    assert caught.value.status == 422
    assert caught.value.errors[0].pointer == "/cursor"


def test_a_cursor_of_another_list_is_refused() -> None:
    """A cursor whose position is of another kind is not taken for one of this list."""
    with pytest.raises(Refused):
        cursor_decode(cursor_encode(("BTC", "x")), tuple[int, int])
