"""The lab as a child process: started, spoken to, ended; it ends with whoever started it.

In: what `python -m perpscope.lab` is to be told. Out: a process, and where its exchanges are.
"""

import asyncio
import contextlib
import sys
from asyncio.subprocess import Process
from collections.abc import Collection, Mapping, Sequence

import msgspec

from perpscope.errors import VenueUnreachable

_START_DEADLINE_S = 60.0
_STOP_DEADLINE_S = 2.0


class Address(msgspec.Struct, frozen=True):
    """Where one of its exchanges is: base URLs."""

    rest: str
    websocket: str


class _Ready(msgspec.Struct):
    venues: dict[str, Address]


async def started(arguments: Sequence[str], *, pass_fds: Collection[int] = ()) -> tuple[Process, dict[str, Address]]:
    """Start the exchanges and wait until they can be used.

    Args:
        arguments: of the lab's own command line.
        pass_fds: open files it may read.

    Raises:
        VenueUnreachable: they did not start.
    """
    lab = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "perpscope.lab", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        pass_fds=tuple(pass_fds),
        start_new_session=True,  # Ctrl-C is for whoever started it, who ends it
    )
    assert lab.stdout is not None  # noqa: S101  # PIPE was asked for
    try:
        line = await asyncio.wait_for(lab.stdout.readline(), _START_DEADLINE_S)
        return lab, msgspec.json.decode(line, type=_Ready).venues
    except BaseException as error:
        await ended(lab)
        if isinstance(error, TimeoutError | msgspec.MsgspecError):
            raise VenueUnreachable(
                "the lab did not start", venue="lab", hint="python -m perpscope.lab shows why"
            ) from error
        raise


def say(lab: Process, word: bytes) -> None:
    """Tell it something; one that is gone does not hear it."""
    if lab.stdin is not None and not lab.stdin.is_closing():
        with contextlib.suppress(OSError):
            lab.stdin.write(word + b"\n")


async def ended(lab: Process) -> None:
    """End it. Harmless when repeated."""
    if lab.returncode is not None:
        return
    lab.terminate()
    try:
        await asyncio.wait_for(lab.wait(), _STOP_DEADLINE_S)
    except TimeoutError:
        lab.kill()
        await lab.wait()


def pointed(addresses: Mapping[str, Address]) -> dict[str, dict[str, object]]:
    """`[venue.X]` of settings that are to speak to these exchanges and to nobody else."""
    return {
        venue: {
            "websocket_url": address.websocket,
            "rest_url": address.rest,
            "clock_url": f"{address.rest}/lab/clock",
            "weight_per_minute": 1e6,
            "proxy": "none",
        }
        for venue, address in addresses.items()
    }
