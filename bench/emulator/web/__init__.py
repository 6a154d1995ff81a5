"""LocalStack's web server: connections, each a thread of its own, their requests parsed by llhttp."""
