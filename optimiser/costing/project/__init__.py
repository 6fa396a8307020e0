"""`optimiser budget`: the five lines of an LLM project over its months, and owning GPUs against renting them."""
