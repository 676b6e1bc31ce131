"""Every card for every store: engines are found by name, and none can be forgotten."""

import asyncio
import importlib
import pkgutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import ModuleType

import pytest
from tests.contract.store_events import at, liquidation, tick
from tests.contract.store_suite import CARDS, Card, Plug

import perpscope.stores
from perpscope.stores.status import StoreKind

#: A fresh location for each engine: a new engine adds a line.
LOCATIONS: dict[str, Callable[[Path], str]] = {"sqlite": lambda folder: str(folder / "market.db")}


def engines() -> dict[str, ModuleType]:
    """Modules of `perpscope.stores` that open a store."""
    names = [found.name for found in pkgutil.iter_modules(perpscope.stores.__path__)]
    modules = {name: importlib.import_module(f"perpscope.stores.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "open_writer")}


ENGINES = engines()


@pytest.fixture(params=sorted(ENGINES))
def plug(request: pytest.FixtureRequest, tmp_path: Path) -> Plug:
    """An engine and a fresh place for it."""
    engine = ENGINES[request.param]
    location = LOCATIONS[request.param](tmp_path)
    return Plug(lambda kind: engine.open_writer(location, kind=kind), lambda: engine.open_reader(location))


def test_every_engine_has_a_location() -> None:
    """An engine that is added runs through the cards, or this fails."""
    assert set(LOCATIONS) == set(ENGINES)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.__name__.removeprefix("card_"))
def test_card(card: Card, plug: Plug) -> None:
    """Every store keeps every card.

    Keeps S1-36, S1-37, S1-38, S1-40, S1-41, S1-43, S1-44, S1-45, S1-46.
    Keeps S2-26, S2-31, S2-43, S2-44, S2-45, S2-46, S2-47, S2-48, S2-49, B6.
    """
    card(plug)


async def test_flushing_leaves_the_loop_free(plug: Plug) -> None:
    """`aflush` returns when everything is committed, and other tasks run meanwhile."""
    with closing(plug.open_writer(StoreKind.OBSERVED)) as store:
        for number in range(5000):
            store.sink().accept(liquidation(number / 1000))
        store.sink().accept(tick(5))
        turns = 0
        flushing = asyncio.ensure_future(store.aflush())
        while not flushing.done():
            turns += 1
            await asyncio.sleep(0)
        await flushing
        assert turns > 1
        assert (store.pending_rows, store.committed) == (0, at(5))
        with closing(plug.open_reader()) as reader:
            assert len(reader.liquidations(limit=10_000)) == 5000
