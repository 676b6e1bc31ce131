"""perpscope: where leverage in crypto perpetual futures will break, and what was not seen.

Bytes come in at one end and walk straight through:
frame → decoder → event → state → strategy → risk → output.
"""

__version__ = "0.1.0"
