"""The capital review as one HTML file: what is proposed first, then what it rests on.

In: `trading.capital.Review`. Each goal is drawn as its 95 % interval beside what is wanted; every figure stands in a
table too, and the whole review as JSON in the element "review". Nothing in it runs.
"""

from html import escape
from typing import Final

import msgspec

from perpscope.reports import numerals
from perpscope.reports.single_file import part, single_file, table
from perpscope.trading.capital import Goal, Review
from perpscope.trading.honesty import Condition

_WORDS: Final = {
    "up": "More: × {factor:g} of the capital there is",
    "hold": "Hold: the capital stays as it is",
    "down": "Less: × {factor:g} of the capital there is",
}
_STATES: Final = {"met": "met", "missed": "missed", "open": "open: the interval holds both", "too-short": "too short"}
_GATE: Final = ("condition", "figure", "wanted", "")
_MADE_OF: Final = {
    "backtest": "backtests, which are no evidence for the gate",
    "paper": "paper",
    "live": "the real exchange",
}
#: Of a goal's drawing: width and height, and the room on either side.
_WIDE, _HIGH, _ROOM = 360.0, 36.0, 12.0


def page(review: Review) -> bytes:
    """The whole file, UTF-8; the same review gives the same bytes."""
    body = [
        _header(review),
        _proposal(review),
        "<section><h2>The documents' goals, measured</h2>",
        "<p class=dim>Goals that nobody can promise. The bar is the 95 % interval, the dot what was reached, the"
        " coloured line what is wanted, the grey one nothing.</p>",
        f'<div class="scroll" tabindex="0">{_goals(review)}</div></section>',
        "<section><h2>The gate before more money</h2>",
        f'<div class="scroll" tabindex="0">{table(_GATE, map(_condition, review.gate))}</div>',
        "</section>",
        f"<footer>Runs: {escape(', '.join(review.runs))}. How proposals are made: docs/risk.md.</footer>",
    ]
    return single_file("Capital review", "".join(body), {"review": msgspec.json.encode(review)}, part("page.css"), "")


def _header(review: Review) -> str:
    made = " and ".join(_MADE_OF[kind] for kind in review.kinds)
    span = numerals.window(review.from_ms, review.to_ms)
    return (
        f"<header><h1>Capital review</h1><p>{span} · {review.days:,.1f} days · {review.trades:,} trades"
        f" · made on {escape(made)}</p></header>"
    )


def _proposal(review: Review) -> str:
    reasons = "".join(f"<li>{escape(why)}</li>" for why in review.evidence)
    sizes = ""
    if review.capacity is not None and review.trade_notional is not None:
        sizes = f"<p>A trade is {review.trade_notional:,.0f}; most was earned at {review.capacity:,.0f} a trade.</p>"
    return f"<section><h2>{_WORDS[review.way].format(factor=review.factor)}</h2><ul>{reasons}</ul>{sizes}</section>"


def _goals(review: Review) -> str:
    head = ["goal", "reached", "95 %", "wanted", "over days", "", ""]
    top = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    rows = "".join(
        f"<tr><td>{escape(f'{goal.promise} {goal.name}')}</td><td>{_reached(goal, goal.figure)}</td>"
        f"<td>{_reached(goal, goal.low)} … {_reached(goal, goal.high)}</td><td>{escape(goal.wanted)}</td>"
        f"<td>{goal.days_wanted:g}</td><td>{_STATES[goal.state]}</td><td>{_drawn(goal)}</td></tr>"
        for goal in review.goals
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{rows}</tbody></table>"


def _drawn(goal: Goal) -> str:
    """The interval, the figure and what is wanted, on one line; nothing where nothing is known."""
    if goal.figure is None:
        return ""
    known = [value for value in (goal.low, goal.high, goal.figure, goal.least, 0.0) if value is not None]
    low, span = min(known), max(max(known) - min(known), 1e-9)

    def at(value: float) -> str:
        return f"{_ROOM + (value - low) / span * (_WIDE - 2 * _ROOM):.1f}"

    bar = ""
    if goal.low is not None and goal.high is not None:
        bar = f'<line class="rl" x1="{at(goal.low)}" x2="{at(goal.high)}" y1="18" y2="18"/>'
    told = f"{goal.name}: {_reached(goal, goal.figure)}, wanted {goal.wanted}"
    return (
        f'<svg viewBox="0 0 {_WIDE:g} {_HIGH:g}" width="{_WIDE:g}" role="img" aria-label="{escape(told)}">'
        f'<line class="z" x1="{at(0.0)}" x2="{at(0.0)}" y1="6" y2="30"/>{bar}'
        f'<line class="x" x1="{at(goal.least)}" x2="{at(goal.least)}" y1="2" y2="34"/>'
        f'<circle class="pl" cx="{at(goal.figure)}" cy="18" r="5"/></svg>'
    )


def _condition(one: Condition) -> list[str]:
    return [one.name, numerals.short(one.figure), one.wanted, "✓ met" if one.is_met else "✕ not met"]


def _reached(goal: Goal, value: float | None) -> str:
    """Signed, but for a rate of wins."""
    return numerals.percent(value, signed=goal.name != "win-rate")
