"""The capital review as a file: the same figures as in its JSON, drawn where they are known, and nothing that runs."""

import json
import re
from pathlib import Path

import msgspec
import pytest
from tests.unit.runs_made import walked

from perpscope.app import risk_report
from perpscope.errors import ConfigError
from perpscope.reports.capital_page import page
from perpscope.trading.capital import Review, reviewed

REVIEW = msgspec.structs.replace(
    reviewed([walked(minutes=12 * 1440, trades=60)]), way="down", factor=0.5, evidence=["it loses"]
)


def text_of(review: Review) -> str:
    """The page."""
    return page(review).decode()


def test_the_page_says_what_is_proposed_and_why() -> None:
    """Proposal and evidence first, then each goal with its interval, then the gate.

    Keeps S4-61, S4-64, S4-65, S4-66, S4-67, S4-68.
    """
    text = text_of(REVIEW)
    assert (
        text.index("Less: × 0.5") < text.index("it loses") < text.index("S4-64 win-rate") < text.index("days-on-paper")
    )
    assert all(f"S4-{number}" in text for number in (64, 65, 66, 67))
    assert text.count("<svg") == 4
    assert "no evidence for the gate" in text
    assert text == text_of(REVIEW)


def test_every_figure_is_in_the_file_as_json() -> None:
    """The element "review" holds the review itself, and no script but an empty one runs."""
    text = text_of(REVIEW)
    found = re.search(r'<script type="application/json" id="review">(.*?)</script>', text)
    assert found is not None
    assert msgspec.convert(json.loads(found[1]), Review) == REVIEW
    assert "<script></script>" in text


def test_what_is_not_known_is_neither_drawn_nor_zero() -> None:
    """A goal without a figure has no drawing, one without an interval no bar; sizes are told where both are known."""
    bare = [msgspec.structs.replace(REVIEW.goals[0], figure=None, low=None, high=None)]
    assert "<svg" not in text_of(msgspec.structs.replace(REVIEW, goals=bare))
    dot = [msgspec.structs.replace(REVIEW.goals[1], low=None, high=None)]
    text = text_of(msgspec.structs.replace(REVIEW, goals=dot, capacity=5_000.0, trade_notional=2_000.0, way="hold"))
    assert 'class="rl"' not in text
    assert "A trade is 2,000; most was earned at 5,000 a trade." in text
    assert "Hold: the capital stays as it is" in text
    assert "A trade is" not in text_of(msgspec.structs.replace(REVIEW, capacity=None))


def test_words_of_a_run_cannot_become_markup() -> None:
    """Ids and evidence are text, whatever they hold."""
    text = text_of(msgspec.structs.replace(REVIEW, runs=["<b>x"], evidence=["<script>alert(1)</script>"]))
    assert "<b>x" not in text
    assert "<script>alert" not in text


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """It is written whole, or the error names it."""
    risk_report.write_review(REVIEW, tmp_path / "review.html")
    assert (tmp_path / "review.html").read_bytes() == page(REVIEW)
    with pytest.raises(ConfigError, match="cannot be written"):
        risk_report.write_review(REVIEW, tmp_path / "none" / "review.html")
