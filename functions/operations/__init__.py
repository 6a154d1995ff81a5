"""What a stack needs for itself."""
