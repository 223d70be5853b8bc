"""What a reader does with a step: see its diff, run its agent, export it, begin a new one."""
