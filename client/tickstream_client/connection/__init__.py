"""Where the API and the bucket are, and as whom they are asked."""
