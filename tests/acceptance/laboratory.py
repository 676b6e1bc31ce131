"""A lab in the test's own process and hearts in processes of their own, so that the lab's ledger can be asked."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from perpscope.lab.ledger import Moment
from perpscope.lab.running import Lab


def connected(lab: Lab) -> int:
    """Connections the lab has taken so far."""
    return sum(mark.moment is Moment.OPEN for mark in lab.ledger.marks)


def pointed_at(lab: Lab) -> dict[str, str]:
    """The variables that point a heart at a lab, its market clock included."""
    return {
        "PERPSCOPE_COLLECT__VENUES": "binance",
        "PERPSCOPE_VENUE__BINANCE__REST_URL": lab.rest_url,
        "PERPSCOPE_VENUE__BINANCE__WEBSOCKET_URL": lab.websocket_url,
        "PERPSCOPE_VENUE__BINANCE__CLOCK_URL": f"{lab.rest_url}/lab/clock",
        "PERPSCOPE_VENUE__BINANCE__WEIGHT_PER_MINUTE": "1e6",
    }


@asynccontextmanager
async def heart(
    lab: Lab, database: Path, words: Sequence[str] = (), **variables: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """`perpscope collect` against a lab, in a process of its own; killed at the end if it still runs."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PERPSCOPE_", "XDG_"))}
    with database.with_suffix(".log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                "perpscope",
                "collect",
                "--db",
                str(database),
                "--symbols",
                "all",
                "--json",
                *words,
            ),
            env={**kept, "HOME": str(database.parent), **pointed_at(lab), **variables},
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
