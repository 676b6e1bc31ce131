"""One folder per exchange: what to send, and what came. Bytes in, events out; no I/O and no clock.

Each package exposes one `VENUE` (`perpscope.ports.Venue`) and is found by its folder's name; there is no registry.
`feeds` does the sending and the stamping.
"""
