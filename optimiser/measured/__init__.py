"""Users' own benchmarks: read from what their tools write, kept with provenance, and what estimates are anchored on."""
