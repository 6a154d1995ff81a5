"""The design that most tutorials teach, built and measured like our own: a comparison is one of two measurements.

            (the peer itself: `bench.naive`)
slices      the first ticks of a workload or of a file, and what becomes of them under the peer's keys
naive_run   deploys the peer, sends them, waits, counts what is stored
versus      both, on the same LocalStack, side by side
"""
