"""The prices in force, and the door they come in by."""
