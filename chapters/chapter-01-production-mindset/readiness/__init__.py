"""What production asks of an agent, measured: chapter 1's package."""
