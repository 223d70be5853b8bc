"""What was asked and what it costs: tokens, the prompt cache, the log, metrics."""
