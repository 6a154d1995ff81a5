"""What any pipeline's run is measured by: the journal of requests, and what tables hold."""
