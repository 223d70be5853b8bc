"""Message batches: many requests at once, half as dear, answered later."""
