"""Frame to validated event, venue by venue: each decoder against the msgspec floor of its own wire."""

import importlib
from collections.abc import Callable, Sequence

from floors import Frame
from measure import Figure, cpu_ns, interleaved, judge, ratio
from venue_frames import RECEIVED_NS, SHARES, Tape

from perpscope.app.venues import find, names
from perpscope.errors import PerpscopeError

GOAL = 1.6


def venues() -> bool:
    """Every venue there is a folder for; one the lab does not speak, or that has no floor here, is not measured."""
    shares = ", ".join(f"{share} % {kind}" for kind, share in SHARES.items())
    print(f"\nframe → event by venue, CPU per frame of the lab's ({shares}), over typed msgspec + dict dispatch")
    met = [_venue(name) for name in names()]
    return all(met)


def _venue(name: str) -> bool:
    try:
        make_floor = importlib.import_module(f"floors.{name}").floor
        tape = Tape(find(name))
    except (ImportError, LookupError, PerpscopeError) as missing:
        print(f"  {name:<12} not measured: {missing}")
        return False
    ids = {symbol: instrument.id for symbol, instrument in tape.catalogue.items()}
    mix = [memoryview(frame) for frame in tape.mix(30_000)]
    learning = _Everyone()
    learn = make_floor(ids, learning)
    for frame in mix:
        learn(frame)
    floor = make_floor(ids, dict(learning))
    decode = tape.decoder().decode
    figures = _figures(floor, decode, mix, 7)
    _tell(f"{name}, mix", figures)
    for kind in SHARES:
        if kind in tape.frames:
            views = [memoryview(frame) for frame in tape.frames[kind][:200]]
            _tell(f"  {kind}, {sum(map(len, views)) // len(views)} B", _figures(floor, decode, views * 10, 5))
    return judge(f"{name} handler ÷ floor", ratio(*figures), GOAL)


class _Everyone(dict[type, Callable[[object, object], None]]):
    """Learns the kinds of messages there are; all are told the same way."""

    def __init__(self) -> None:
        self.seen = 0

    def __missing__(self, kind: type) -> Callable[[object, object], None]:
        self[kind] = self.count
        return self.count

    def count(self, _message: object, _instrument: object) -> None:
        """Take one message."""
        self.seen += 1


def _figures(
    floor: Callable[[Frame], object],
    decode: Callable[[Frame, int], object],
    frames: Sequence[Frame],
    rounds: int,
) -> tuple[Figure, Figure]:
    """(ours, floor)."""

    def ours() -> None:
        for frame in frames:
            decode(frame, RECEIVED_NS)

    def bare() -> None:
        for frame in frames:
            floor(frame)

    ways = {"ours": lambda: cpu_ns(ours, len(frames)), "floor": lambda: cpu_ns(bare, len(frames))}
    figures = interleaved(ways, rounds=rounds)
    return figures["ours"], figures["floor"]


def _tell(name: str, figures: tuple[Figure, Figure]) -> None:
    ours, floor = figures
    print(f"  {name:<28} {ours.median:>8,.0f} ns over {floor.median:>8,.0f} ns   ×{ratio(ours, floor):.2f}")
