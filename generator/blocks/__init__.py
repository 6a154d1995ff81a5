"""One AWS idea a file; each block wires its own role statements, log group, tags and dead-letter queue."""
