"""From what a person names to a `Material`: files and folders looked through, or a store, and one instrument taken.

What a file holds is found out from its content; its name only tells whose it is, where the content does not. Of a
folder what is no market data is passed over and said; a file that is named by itself has to be some.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import msgspec

from perpscope.app.backtest import candle_files
from perpscope.app.backtest.asking import Asked
from perpscope.app.backtest.candle_material import Table, candles_of
from perpscope.app.backtest.frame_material import frames_of, heard_in, rows_of
from perpscope.app.backtest.material import Material
from perpscope.app.backtest.naming import instrument_of, is_called
from perpscope.app.backtest.stored import of_store
from perpscope.app.replay_cast import Cast, cast
from perpscope.errors import ConfigError, DataError, PerpscopeError
from perpscope.feeds.tape import Tape
from perpscope.model.instrument import Instrument

Announce: TypeAlias = Callable[[str], None]


class _Found(msgspec.Struct):
    """What is in the files, by what it is."""

    tables: list[tuple[Path, Instrument, list[str]]] = []
    rows: list[tuple[Path, Cast, Instrument]] = []
    frames: list[tuple[Path, Cast]] = []
    notes: list[str] = []


def gathered(
    data: Sequence[Path], asked: Asked, *, database: Path | None, announce: Announce = lambda _: None
) -> Material:
    """The material of a run.

    Args:
        data: files and folders; empty = the store.
        asked: which instrument and time of it, and what the strategy looks at.
        database: the store: read without `data`, else only its catalogue and margin tiers are; None = there is none.
        announce: told what a person should know while it is read.

    Raises:
        DataError: a file is missing, empty, damaged or no market data; nothing is left of the time asked for.
        ConfigError: nothing tells which of several instruments is meant, or no such venue.
        StoreError: the store cannot be read.
    """
    if not data:
        if database is None:
            raise DataError("backtest-missing", "no data were named, and there is no store", hint="name files, or --db")
        return of_store(database, asked)
    found = _looked_through(data, asked, announce)
    kinds = [words for words, held in _by_kind(found) if held]
    if not kinds:
        raise DataError(
            "backtest-file",
            f"{', '.join(path.name for path in data)}: no market data in it",
            hint="candles, rows of trades and books, or recorded frames; docs/backtest.md lists the forms",
        )
    if len(kinds) > 1:
        raise ConfigError(
            "backtest-mixed", f"{' and '.join(kinds)} are different kinds of data", hint="name files of one kind"
        )
    known = database if database is not None and database.exists() else None
    if found.tables:
        return candles_of(_tables(found, asked), asked, known, found.notes)
    if found.rows:
        chosen = _one([instrument for _, _, instrument in found.rows], asked)
        kept = [(path, held.tape) for path, held, instrument in found.rows if instrument.id == chosen.id]
        return rows_of(kept, chosen, asked, known, found.notes)
    casts = [held for _, held in found.frames]
    chosen = _one(heard_in(casts), asked)
    return frames_of(casts, chosen, asked, known, found.notes)


def files_in(data: Sequence[Path]) -> list[tuple[Path, bool]]:
    """Every file named, or in a folder that is named, and whether it was named by itself.

    Raises:
        DataError: one is not there, or a folder is empty ("backtest-missing").
    """
    found: list[tuple[Path, bool]] = []
    for path in data:
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith("."))
            if not inside:
                raise DataError("backtest-missing", f"the folder {str(path)!r} is empty", hint="name a file or folder")
            found += [(file, False) for file in inside]
        elif path.exists():
            found.append((path, True))
        else:
            raise DataError("backtest-missing", f"there is no file {str(path)!r}", hint="name a file or folder of data")
    return found


def _by_kind(found: _Found) -> list[tuple[str, Sequence[object]]]:
    return [
        ("candles", found.tables),
        ("rows of trades and books", found.rows),
        ("recorded frames", found.frames),
    ]


def _looked_through(data: Sequence[Path], asked: Asked, announce: Announce) -> _Found:
    found = _Found()
    passed: list[str] = []
    for path, is_named in files_in(data):
        try:
            _look(path, is_named, asked, found, announce)
        except (PerpscopeError, OSError) as error:
            if is_named and isinstance(error, OSError):
                why = f"{str(path)!r} cannot be read: {error.strerror or error}"
                raise DataError("backtest-file", why, hint="is it readable?") from error
            if is_named:
                raise
            passed.append(path.name)
    if passed:
        more = f" and {len(passed) - 5} more" if len(passed) > 5 else ""
        found.notes.append(f"passed over, no market data: {', '.join(passed[:5])}{more}")
    return found


def _look(path: Path, is_named: bool, asked: Asked, found: _Found, announce: Announce) -> None:
    """Put a file where it belongs."""
    if candle_files.is_table(path):
        instrument, notes = instrument_of(path, asked.venue, None)
        if is_named or asked.symbol is None or is_called(instrument, asked.symbol):
            found.tables.append((path, instrument, notes))
        return
    tape = Tape(path)
    if tape.form != "rows":
        found.frames.append((path, cast(tape, asked.venue, None, announce)))
        return
    held = _cast_of_rows(tape, is_named, asked, announce)
    if held is not None and held.rows_of is not None:
        found.rows.append((path, held, held.rows_of))


def _cast_of_rows(tape: Tape, is_named: bool, asked: Asked, announce: Announce) -> Cast | None:
    """Whose rows they are: a file's name tells, but what is said of a file that was named outranks it."""
    if asked.symbol is None:
        return cast(tape, asked.venue, None, announce)
    try:
        told = cast(tape, asked.venue, None, announce)
    except DataError:
        return cast(tape, asked.venue, asked.symbol, announce) if is_named else None
    if told.rows_of is not None and is_called(told.rows_of, asked.symbol):
        return told
    return cast(tape, asked.venue, asked.symbol, announce) if is_named else None


def _one(instruments: Sequence[Instrument], asked: Asked) -> Instrument:
    """The instrument that is meant.

    Raises:
        ConfigError: none of them is called so ("symbol-unknown"), or there are several ("backtest-several").
    """
    different = {instrument.id: instrument for instrument in instruments}
    names = ", ".join(sorted(different)[:8])
    if asked.symbol is not None:
        different = {key: i for key, i in different.items() if is_called(i, asked.symbol)}
        if not different:
            known = f"the data are of {names}" if names else "the data name no instrument"
            raise ConfigError("symbol-unknown", f"nothing of {asked.symbol!r} is in the data", hint=known)
    if len(different) == 1:
        return next(iter(different.values()))
    if not different:
        raise DataError("backtest-file", "the frames tell of no instrument", hint="give a recording of a perpetual")
    raise ConfigError(
        "backtest-several", f"the data are of several instruments: {names}", hint="choose one with --symbol or --venue"
    )


def _tables(found: _Found, asked: Asked) -> list[Table]:
    """The tables of the one instrument that is meant; `--symbol` names it where the files' names tell none."""
    instruments = [instrument for _, instrument, _ in found.tables]
    if asked.symbol is not None and not any(is_called(instrument, asked.symbol) for instrument in instruments):
        renamed = [(path, *instrument_of(path, asked.venue, asked.symbol)) for path, _, _ in found.tables]
        found = msgspec.structs.replace(found, tables=renamed)
        instruments = [instrument for _, instrument, _ in renamed]
    chosen = _one(instruments, asked)
    return [Table(path, chosen, notes) for path, instrument, notes in found.tables if instrument.id == chosen.id]
