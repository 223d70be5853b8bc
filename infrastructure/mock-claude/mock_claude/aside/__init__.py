"""Long bodies, read by a process of their own so that nobody waits for them."""
