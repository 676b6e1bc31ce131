"""A market made of people who do not exist, so that the truth about it is known: every position, stop and liquidation.

The street: `world` (news, mood) → `traders` (wishes, by their `habits`) → `book` → `exchange` (accounts) →
`liquidation` → `truth` (the log); `market` steps them all in virtual time, `steps` is what goes in and comes out,
`facts` judges it. No clock, no socket; the same seed gives the same bytes.
"""
