"""The look of the pictures: colours that survive every colour blindness, sizes that survive being halved.

Blue and orange are told apart with normal sight, protanopia, deuteranopia and tritanopia (OKLab distance ≥ 0.22);
still each side has its glyph and its word: ▼ long liquidated (selling), ▲ short liquidated (buying).
"""

from typing import NamedTuple

BACKGROUND = "#0b0e13"
CARD = "#11161d"
LINE = "#232d39"
TEXT = "#dbe3ec"
DIM = "#8c9bad"
LONG = "#5bb8ff"
SHORT = "#ffa45c"
LONG_BAR = "#2f7fc4"
SHORT_BAR = "#d97a2b"
OK = "#4fd6a5"
WARN = "#f2c14e"
MODEL = "#c9a8ff"

WIDTH_PX, HEIGHT_PX = 1600, 900
DPI = 100
#: Points; halved, the smallest is still 9.
SIZE_TITLE, SIZE_TEXT = 25.0, 18.0


class Place(NamedTuple):
    """A part of the picture, pixels from its lower left corner."""

    left: int
    bottom: int
    width: int
    height: int

    @property
    def fractions(self) -> tuple[float, float, float, float]:
        """As matplotlib wants it."""
        return (self.left / WIDTH_PX, self.bottom / HEIGHT_PX, self.width / WIDTH_PX, self.height / HEIGHT_PX)


PLOT = Place(215, 245, 1325, 460)
BAND = Place(215, 118, 1325, 20)
#: Of the words beside the band's colours.
SWATCH_PX, SWATCH_EVERY_PX = 30, 340
#: One or two columns are at most this share of the plot's width each: an hour alone is no wall.
WIDEST_COLUMN = 0.15
#: Title of the x axis: right end, below the labels.
X_TITLE = (1.0, -0.115)
#: Title of the y axis: left of labels as long as "0.0000089".
Y_TITLE = (-0.122, 0.5)
#: Baselines of the lines of text, pixels from below.
TITLE_Y, SUBJECT_Y, LEGEND_Y, WATCHED_Y, FOOTNOTE_Y = 848, 804, 740, 84, 30
MARGIN_X = 40
