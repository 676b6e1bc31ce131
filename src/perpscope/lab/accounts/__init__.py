"""Accounts on the lab's exchanges, in no venue's words: orders, matching, positions, margin, funding, liquidation.

In: requests to trade, and the market as it is published. Out: what becomes of them, as `told` events and as state that
a venue's wire reads. Money is `Decimal`; sizes are base units, prices quote per base, times milliseconds of the market.
"""
