"""Which form of the map's arithmetic is worth having: the compiled one takes .6 s to load, and seconds to make, once.

Both give the same figures to the last bit, so the choice changes nothing but the time. It hangs on the size of the work
alone, and on `NUMBA_DISABLE_JIT`.
"""

import os
import shutil
from pickle import UnpicklingError
from typing import Final

from perpscope.analytics.liqmap.arithmetic import NUMPY, Arithmetic
from perpscope.app.kept_code import keep_compiled

#: Bars × books from which loading the compiled form is paid back: .6 s against .29 ms each; docs/performance.md.
ENOUGH: Final = 6_000


def arithmetic(book_bars: int) -> Arithmetic:
    """Numpy's for little work, the compiled one for much; numpy's too where numba is switched off or not to be had.

    What is compiled is kept in the data folder, unless `NUMBA_CACHE_DIR` names another. What cannot be read there is
    thrown away, and made anew by the next process.

    Args:
        book_bars: bars × books that are to be reckoned.
    """
    if book_bars < ENOUGH or os.environ.get("NUMBA_DISABLE_JIT", "0") not in {"", "0"}:
        return NUMPY
    ours = keep_compiled()
    try:
        from perpscope.analytics.liqmap.compiled import COMPILED, warm  # noqa: PLC0415 -- numba takes long to import

        warm()
    except (ImportError, RuntimeError):  # not for this Python yet; nowhere to keep what it compiles
        return NUMPY
    except (UnpicklingError, EOFError, OSError):  # torn by a crash
        shutil.rmtree(ours, ignore_errors=True)
        return NUMPY
    return COMPILED
