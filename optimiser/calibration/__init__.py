"""What this machine's own GPU reaches: `optimiser calibrate`. Only optimiser.calibration.bench knows torch."""
