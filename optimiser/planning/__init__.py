"""Which purchases serve the demand for the least money, and how close to the least that provably is."""
