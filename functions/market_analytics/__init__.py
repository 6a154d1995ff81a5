"""The functions of the market-analytics pipeline: thin handlers over the shared library."""
