"""What `tickstream` can do, a module a subject; `tickstream_client.command` puts them together."""
