"""Prices of Azure."""
