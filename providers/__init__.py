"""Where prices come from: the bottom layer, which imports nothing of ours above it."""
