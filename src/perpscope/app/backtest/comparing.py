"""Two runs beside each other: what made them, and what they came to."""

import msgspec

from perpscope.model.run import Run

#: Of a summary: what makes a run, then what it came to.
_MADE = ("strategy", "instrument", "sources", "data_hash", "from_ms", "to_ms", "deposit", "seed", "path", "version")
_CAME_TO = (
    *("hash", "net", "gross", "fees", "funding", "slippage", "trades", "win_rate", "max_drawdown", "sharpe"),
    *("liquidations", "coverage", "verdict"),
)


class Row(msgspec.Struct, frozen=True):
    """One thing in which two runs differ."""

    name: str
    one: object
    other: object


class Compared(msgspec.Struct, frozen=True):
    """In what two runs differ."""

    is_same: bool  #: one hash: the same decisions and fills of the same setup
    words: str
    rows: list[Row]


def compared(one: Run, other: Run) -> Compared:
    """What differs between two runs; parameters by name."""
    left, right = one.summary, other.summary
    parameters = sorted({*left.parameters, *right.parameters})
    told = [(name, getattr(left, name), getattr(right, name)) for name in _MADE]
    told += [(f"parameter {name}", left.parameters.get(name), right.parameters.get(name)) for name in parameters]
    told += [(name, _plain(getattr(left, name)), _plain(getattr(right, name))) for name in _CAME_TO]
    names = sorted({*one.performance, *other.performance} - {name for name, _, _ in told})
    told += [(name, one.performance.get(name), other.performance.get(name)) for name in names]
    rows = [Row(name, a, b) for name, a, b in told if a != b]
    if left.hash == right.hash:
        return Compared(True, f"{left.id} and {right.id} are one run: the same decisions and fills", rows)
    causes = [row.name for row in rows if row.name in _MADE or row.name.startswith("parameter ")]
    why = f"they differ in {', '.join(causes)}" if causes else "they were made alike, with other limits or costs"
    return Compared(False, f"{left.id} and {right.id}: {why}", rows)


def _plain(value: object) -> object:
    """A verdict as its word."""
    return getattr(value, "value", value)
