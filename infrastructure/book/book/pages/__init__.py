"""What becomes HTML."""
