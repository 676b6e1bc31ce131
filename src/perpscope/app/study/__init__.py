"""Studies: is what perpscope says worth anything, measured against what then happened."""
