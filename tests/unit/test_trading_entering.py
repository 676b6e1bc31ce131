"""The event path's way into compiled loops: the answers of the steps, and an error where something is no number."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from perpscope.trading import entries, steps
from perpscope.trading.compiling import IS_COMPILED
from perpscope.trading.entering import entered

#: What a process with a compiler is to do: a module of its own enters a loop, rightly and wrongly.
SCRIPT = '''
import math
import numpy as np
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
for wrong in ((1, 0.0), (1.5, 1.0), ("1", 1.0), (1, "1"), (None, 1.0), (2**63, 1.0), (1,)):
    try:
        print(parts(*wrong))
    except Exception as error:
        print(type(error).__name__)
'''
SAID = """3 False -4
4 2 1 1 -1
-2 True
ValueError
TypeError
TypeError
TypeError
TypeError
OverflowError
TypeError
"""


def test_an_entry_takes_numbers_as_they_come_and_nothing_else(tmp_path: Path) -> None:
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
    one, other = (list(function.__annotations__.items()) for function in (entry, step))
    assert [(key.lstrip("_"), kind) for key, kind in one] == [(key.lstrip("_"), kind) for key, kind in other]
