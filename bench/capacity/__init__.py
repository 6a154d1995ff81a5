"""A model of market analytics at AWS's quotas, in virtual time: what settles, what grows, what it costs.

quotas      what AWS documents, a dated data file
figures     what the benchmarks measured, a dated data file
designs     how the pipeline is built: before lanes, and with them
scenarios   what comes in, and when
shared      capacity that all who want it share
world       clock, table, functions' concurrency, requests: what all parts use
intake      who sends, and DataIngestion
processing  ProcessingQueue and DataProcessor
lists       the work list by lanes
rolling     what rolling up costs, and hours with segments
aggregation DataAggregator: the election, the passes, the schedule
settling    the survey of open ingests
model       the parts put together, and run
outcome     what became of it, in a few figures
sent        what a run of the bench sent, as scenarios
emulator    the same parts on two cores, held against measured runs
tables      all of it in the terminal and for the docs
page        all of it as one page with charts

It is arithmetic with a clock, and proves nothing of the functions: that is for `bench.simulation`, which runs them.
"""
