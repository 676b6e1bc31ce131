"""Whose turn it is within a heart: the event loop's before all others, and the garbage collector's seldom.

Sockets are read and orders are sent by the loop's thread. Threads that compress, pack and write do so for nobody who
waits: they let go of the interpreter soon, and of a processor at once. Where this program may (as root, or with
`CAP_SYS_NICE`), what an order waits for goes before whatever else runs on the machine.
"""

import gc
import os
import sys
import threading
from contextlib import suppress
from typing import Final

#: Real seconds after which a thread that computes lets another go on (by hand): Python's 5 ms are a whole order's way.
_TURN_S: Final = 0.0005
#: What Linux counts a thread by that gives way to others of this machine (by hand).
_NICE: Final = 10
#: And one that does not wait for them.
_AHEAD: Final = -10
#: Beginning of the names of threads that an order waits for.
_AWAITED: Final = "journal"


def calm_collector() -> None:
    """Let the garbage collector look less often: events are born and gone by the hundred thousand, without cycles.

    Python's default looks after 700 new objects, and soon at older ones too, which costs the path from socket to event
    a sixth of its time. A look at 10,000 new ones takes three to five milliseconds in one piece, one at 2,000 a fifth
    of that; older ones are looked at as seldom as with 10,000. What there is now stays, and is not looked at.
    """
    gc.freeze()
    gc.set_threshold(2_000, 500, 20)


def short_turns() -> None:
    """Let no thread keep the interpreter for long."""
    sys.setswitchinterval(_TURN_S)


class LoopFirst:
    """Lets other threads give way to the loop's, which calls this; where threads can be told so."""

    def __init__(self) -> None:
        self._is_linux = sys.platform == "linux"  # elsewhere a number means a process
        self._own = threading.get_native_id()
        self._before = os.getpriority(os.PRIO_PROCESS, self._own) if self._is_linux else 0

    def tell(self) -> None:
        """Tell the threads that there are by now. Now and then: one is born as important as the one that began it."""
        for thread in threading.enumerate() if self._is_linux else ():
            if thread.native_id is not None:
                is_awaited = thread.native_id == self._own or thread.name.startswith(_AWAITED)
                _tell(thread.native_id, _AHEAD if is_awaited else _NICE)

    def end(self) -> None:
        """The loop's thread is what it was before."""
        if self._is_linux:
            _tell(self._own, self._before)


def _tell(thread: int, niceness: int) -> None:
    with suppress(OSError):  # it has just ended, or may not go first
        os.setpriority(os.PRIO_PROCESS, thread, niceness)
