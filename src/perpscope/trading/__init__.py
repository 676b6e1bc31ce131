"""Pure arithmetic of trading: what is watched, held, risked and filled, and what it came to. No I/O, no clock."""
