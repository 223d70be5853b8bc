"""What a trial's processes say about themselves is taken in: traces, metrics, alerts, output."""
