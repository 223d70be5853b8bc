"""The ``book`` command: walks the chain of steps, replays incidents, runs agents and tests."""
