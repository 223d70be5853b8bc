"""What keeps sixty copies of an agent one chain: rules that read, and rules that run code."""
