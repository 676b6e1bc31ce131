"""Between the heart and its faces: one file per way to carry a message."""
