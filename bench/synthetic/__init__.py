"""Synthetic ticks: realistic, reproducible from a seed, made and written one object at a time.

market      the price process, the day's volume, the symbols
faults      corrupt rows, each with the reason that it must be rejected with
render      ticks as lines of text, in CSV or JSON
prints      trades with sale conditions, and auctions; what each kind of print updates
vendor      what a vendor's file is; massive and algoseek are two
vendors     the rows of such a file with their truth
plan        how a workload is cut into objects and requests
factory     the objects and requests of a workload, with their truth
"""
