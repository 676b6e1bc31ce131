"""True totals of liquidations, where at most one a second is published: estimated, with an interval, and scored."""
