"""Several coins' pasts at once, each made in a process of its own, and how they travel from one process to another.

In: a seed, coins, the opening. Out: a `Past` a coin. Nothing is left behind: a maker ends when it is done, when it is
no longer wanted, or when the process that wanted it is gone.
"""

import multiprocessing
import os
import pickle
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import TracebackType
from typing import Self

from perpscope.errors import DataError
from perpscope.lab.agents.lived import Past, live, setting_of, told_ns

__all__ = ["Making", "Past", "load", "make", "save"]


class Making:
    """Pasts being made; a context manager that ends what is not done.

    Args:
        seed: of the lab.
        bases: the coins.
        ts_end: the opening, ns UTC, on a whole minute.
        days: how many are told.
        agents: how many people a coin.
        processes: how many at once; one for each coin if None, none at all (made here, in `result`) if 1.

    Raises:
        ConfigError: a coin is not traded here.
        ValueError: the opening is not on a whole minute, or no minute is told.
    """

    def __init__(
        self,
        seed: int,
        bases: Sequence[str],
        ts_end: int,
        days: float = 8.0,
        agents: int = 6000,
        processes: int | None = None,
    ) -> None:
        self._bases = tuple(dict.fromkeys(bases))
        for base in self._bases:
            setting_of(seed, base, ts_end - told_ns(ts_end, days), agents)
        self._asked = (seed, ts_end, days, agents)
        self._most = len(self._bases) if processes is None else processes
        self._waiting = list(self._bases)
        self._running: dict[Connection, tuple[str, SpawnProcess]] = {}
        self._is_wanted = True
        self._is_here = processes == 1
        if not self._is_here:
            self._begin()

    def result(self) -> dict[str, Past]:
        """Wait for all of them.

        Raises:
            DataError: it was ended before it was done.
        """
        if self._is_here:
            seed, ts_end, days, agents = self._asked
            return {base: live(seed, base, ts_end, days, agents) for base in self._bases}
        made: dict[str, Past] = {}
        while self._running and self._is_wanted:
            for end in wait(list(self._running), timeout=0.2):
                if isinstance(end, Connection):
                    base, process = self._running.pop(end)
                    made[base] = _received(base, end)
                    process.join()
            self._begin()
        if len(made) < len(self._bases):
            raise _unfinished(", ".join(base for base in self._bases if base not in made))
        return {base: made[base] for base in self._bases}

    def close(self) -> None:
        """End the makers that are still at it; `result` in another thread then raises."""
        self._is_wanted = False
        for _, process in list(self._running.values()):
            process.terminate()

    def _begin(self) -> None:
        """Start as many makers as may run at once."""
        context = multiprocessing.get_context("spawn")
        while self._waiting and len(self._running) < self._most and self._is_wanted:
            base = self._waiting.pop(0)
            here, there = context.Pipe(duplex=False)
            process = context.Process(target=_make, args=(there, base, *self._asked), daemon=True)
            process.start()
            there.close()
            self._running[here] = (base, process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def make(
    seed: int,
    bases: Sequence[str],
    ts_end: int,
    days: float = 8.0,
    processes: int | None = None,
    *,
    agents: int = 6000,
) -> dict[str, Past]:
    """The past of each coin; arguments and errors as of `Making`."""
    with Making(seed, bases, ts_end, days, agents, processes) as making:
        return making.result()


def save(pasts: dict[str, Past], path: Path) -> None:
    """Write them for another process of this program and version; nothing else should ever read the file."""
    path.write_bytes(pickle.dumps(pasts, protocol=pickle.HIGHEST_PROTOCOL))


def load(path: Path) -> dict[str, Past]:
    """Read what `save` wrote. It is trusted as a program is: never load a file that came from elsewhere.

    Raises:
        DataError: it cannot be read.
    """
    try:
        pasts = pickle.loads(path.read_bytes())  # noqa: S301 (written by `save`, between our own processes)
    except (OSError, pickle.UnpicklingError, EOFError, AttributeError) as error:
        raise DataError("past-unreadable", f"{path}: {error}", hint="let the lab make its own: --past-days") from error
    if not isinstance(pasts, dict) or not all(isinstance(past, Past) for past in pasts.values()):
        raise DataError("past-unreadable", f"{path} holds no past", hint="let the lab make its own: --past-days")
    return pasts


def _make(there: Connection, base: str, seed: int, ts_end: int, days: float, agents: int) -> None:
    """What a maker's process does: one past, and no longer than its parent lives."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()
    there.send(live(seed, base, ts_end, days, agents))
    there.close()


def _follow(sentinel: int) -> None:
    """End with the parent."""
    wait([sentinel])
    os._exit(1)


def _received(base: str, end: Connection) -> Past:
    """What a maker sent."""
    try:
        answer = end.recv()
    except EOFError:
        answer = None
    finally:
        end.close()
    if not isinstance(answer, Past):
        raise _unfinished(base)
    return answer


def _unfinished(which: str) -> DataError:
    return DataError("past-unfinished", f"the past of {which} was not made to its end", hint="start it again")
