"""The two forms of the map's arithmetic: numpy's, and the compiled one, which gives the same to the last bit.

Whoever makes a map chooses once, by how much is to be reckoned: never by what happens to be warm.
"""

from typing import Protocol

import msgspec

from perpscope.analytics.liqmap import kernel, learning, seed
from perpscope.analytics.liqmap.bars import Setting
from perpscope.analytics.liqmap.learning import Learnt, Told
from perpscope.analytics.margin_arrays import Floats


class Lesson(Protocol):
    """What a bar teaches a book, which is changed; see `learning.lesson`."""

    def __call__(self, learnt: Learnt, exposure: Floats, weights: Floats, told: Told, setting: Setting, /) -> None:
        """METHOD 6.7, (4)."""


class Arithmetic(msgspec.Struct, frozen=True):
    """The passes that are hot."""

    minute: kernel.Minute
    lesson: Lesson
    filling: seed.Filling


NUMPY = Arithmetic(kernel.minute, learning.lesson, seed.filled)
