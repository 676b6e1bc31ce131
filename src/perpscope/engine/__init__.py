"""The synchronous heart: events in, state and vouched-for events out. No clock, no I/O; now is the event's."""
