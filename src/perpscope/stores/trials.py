"""The register of trials: every set of parameters that was tried, in a chain nobody can shorten unseen.

Each row holds the hash of the one before it, and the file refuses changes and deletions (`stores.runs`): whoever asks
what a result is worth counts what was tried before it was found (METHOD 11.3).
"""

import hashlib
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

import msgspec

from perpscope.stores.runs import opened, path_of, telling

#: What the first row of a chain has before it.
GENESIS: Final = "0" * 64

_PUT: Final = (
    "INSERT INTO trials (number, made_ms, study, strategy, data_hash, parameters, figures, previous, hash)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_COLUMNS: Final = "number, made_ms, study, strategy, data_hash, parameters, figures, previous, hash"


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One set of parameters that was tried on some data."""

    number: int  #: from 1, without a hole
    made_ms: int  #: real time, epoch ms
    study: str  #: what it was tried in: "backtest", "sweep", "walk-forward", "train"
    strategy: str
    data_hash: str
    parameters: dict[str, float]
    figures: dict[str, float | None]  #: what it came to: net, trades, sharpe …
    previous: str  #: hash of the row before it
    hash: str  #: sha256 of all the above

    @property
    def key(self) -> str:
        """Its parameters, as one string: two trials of one key tried the same."""
        return _json(self.parameters)


class Trials:
    """The register beside a store; for one thread at a time, and any number of processes."""

    def __init__(self, store: Path) -> None:
        self.path = path_of(store)
        with telling(self.path):
            self._connection: sqlite3.Connection = opened(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @staticmethod
    def key_of(parameters: Mapping[str, float]) -> str:
        """What `Trial.key` is of these parameters."""
        return _json(parameters)

    def register(
        self,
        study: str,
        strategy: str,
        data_hash: str,
        tried: Sequence[tuple[Mapping[str, float], Mapping[str, float | None]]],
        made_ms: int,
    ) -> list[Trial]:
        """Register what was not tried before on these data; the same set again is no further trial.

        Raises:
            StoreError: "runs-file".
        """
        before = {trial.key for trial in self.all(strategy, data_hash)}
        fresh = [one for one in tried if _json(one[0]) not in before]
        return self.add(study, strategy, data_hash, fresh, made_ms)

    def add(
        self,
        study: str,
        strategy: str,
        data_hash: str,
        tried: Sequence[tuple[Mapping[str, float], Mapping[str, float | None]]],
        made_ms: int,
    ) -> list[Trial]:
        """Register parameter sets with what each came to: all of them, or none.

        Raises:
            StoreError: "runs-file".
        """
        with telling(self.path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                made = self._chained(study, strategy, data_hash, tried, made_ms)
                rows = [(*msgspec.structs.astuple(t)[:5], *_texts(t), t.previous, t.hash) for t in made]
                self._connection.executemany(_PUT, rows)
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        return made

    def all(self, strategy: str | None = None, data_hash: str | None = None) -> list[Trial]:
        """Trials in order, of one strategy or data or all."""
        query = (
            f"SELECT {_COLUMNS} FROM trials WHERE (?1 IS NULL OR strategy = ?1) AND (?2 IS NULL OR data_hash = ?2)"  # noqa: S608 -- ours
            " ORDER BY number"
        )
        with telling(self.path):
            rows = self._connection.execute(query, (strategy, data_hash)).fetchall()
            return [_trial(row) for row in rows]

    def count(self, strategy: str, data_hash: str | None = None) -> int:
        """How many different parameter sets of a strategy were tried: on some data, or on any."""
        return len({trial.key for trial in self.all(strategy, data_hash)})

    def fault(self) -> str | None:
        """What is wrong with the chain; None if every row stands where it was put."""
        previous = GENESIS
        for place, trial in enumerate(self.all(), start=1):
            if trial.number != place:
                return f"trial {place} is missing"
            if trial.previous != previous or trial.hash != _hash(trial):
                return f"trial {place} is not what was registered"
            previous = trial.hash
        return None

    def _chained(
        self,
        study: str,
        strategy: str,
        data_hash: str,
        tried: Sequence[tuple[Mapping[str, float], Mapping[str, float | None]]],
        made_ms: int,
    ) -> list[Trial]:
        last = self._connection.execute("SELECT number, hash FROM trials ORDER BY number DESC LIMIT 1").fetchone()
        before, previous = (0, GENESIS) if last is None else last
        made: list[Trial] = []
        for number, (parameters, figures) in enumerate(tried, start=before + 1):
            trial = Trial(
                number=number,
                made_ms=made_ms,
                study=study,
                strategy=strategy,
                data_hash=data_hash,
                parameters=dict(parameters),
                figures=dict(figures),
                previous=previous,
                hash="",
            )
            previous = _hash(trial)
            made.append(msgspec.structs.replace(trial, hash=previous))
        return made


def _json(figures: Mapping[str, float | None]) -> str:
    """Figures in the order of their names, so that the same are written the same."""
    return msgspec.json.encode(figures, order="sorted").decode()


def _texts(trial: Trial) -> tuple[str, str]:
    return _json(trial.parameters), _json(trial.figures)


def _hash(trial: Trial) -> str:
    """sha256 of a row without its own hash."""
    told = [*msgspec.structs.astuple(trial)[:5], *_texts(trial), trial.previous]
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()


def _trial(row: Sequence[object]) -> Trial:
    names = _COLUMNS.split(", ")
    told = dict(zip(names, row, strict=True))
    for name in ("parameters", "figures"):
        told[name] = msgspec.json.decode(str(told[name]))
    return msgspec.convert(told, Trial, strict=False)
