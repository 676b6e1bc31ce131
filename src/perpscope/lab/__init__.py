"""A market in a box: an exchange on loopback that speaks a venue's wire, for tests, demos and playbacks.

Its own street runs the other way: seeded market or recorded tape → publisher → server → somebody's socket. It knows
nothing of how perpscope reads (only `model` and `errors` are imported), so one misunderstanding cannot stand on both
sides of a test. `lab.run` starts one; `python -m perpscope.lab` starts one as its own process.
"""
