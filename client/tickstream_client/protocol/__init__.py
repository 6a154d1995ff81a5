"""What is said to the API and in which order, without any I/O: generators of steps, which both clients carry out."""
