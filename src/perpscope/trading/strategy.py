"""What a strategy is: a rule, the names of what it says, its parameters, and what it cannot do without.

The rule is one function that numba can compile, called once for each closed one-minute candle (and each second, where
the strategy asks for it) by backtest, paper and live alike. It reads and answers; it holds no gateway, store or clock.
"""

import enum
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.float64]
#: A record of `layout.WATCH` or `layout.ACCOUNT`; numba and numpy give its fields by name, which no type can say.
Record: TypeAlias = Any
#: `rule(watch, account, parameters, notes)` answers `layout.STAY`, `LONG`, `SHORT` or `EXIT`, and leaves its notes.
Rule: TypeAlias = Callable[[Record, Record, Numbers, Numbers], int]


class Needs(enum.Flag):
    """What of the market a strategy looks at."""

    CANDLES = enum.auto()  #: closed one-minute candles; made of trades where none come
    TRADES = enum.auto()
    BOOK = enum.auto()
    MAP = enum.auto()  #: clusters of the liquidation map
    FORECAST = enum.auto()  #: of a trained model


class Strategy(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy; a file of `strategies` exposes it as `STRATEGY`."""

    name: str  #: of its file, and of its table in the configuration: `[strategy.NAME]`
    summary: str  #: one sentence
    parameters: type[msgspec.Struct]  #: frozen; fields are numbers with defaults, bounds and a description
    needs: Needs  #: without one of these it does not run, and says so
    reasons: tuple[str, ...]  #: by `layout.NOTE_WHY`, kebab-case; the first is ""
    entry_rules: tuple[str, ...]  #: by bit of `layout.NOTE_FAILED`
    rule: Rule
    figures: tuple[str, ...] = ()  #: what its entry rules look at, by note from `layout.NOTE_SEEN` on
    is_asked_each_second: bool = False
    is_baseline: bool = False  #: what others are compared with: limits on money are told, and do not bind it
    grid: Mapping[str, tuple[float, ...]] = {}  #: values of parameters worth a sweep; each point is a trial

    def numbers(self, settings: msgspec.Struct) -> Numbers:
        """Parameters as the rule sees them: in the order of the Struct's fields, as float64."""
        return np.array([float(getattr(settings, name)) for name in self.parameters.__struct_fields__])
