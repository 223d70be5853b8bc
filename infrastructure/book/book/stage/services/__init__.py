"""Real servers for trials: one module a kind, a pool of them, and the supervisor they run under."""
