"""How another program's client is measured, in its own environment: CPU time of this process, told on standard output.

`handler`: for each line on standard input one round of the same frames, and one line of ns a frame. `socket PORT`: one
connection to `blast.py`, and one line of ns an event between the first thousand and the last.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence

from wire_frames import mix

MESSAGES = 100_000
_WARM = 1_000


class Counter:
    """Counts what the client handed on."""

    def __init__(self) -> None:
        self.seen = 0
        self._began_ns = 0

    def hand_on(self, *_: object) -> None:
        """Take one event; with a socket, the last of them ends the program."""
        self.seen += 1

    def time(self, *_: object) -> None:
        """As `hand_on`, on a socket: the clock starts when the client is warm, and the last event ends the program."""
        self.seen += 1
        if self.seen == _WARM:
            self._began_ns = time.process_time_ns()
        elif self.seen == MESSAGES:
            tell((time.process_time_ns() - self._began_ns) / (MESSAGES - _WARM))
            os._exit(0)  # clients keep threads that nobody ends


def tell(figure: float) -> None:
    """Print a figure."""
    print(f"{figure:.1f}", flush=True)


def answer(handle: Callable[[Sequence[bytes]], None], kinds: tuple[str, ...], counter: Counter, length: int) -> None:
    """Run a round of about `length` frames whenever asked; a client that does not hand everything on is not measured.

    Rounds of all clients take about as long, so that whatever else the machine does falls on them alike.
    """
    frames = mix(length, kinds)
    for _ in sys.stdin:
        before, began = counter.seen, time.process_time_ns()
        handle(frames)
        took = time.process_time_ns() - began
        if counter.seen - before < len(frames):
            sys.exit(f"handed on {counter.seen - before} events of {len(frames)} frames")
        tell(took / len(frames))
