"""Sentiment, risk and cascades: from what a store holds to what is shown."""
