"""Exchanges at real speed for `bench_load`, in a process of their own: `python load_lab.py SYMBOLS ACTIVITY VENUE…`.

Prints one line of JSON, addresses by venue; when standard input ends, another: frames sent, its own share of a core,
and when each trade of the first symbol had been handed to its sockets (market time, ns, by the trade's id): what is
stamped on time may leave late, and that is this process's, not its listener's.
"""

import asyncio
import json
import sys
import time

import msgspec
import uvloop

from perpscope.lab.run import serve_markets
from perpscope.lab.running import Lab


class _Trade(msgspec.Struct):
    a: int


def _watched(lab: Lab, symbol: str) -> dict[int, int]:
    """When each trade of a symbol was sent, by its id, as they are sent from now on; Binance's alone."""
    sent: dict[int, int] = {}
    topic, hand, now_ns = f"{symbol.lower()}usdt@aggTrade", lab.server.hand, lab.clock.now_ns
    read = msgspec.json.Decoder(_Trade).decode

    def pass_on(topic_: str, payload: bytes) -> None:
        hand(topic_, payload)
        if topic_ == topic:
            sent[read(payload).a] = now_ns()

    lab.server.between(pass_on)
    return sent


async def _serve(symbols: int, activity: float, venues: list[str]) -> None:
    names = tuple(f"ALT{number}" for number in range(1, symbols + 1))
    async with await serve_markets(7, 1.0, venues=venues, symbols=names, activity=activity) as labs:
        print(
            json.dumps({venue: (lab.rest_url, lab.websocket_url) for venue, lab in labs.by_venue.items()}), flush=True
        )
        sent = _watched(labs.by_venue["binance"], names[0]) if "binance" in venues else {}
        busy, began = time.process_time(), time.monotonic()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        frames = sum(lab.ledger.frames for lab in labs.by_venue.values())
        share = (time.process_time() - busy) / (time.monotonic() - began)
        print(json.dumps({"frames": frames, "core_share": share, "sent": sent}), flush=True)


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
