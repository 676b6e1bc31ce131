"""Frames made worse: valid ones with bytes changed, cut short, or with a value put in that no venue would write."""

from collections.abc import Sequence

from hypothesis import strategies as st

_FLIPS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=4)


@st.composite
def damaged(draw: st.DrawFn, frames: Sequence[bytes]) -> bytes:
    """One of the frames with up to four bytes changed, and cut short half the time."""
    frame = bytearray(draw(st.sampled_from(frames)))
    for where, byte in draw(_FLIPS):
        frame[int(where * len(frame))] = byte
    keep = draw(st.floats(0, 1))
    return bytes(frame[: len(frame) if keep >= 0.5 else int(2 * keep * len(frame))])


@st.composite
def with_one_value(draw: st.DrawFn, frames: Sequence[bytes], values: st.SearchStrategy[bytes]) -> bytes:
    """One of the frames with what follows one of its colons replaced."""
    pieces = draw(st.sampled_from(frames)).split(b":")
    at = 1 + draw(st.integers(0, 40)) % (len(pieces) - 1)
    _, comma, rest_of_piece = pieces[at].partition(b",")
    pieces[at] = draw(values) + comma + rest_of_piece
    return b":".join(pieces)
