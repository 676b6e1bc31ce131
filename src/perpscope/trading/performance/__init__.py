"""What a run came to (METHOD 12.6): every figure by its name, and None where it cannot be said.

`measure` makes them all; docs/backtest-figures.md has each one's unit, formula and source.
"""

from perpscope.trading.performance.course import Course, thinned
from perpscope.trading.performance.measuring import Grounds, measure

__all__ = ["Course", "Grounds", "measure", "thinned"]
