"""What a face answers, made of what a store holds: one module for each noun that has no reading of its own."""
