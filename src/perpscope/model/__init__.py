"""The vocabulary: values without behaviour, shared by every room. Imports nothing of ours but `errors`."""
