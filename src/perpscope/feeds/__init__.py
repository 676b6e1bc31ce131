"""Inbound: sockets, clocks, recordings and replays. Bytes come in, events in the order of receipt go out."""
