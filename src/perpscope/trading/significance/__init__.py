"""Whether what a run came to means anything: intervals, nulls, luck among many trials, and the verdict in words."""

from perpscope.trading.significance.verdict import judged

__all__ = ["judged"]
