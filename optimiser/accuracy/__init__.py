"""How far the performance model is from published measurements: `python -m optimiser.accuracy FILE`."""
