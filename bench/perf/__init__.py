"""The benchmarks: `python -m bench perf`. Figures are recorded, told beside their goals, and never asserted in a test.

A ratio is measured in one run, its two sides by turns, so that whatever else the machine does meets both.
"""
