"""What an LLM costs beside serving it."""
