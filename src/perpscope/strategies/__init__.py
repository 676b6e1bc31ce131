"""One file per strategy, found by its name; each exposes its `STRATEGY`."""
