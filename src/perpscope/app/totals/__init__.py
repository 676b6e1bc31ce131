"""Liquidation totals: from what a store holds to what is shown."""
