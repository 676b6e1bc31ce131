"""The crowds of a lab: which coins have one, how they come to be, and their truth as files.

In: a seed and how many people, or pasts that were made elsewhere. Out: a `Crowd` a coin, at the opening.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import msgspec

from perpscope.lab.agents.crowd import Crowd
from perpscope.lab.agents.past import Making, Past
from perpscope.lab.dialect import Dialect
from perpscope.lab.symbols import contracts

CROWDED = ("BTC", "ETH", "SOL")  #: coins that are traded by people; the others are made of chance


class People(msgspec.Struct, frozen=True):
    """Who trades in a lab."""

    agents: int = 6000  #: on all venues together, of each coin
    past_days: float = 8.0  #: how much of their lives is known when the lab opens
    pasts: Mapping[str, Past] | None = None  #: what they have done, by base, where it was made elsewhere
    keeps_truth: bool = False  #: whether everything they do is written down


async def gathered(
    people: People | None, seed: int, wire: Dialect, symbols: tuple[str, ...], ts_start: int
) -> dict[str, Crowd]:
    """The crowds of a lab by base, of the coins that have one; they live up to the opening first, if they have not.

    Args:
        people: None: no coin has one.
        seed: of the lab.
        wire: whose names the symbols may be in.
        symbols: what is traded; all known contracts if empty.
        ts_start: the opening, ns UTC, on a whole minute.

    Raises:
        ConfigError: a symbol is not traded here.
        ValueError: the opening is not on a whole minute, or there is no day before it.
    """
    if people is None:
        return {}
    chosen = contracts(symbols, lambda contract: wire.instrument(contract).symbol)
    bases = [contract.base for contract in chosen]
    pasts = people.pasts
    if pasts is None:
        crowded = [base for base in bases if base in CROWDED]
        with Making(seed, crowded, ts_start, people.past_days, people.agents) as making:
            pasts = await asyncio.to_thread(making.result)
    return {base: Crowd(past, keeps_truth=people.keeps_truth) for base, past in pasts.items() if base in bases}


def write_truths(crowds: Mapping[str, Crowd], folder: Path) -> list[Path]:
    """Write each coin's truth log as Parquet into a folder of its own.

    Raises:
        ConfigError: pyarrow is not installed.
        ValueError: the crowds were not asked to keep it.
    """
    return [path for base, crowd in crowds.items() for path in crowd.truth().write(folder / base)]
