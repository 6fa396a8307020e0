"""Several services planned together: what is paid all along serves whichever of them needs it in an hour."""
