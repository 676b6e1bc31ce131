"""Push to five hundred clients: CPU of a delivery against a bare picows server and starlette's WebSocket, and the load.

`PUSH_S` sets the seconds of the load; 0 leaves it out.
"""

import os
import statistics
import sys
from pathlib import Path

from measure import Figure, interleaved, judge, ratio, tell

sys.path.append(str(Path(__file__).resolve().parents[2]))

from tests.push_load import heard, load, role

_FAN = str(Path(__file__).with_name("push_fan.py"))
_CLIENTS, _STALLED = 500, 25
_ROUNDS = 3
_SECONDS = float(os.environ.get("PUSH_S", "60"))
_LIMIT_MS = 50.0


def _us(way: str, late: dict[str, list[float]]) -> float:
    """CPU µs of one delivery."""
    with role(way, _CLIENTS, script=_FAN) as server:
        port = heard(server)["port"]
        with role("clients", port, _CLIENTS, 0, 7.0) as clients:
            heard(clients)
            found = heard(server)
            late[way].append(heard(clients)["p99_ms"])
    us: float = found["us"]
    return us


def push() -> bool:
    """Every figure."""
    late: dict[str, list[float]] = {"picows": [], "starlette": [], "ours": []}
    figures = interleaved({way: lambda way=way: _us(way, late) for way in late}, rounds=_ROUNDS)  # type: ignore[misc]
    tell(f"push to {_CLIENTS} clients, CPU of one delivery", figures, unit="µs")
    for way, values in late.items():
        print(f"  {way:<44} {statistics.median(values):>12,.1f} ms, median p99")
    picows, starlette, ours = figures["picows"], figures["starlette"], figures["ours"]
    met = [
        judge("a delivery ÷ bare picows", ratio(ours, picows), 1.5),
        judge("a delivery ÷ starlette's WebSocket", ratio(ours, starlette), 1.5),
        judge("p99 ms, 500 clients", statistics.median(late["ours"]), _LIMIT_MS),
    ]
    if _SECONDS:
        met += _load()
    return all(met)


def _load() -> list[bool]:
    alone = load(min(20.0, _SECONDS), 1, 0)
    crowd = load(_SECONDS, _CLIENTS - _STALLED, _STALLED)
    heart, clients, before, after = (crowd[name] for name in ("heart", "clients", "before", "after"))
    wanted = heart["updates"] * (_CLIENTS - _STALLED)
    print(f"\n{_CLIENTS} clients for {_SECONDS:g} s, {_STALLED} of them stalled, {heart['updates']} updates")
    delivered, share = clients["delivered"], (after["cpu"] - before["cpu"]) / _SECONDS
    print(f"  delivered {delivered:,} of {wanted:,}, dropped {clients['dropped']}, rows {clients['rows_least']}")
    print(f"  late p50 {clients['p50_ms']:.1f} ms, p99 {clients['p99_ms']:.1f} ms")
    print(f"  face {before['rss']:.1f} → {after['rss']:.1f} MB, {share:.1%} of a core")
    print(f"  stalled and closed {after['closed']}, left {after['connections']}, missed on the bus {after['missed']}")
    for name, found in (("one client", alone["heart"]), ("all clients", heart)):
        print(f"  heart's state, {name}: p50 {found['state_ms_p50']:.2f} ms, p99 {found['state_ms_p99']:.2f} ms")
    once = Figure("alone", [alone["heart"]["state_ms_p50"]])
    return [
        judge("delivered of the updates", delivered / wanted, 0.99, at_least=True),
        judge("p99 ms under load", clients["p99_ms"], _LIMIT_MS),
        judge("face's growth MB", after["rss"] - before["rss"], 10.0),
        judge("heart's state, 500 clients ÷ one", ratio(Figure("crowd", [heart["state_ms_p50"]]), once), 1.5),
    ]
