"""What sources about Bitget contradict each other on, or do not tell: switches a test may set."""

AMOUNT_IN_BASE = False
"""Unit of a liquidation's `amount`. The documentation says quote coin; two collectors that checked REST rows against a
cascade of 2026-10-07 say base coin."""

CHECKSUMS = True
"""Whether v2 book updates carry a CRC32 (documented until 2024, in frames of 2024; a probe of 2026-09-15 saw none on
USDT futures). Clients check it where it is sent."""

SEQUENCES_AS_TEXT = False
"""Whether `seq` and `pseq` are strings (the v3 documentation) or bare integers (frames captured in September 2026)."""

LISTED_COMPLETE = False
"""Whether REST lists every liquidation; the documentation does not say. If not, it is sampled as the topic is."""
