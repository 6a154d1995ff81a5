"""Carry out the steps of `protocol`: in threads, or in tasks of asyncio. Nothing is decided here."""
