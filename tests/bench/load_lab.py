"""Exchanges at real speed for `bench_load`, in a process of their own: `python load_lab.py SYMBOLS ACTIVITY VENUE…`.

Prints one line of JSON, addresses by venue; when standard input ends, another: frames sent, its own share of a core.
"""

import asyncio
import json
import sys
import time

import uvloop

from perpscope.lab.run import serve_markets


async def _serve(symbols: int, activity: float, venues: list[str]) -> None:
    names = tuple(f"ALT{number}" for number in range(1, symbols + 1))
    async with await serve_markets(7, 1.0, venues=venues, symbols=names, activity=activity) as labs:
        print(
            json.dumps({venue: (lab.rest_url, lab.websocket_url) for venue, lab in labs.by_venue.items()}), flush=True
        )
        busy, began = time.process_time(), time.monotonic()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        frames = sum(lab.ledger.frames for lab in labs.by_venue.values())
        share = (time.process_time() - busy) / (time.monotonic() - began)
        print(json.dumps({"frames": frames, "core_share": share}), flush=True)


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
