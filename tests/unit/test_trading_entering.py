"""The event path's way into compiled loops: the answers of the steps, and an error where something is no number."""

import os
import subprocess
import sys
from math import nan
from pathlib import Path

import pytest
from tests.unit.desk_histories import BTC, COIN, START, desk_of

from perpscope.model.market import Candle, Interval
from perpscope.trading import entries, steps
from perpscope.trading.asking import asked, placed
from perpscope.trading.compiling import IS_COMPILED
from perpscope.trading.entering import entered
from perpscope.trading.layout import NS

#: What a process with a compiler is to do: a module of its own enters a loop, rightly and wrongly.
SCRIPT = '''
import math
import numpy as np
from perpscope.model.market import FundingPaid, OpenInterest
from perpscope.trading.compiling import loops
from perpscope.trading.entering import entered

@loops
def split(number, part):
    """Whole parts of a number."""
    if part == 0.0:
        raise ValueError("no part")
    return int(number // part) if part == part else -1

@entered
def parts(number: int, part: float) -> int:
    return split(number, part)

asked_first = parts
print(parts(7, 2.0), parts is asked_first, asked_first(-7, 2.0))
entry = parts
print(parts(9, 2), parts(np.int64(9), np.float64(4.0)), parts(True, 1.0), parts(-1, -1.0), parts(5, math.nan))
print(parts(-(2**63), 2.0**62), parts is entry)
@entered
def part_of(event: OpenInterest, more: float) -> int:
    dollars = event.open_interest_usd
    more = 100.0 if dollars is None or dollars != dollars else dollars * more
    return split(event.ts_event, event.open_interest) + int(more)

def held(number, part, dollars=None, kind=OpenInterest):
    return kind("a", number, 1, part, dollars)

print(part_of(held(7, 2.0), 1.0), part_of(held(-1, -1.0, 4.0), 2.0), part_of(held(9, 2, np.float64(5.0)), -1.0))
for wrong in (
    (held(7, 2.0, kind=FundingPaid), 1.0), ("a", 1.0), (None, 1.0), (held(7, 2.0),), (held(7, 2.0), "1"),
    (held(7, None), 1.0), (held(7.5, 2.0), 1.0), (held(7, 2.0, "1"), 1.0), (held(2**63, 2.0), 1.0), (held(7, 0.0), 1.0),
):
    try:
        print(part_of(*wrong))
    except Exception as error:
        print(type(error).__name__, error)
try:
    parts(number=1, part=1.0)
except Exception as error:
    print(type(error).__name__)
for wrong in ((1, 0.0), (1.5, 1.0), ("1", 1.0), (1, "1"), (None, 1.0), (2**63, 1.0), (1,)):
    try:
        print(parts(*wrong))
    except Exception as error:
        print(type(error).__name__)
'''
SAID = """3 False -4
4 2 1 1 -1
-2 True
103 9 -1
TypeError OpenInterest is wanted
TypeError OpenInterest is wanted
TypeError OpenInterest is wanted
TypeError 2 arguments are wanted
TypeError must be real number, not str
TypeError must be real number, not NoneType
TypeError 'float' object cannot be interpreted as an integer
TypeError must be real number, not str
OverflowError cannot fit 'int' into an index-sized integer
ValueError no part
TypeError
ValueError
TypeError
TypeError
TypeError
TypeError
OverflowError
TypeError
"""


def test_an_entry_takes_numbers_and_events_as_they_come_and_nothing_else(tmp_path: Path) -> None:
    """Compiled, and read from where compiled code is kept: one loop for all of them, and what it raises. Keeps B23."""
    script = tmp_path / "entering.py"
    script.write_text(SCRIPT)
    wanted = {**os.environ, "NUMBA_DISABLE_JIT": "0", "NUMBA_CACHE_DIR": str(tmp_path / "kept")}
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, script], env=wanted, capture_output=True, text=True, timeout=120, check=True
        )
        assert done.stdout == SAID
    assert list((tmp_path / "kept").rglob("entering.parts-*.nbi"))


def test_without_a_compiler_an_entry_is_its_function() -> None:
    """That is how they are measured. Keeps B23."""

    def same(number: int) -> int:
        return number

    assert not IS_COMPILED
    assert entered(same) is same


@pytest.mark.parametrize("name", sorted(name for name in vars(entries) if callable(getattr(steps, name, None))))
def test_an_entry_asks_for_what_its_step_asks_for(name: str) -> None:
    """The same names in the same order, of the same kinds: only then it hands on what was meant. Keeps B23."""
    entry, step = getattr(entries, name), getattr(steps, name)
    if name in {"Asked", "Place"}:
        assert entry is step
        return
    if name == "candle":
        assert list(entry.__annotations__.items()) == [
            *list(step.__annotations__.items())[:2],
            ("event", Candle),
            ("return", int),
        ]
        return
    one, other = (list(function.__annotations__.items()) for function in (entry, step))
    assert [(key.lstrip("_"), kind) for key, kind in one] == [(key.lstrip("_"), kind) for key, kind in other]


@pytest.mark.parametrize("bought", [None, 0.75])
def test_the_entry_for_candles_hands_on_what_they_say(bought: float | None) -> None:
    """The desk is left as the step leaves it that is told the candle's numbers one by one. Keeps B23."""
    one, other = desk_of(), desk_of()
    rule, untouched = asked(COIN.rule), one.tobytes()
    for minute in range(1, 40):
        opened = START + minute * 60 * NS
        closed, received = opened + 60 * NS, opened + 61 * NS
        prices = (60_000.0 + minute, 60_100.0 + minute, 59_900.0, 60_050.0 - minute, 2.0)
        told = Candle(BTC.id, closed, received, Interval.M1, opened, *prices, 9.0, 8, bought, 7.0, is_closed=True)
        answers = (
            entries.candle(rule, placed(one), told),
            steps.candle(rule, placed(other), closed, received, opened, *prices, nan if bought is None else bought),
        )
        assert answers[0] == answers[1]
    assert untouched != one.tobytes() == other.tobytes()
