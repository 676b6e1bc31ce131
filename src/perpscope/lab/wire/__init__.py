"""How each simulated venue writes: one folder per dialect, written from the venue's documentation alone."""
