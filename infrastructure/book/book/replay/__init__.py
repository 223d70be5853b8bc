"""An incident on the step before and on the step that solves it, judged and shown."""
