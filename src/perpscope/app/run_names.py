"""Which run somebody means: its id, as much of it as no other begins with, or "latest".

In: what was typed, and the runs there are. Out: the id, or an error that names those it could be.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from perpscope.errors import DataError

LATEST: Final = "latest"
#: Candidates that are named.
_MOST: Final = 8


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A run that can be meant."""

    id: str
    at_ms: int  #: when it was made, or begun; real time, epoch ms
    words: str  #: what it is, for people


def meant(asked: str, known: Sequence[Known], *, unknown: str = "run-unknown") -> str:
    """The id of the run that is meant.

    Args:
        asked: an id, the beginning of one, or "latest".
        known: the runs there are.
        unknown: code of the error where there is none.

    Raises:
        DataError: there is none (`unknown`), or several begin so ("run-ambiguous").
    """
    if asked == LATEST and known:
        return max(known, key=lambda one: one.at_ms).id
    found = [one for one in known if asked and one.id.startswith(asked)]
    if any(one.id == asked for one in found):
        return asked
    if len(found) == 1:
        return found[0].id
    if found:
        newest = sorted(found, key=lambda one: -one.at_ms)[:_MOST]
        told = "; ".join(f"{one.id} ({one.words})" for one in newest)
        more = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
        raise DataError(
            "run-ambiguous",
            f"{len(found)} runs begin with {asked!r}: {told}{more}",
            hint=f"one letter more, e.g. {newest[0].id}; {LATEST} is the newest",
        )
    has = f"the newest of {len(known)} is {max(known, key=lambda one: one.at_ms).id}" if known else "there is none yet"
    raise DataError(unknown, f"no run is called {asked!r}; {has}", hint="perpscope runs list shows the ids")
