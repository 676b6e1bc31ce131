"""The arithmetic: numbers in, numbers out. Each function states its unit and its source; no effects, no clock."""
