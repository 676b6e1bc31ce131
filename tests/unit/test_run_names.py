"""Which run is meant by what somebody typed."""

import pytest

from perpscope.app.run_names import Known, meant
from perpscope.errors import DataError

RUNS = [
    Known(id="abcd1234", at_ms=1, words="PAPER burst"),
    Known(id="abff0000", at_ms=3, words="DEMO hold"),
    Known(id="7f3a", at_ms=2, words="LIVE burst"),
    Known(id="7f3a99", at_ms=0, words="BACKTEST burst"),
]


@pytest.mark.parametrize(
    ("asked", "found"),
    [("abcd1234", "abcd1234"), ("abc", "abcd1234"), ("latest", "abff0000"), ("7f3a", "7f3a"), ("7f3a9", "7f3a99")],
    ids=["whole", "beginning", "newest", "whole, and another's beginning", "longer"],
)
def test_a_run_is_found_by_as_much_as_is_clear(asked: str, found: str) -> None:
    """By its id, by a beginning that is no other's, or as the newest."""
    assert meant(asked, RUNS) == found


def test_what_could_be_several_names_them() -> None:
    """The newest first, with what each is, so that the next try is right."""
    with pytest.raises(DataError) as caught:
        meant("ab", RUNS)
    assert caught.value.code == "run-ambiguous"
    assert "2 runs begin with 'ab': abff0000 (DEMO hold); abcd1234 (PAPER burst)" in caught.value.message
    many = [Known(id=f"a{number:02}", at_ms=number, words="x") for number in range(20)]
    with pytest.raises(DataError, match="and 12 more"):
        meant("a", many)


@pytest.mark.parametrize("asked", ["zz", "", "ABCD"])
def test_what_is_none_is_unknown(asked: str) -> None:
    """With the newest named, where there is one."""
    with pytest.raises(DataError) as caught:
        meant(asked, RUNS, unknown="trade-run-unknown")
    assert caught.value.code == "trade-run-unknown"
    assert "abff0000" in caught.value.message
    with pytest.raises(DataError, match="there is none yet"):
        meant("latest", [])
