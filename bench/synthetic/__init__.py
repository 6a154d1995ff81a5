"""Synthetic ticks: realistic, reproducible from a seed, made and written one object at a time.

market      the price process, the day's volume, the symbols
faults      corrupt rows, each with the reason that it must be rejected with
render      ticks as lines of text, in CSV or JSON
factory     the objects and requests of a workload, with their truth
"""
