"""Real orders: sent once each, watched until they are over, never without a stop behind them.

In: orders that risk approved, and what an exchange says of our account. Out: own events (fills, closed orders, funding)
to whoever keeps the front door. What was meant is in the journal before it is sent; what is not known is asked, and
never sent again.
"""
