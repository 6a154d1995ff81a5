"""File processing: three stages in a chain of FIFO queues, and the status of each file."""
