"""`optimiser train`: what training a model costs, where, how paid, and how the GPUs share the work."""
