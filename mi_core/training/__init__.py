"""What makes the shipped weights: data, loops, checkpoints."""
