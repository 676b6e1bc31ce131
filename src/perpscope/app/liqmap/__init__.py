"""The liquidation map: from what a store holds to what is shown, and kept current in the heart."""
