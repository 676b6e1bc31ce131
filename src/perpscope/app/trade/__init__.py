"""Runs of a strategy on a live market: on paper, or with orders at an exchange."""
