"""A file of the user's own (`--input`): what must become of it, by readers that the pipeline does not share.

taking          from the file to its truth
packing         gzip, zip and zstd: by Python's own modules
description     a feed's description, from its JSON
headings        which names the columns have, and where rows begin
rows            lines of CSV and JSON taken apart, by Python's own modules
documents       rows of one JSON document
tables          Parquet, by DuckDB's own reader
native          the truth of native rows, in SQL
feed_rows       the truth of a feed's rows, in SQL
moments         texts to Unix nanoseconds, in SQL
conditions      sale conditions to what a trade updates
pairs           rows that take earlier ones back, over all of a file
numbers         texts to integers of 10^-9, in SQL and in fractions

Which feed reads a file is the pipeline's own choice (`tickstream.feeds.choice`), made from the heads that are unpacked
here: the manifest says which one was taken, and the verdict compares.
"""
