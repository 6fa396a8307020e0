"""The parts of a refresh: what is asked, fetching, judging, and what came of it."""
