"""How vendors' files are read as ticks: descriptions that are data, and what they mean. See docs/feeds.md."""
