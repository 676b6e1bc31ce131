"""Composition: the only rooms that construct parts and join them."""
