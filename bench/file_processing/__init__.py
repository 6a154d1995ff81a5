"""File processing in the bench: files of a known fate go in, and each file's status must tell exactly that fate.

feed        the files, and what must become of each
faults      the faults that decide the fate of poison and curable files
oracle      totals and bad rows of each file, by DuckDB from the truth
watch       waiting until every file is at rest
state       reading back statuses and queues
verify      the checks: pure, so that each can be shown to fail
judging     gathering both sides of every check
trial       one run
"""
