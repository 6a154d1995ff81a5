"""The metadata of Parquet objects: read, checked and written again smaller, without polars. No values are read here."""
