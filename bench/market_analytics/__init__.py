"""Market analytics in the bench: ticks go in through S3 and the API, and every bar must be the oracle's.

load            sending a workload and waiting for it
fault_plan      the faults of a run: rules, their occasions, the redrive after the cure
recording/      what is measured of a run
facts           what its result file says
progress_display  one line that says how far it is
completion      waiting until everything is processed, or provably will not be
oracle          the bars, by DuckDB from the truth
table_reader    reading back the table, rejects and dead letters
api_reader      reading back bars through the API
indeterminate   pieces whose answer never came: the table tells
compare         findings from two sides: pure, so that each can be shown to fail
whole_refusals  objects that were refused as a whole
retractions     what is taken back on the way, and when (retraction_moments)
evidence        what a verdict is based on
checks          gathering both sides of every check
trial           one run
"""
