"""Prices of Amazon EC2."""
