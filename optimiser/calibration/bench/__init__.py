"""The micro-benchmarks: plain functions over torch tensors on a device. Importing any of this imports torch."""
