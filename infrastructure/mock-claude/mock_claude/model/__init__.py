"""The stand-in for the model: reads a task, plans calls, words answers; and stories on top."""
