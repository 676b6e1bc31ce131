"""What the process that started the lab says on its standard input."""

import asyncio
import os

import pytest

from perpscope.lab.parent import heed


@pytest.fixture
def pipe() -> tuple[int, int]:
    """Two ends: to read, to write."""
    return os.pipe()


async def test_words_are_heeded_until_the_parent_is_gone(pipe: tuple[int, int]) -> None:
    """Each known line once, in whatever pieces it comes; the rest is passed over; the end of the pipe is the end."""
    reading, writing = pipe
    said: list[str] = []
    heeding = asyncio.create_task(heed(reading, {b"start": lambda: said.append("start"), b"hurry": lambda: None}))
    os.write(writing, b"sta")
    await asyncio.sleep(0)
    os.write(writing, b"rt\nnonsense\n  start \nstart")
    os.close(writing)
    await asyncio.wait_for(heeding, 30.0)
    assert said == ["start", "start"]
    os.close(reading)


async def test_where_standard_input_is_no_pipe_nobody_speaks() -> None:
    """A terminal or a file is no parent: the lab goes on until it is told otherwise."""
    with open(os.devnull, "rb") as nothing, pytest.raises(TimeoutError):
        await asyncio.wait_for(heed(nothing.fileno(), {}), 0.05)
