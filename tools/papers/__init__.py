"""What each paper ran, and what it found, as plain data: a module per paper."""
