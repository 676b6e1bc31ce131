"""A map's whole state as plain arrays, and back: what was put away and taken up again goes on to the last bit.

Ladders and settings are not in it: they are the reader's, and must be the same. Nothing is pickled.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from perpscope.analytics.liqmap.book import Book
from perpscope.analytics.liqmap.distance import Kernel
from perpscope.analytics.liqmap.inflow import Tape
from perpscope.analytics.liqmap.learning import Learnt, Scores
from perpscope.analytics.liqmap.price_moves import Moves
from perpscope.analytics.liqmap.venue_map import State, VenueMap

Array = NDArray[np.float64] | NDArray[np.int64]
#: Of the arrays' meaning; another number is refused.
FORM: Final = 2


def checkpoint(venue: VenueMap) -> dict[str, Array]:
    """The state by name; copies.

    Raises:
        ValueError: there is none yet.
    """
    state = venue.state
    if state is None:
        raise ValueError("no map yet: open interest was never told")
    tape, moves, kernel = state.tape, state.moves, state.distance
    found: dict[str, Array] = {
        "form": np.array([FORM]),
        "clock": np.array([state.ts, state.ts_told, state.bars, kernel.ts_from]),
        "market": np.array([state.anchor, state.mark, state.open_interest]),
        "score": state.scores.total.copy(),
        "score_waiting": state.scores.waiting + np.zeros((len(state.books), 2)),
        "score_scale": np.array([state.scores.typical, state.scores.bars, state.scores.waited]),
        "tape_ts": tape.ts.copy(),
        "tape": np.array([tape.growth, tape.volume, tape.turnover]),
        "tape_usual": np.array(tape.usual),
        "tape_at": np.array([tape.count, tape.hot_first, int(tape.is_hot)]),
        "tape_range": np.array([tape.usual_range, tape.ranged]),
        "hot": tape.hot.copy(),
        "moves_hourly": moves.hourly.copy(),
        "moves": np.array([moves.variance, moves.minutes, moves.last]),
        "distance": np.array([kernel.realised, kernel.visits]),
        "distance_hour": np.array([kernel.price, kernel.low, kernel.high]),
    }
    for at, book in enumerate(state.books):
        learnt = book.learnt
        found[f"book{at}_first"] = np.array([book.first])
        found[f"book{at}_mass"] = book.mass.copy()
        found[f"book{at}_cleared"] = book.cleared.copy()
        found[f"book{at}_learnt"] = np.array([learnt.forced, learnt.exposed, learnt.conversion, learnt.waiting])
        found[f"book{at}_squared"] = np.array([*learnt.squared, learnt.waited])
    return found


def restore(venue: VenueMap, kept: Mapping[str, Array]) -> None:
    """Give a fresh map of the same ladders the state that was kept.

    Raises:
        ValueError: it is of another form, or of other books.
    """
    if int(kept["form"][0]) != FORM:
        raise ValueError(f"a checkpoint of form {int(kept['form'][0])}, not {FORM}")
    books = [_book(venue, kept, at) for at in range(len(venue.models))]
    if f"book{len(books)}_mass" in kept:
        raise ValueError(f"a checkpoint of more than {len(books)} books")
    ts, ts_told, bars, ts_hour = (int(value) for value in kept["clock"])
    anchor, mark, open_interest = (float(value) for value in kept["market"])
    typical, scored, waited = (float(value) for value in kept["score_scale"])
    count, hot_first, is_hot = (int(value) for value in kept["tape_at"])
    median, spread, median_volume, spread_volume = (float(value) for value in kept["tape_usual"])
    growth, volume, turnover = (_floats(row) for row in kept["tape"])
    realised, visits = (_floats(row) for row in kept["distance"])
    usual = (median, spread, median_volume, spread_volume)
    venue.state = State(
        anchor=anchor,
        ts=ts,
        ts_told=ts_told,
        mark=mark,
        open_interest=open_interest,
        bars=bars,
        books=books,
        scores=Scores(_floats(kept["score"]), typical, scored, _floats(kept["score_waiting"]), waited),
        tape=Tape(
            kept["tape_ts"].astype(np.int64),
            growth,
            volume,
            turnover,
            count,
            usual,
            hot_first,
            _floats(kept["hot"]),
            bool(is_hot),
            *(float(value) for value in kept["tape_range"]),
        ),
        moves=Moves(_floats(kept["moves_hourly"]), *(float(value) for value in kept["moves"])),
        distance=Kernel(realised, visits, ts_hour, *(float(value) for value in kept["distance_hour"])),
    )


def _book(venue: VenueMap, kept: Mapping[str, Array], at: int) -> Book:
    mass = kept.get(f"book{at}_mass")
    classes = venue.models[at].ladder.offsets.shape[1]
    if mass is None or mass.shape[1] != classes:
        raise ValueError(f"book {at} of the checkpoint is not of {classes} classes")
    forced, exposed, conversion, waiting = (_floats(row) for row in kept[f"book{at}_learnt"])
    squared = _floats(kept[f"book{at}_squared"])
    learnt = Learnt(forced, exposed, squared[:2].copy(), conversion, waiting, float(squared[2]))
    return Book(int(kept[f"book{at}_first"][0]), _floats(mass), _floats(kept[f"book{at}_cleared"]), learnt)


def _floats(array: Array) -> NDArray[np.float64]:
    return np.array(array, np.float64)
