"""What goes wrong on purpose: scripts, rules, draws, and the edge that commits the faults."""
