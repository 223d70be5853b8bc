"""What runs a story: processes, the simulator, the step's agent or service, trials side by side."""
