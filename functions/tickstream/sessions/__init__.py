"""What a day is: of UTC, of a zone, of a roll at some time of day, or of an exchange. See docs/sessions.md."""
