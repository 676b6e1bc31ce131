"""How loops are compiled: numbers in the code make no new copies, and plain records answer by field. Keeps B23."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from perpscope.trading.compiling import IS_COMPILED, Named, blank, inlined, inner, loops

PAIR = np.dtype([("size", "i8"), ("fill", "f8", (2,)), ("inner", [("mean", "f8")])], align=True)
#: What a process with a compiler is to do: a compiled function calls another with numbers that stand in its code.
SCRIPT = """
import numpy as np
from perpscope.trading.compiling import IS_COMPILED, blank, loops

@loops
def add(record, number, times=1):
    record.size += number * times
    return record.size

@loops
def both(array):
    return add(array[0], 1) + add(array[0], 2) + add(array[0], 3, 2) + add(array[0], 4, times=5)

array = blank(np.dtype([("size", "i8")]))
print(IS_COMPILED, both(array), len(add.part.signatures))
"""


def test_numbers_in_the_code_are_compiled_for_once(tmp_path: Path) -> None:
    """1 + 3 + 9 + 29; one copy with both numbers given, one with the second left out. Keeps B23."""
    script = tmp_path / "compiled.py"
    script.write_text(SCRIPT)
    wanted = {**os.environ, "NUMBA_DISABLE_JIT": "0", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, script], env=wanted, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["True", "42", "2"]


#: A function without an entry for Python, called by compiled code and by Python.
REFUSED = """
from perpscope.trading.compiling import inlined, inner, loops

@inner
def one(number):
    return number + 1

@inlined
def two(number):
    return one(number) + 1

@loops
def three(number):
    return two(number) + 1

print(three(0))
for function in (one, two):
    try:
        function(0)
    except TypeError as error:
        print(error)
"""


def test_what_compiled_code_alone_may_call_refuses_python(tmp_path: Path) -> None:
    """An error that says what to do, where numba would end the process. Keeps B23."""
    script = tmp_path / "compiled.py"
    script.write_text(REFUSED)
    wanted = {**os.environ, "NUMBA_DISABLE_JIT": "0", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, script], env=wanted, capture_output=True, text=True, timeout=120, check=True)
    said = "is called by compiled code alone: decorate it with compiling.loops"
    assert done.stdout.splitlines() == ["3", f"one {said}", f"two {said}"]


def test_without_a_compiler_functions_stay_what_they_are() -> None:
    """That is how they are measured. Keeps B23."""

    def same() -> int:
        return 1

    assert not IS_COMPILED
    assert loops(same) is inner(same) is inlined(same) is same


def test_a_plain_record_answers_its_fields_before_numpy_s_own() -> None:
    """`size` is a field, not the number of elements; nested records and arrays change the same bytes. Keeps B23."""
    array = blank(PAIR)
    record = array[0]
    record.size, record.fill[1], record.inner.mean = 7, 2.5, 0.5
    assert (record.size, list(record.fill), record.inner.mean) == (7, [0.0, 2.5], 0.5)
    assert array["size"][0] == 7
    assert isinstance(record.inner, Named)
    assert record.nbytes == PAIR.itemsize
    with pytest.raises(AttributeError):
        _ = record.nothing
