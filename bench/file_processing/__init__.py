"""File processing in the bench: files of a known fate go in, and each file's status must tell exactly that fate.

input_files     the files, and what must become of each
faults          the faults that decide the fate of poison and curable files
completion      waiting until every file is at rest
oracle          totals and bad rows of each file, by DuckDB from the truth
table_reader    reading back statuses and queues
compare         findings from two sides: pure, so that each can be shown to fail
checks          gathering both sides of every check
trial           one run
"""
