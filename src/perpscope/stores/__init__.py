"""Where events are kept: one module per engine, found by name.

An engine's module (`sqlite`) exposes `open_writer(location, kind=…)` and `open_reader(location)`; the others here are
the parts it is made of, in the order an event meets them: `intake` → `rows` → `writer` → `statements` → `schema`, and
back out through `reader`. `docs/add-a-store.md` tells how a second engine is plugged in.
"""
