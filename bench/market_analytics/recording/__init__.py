"""What is measured of one run: latencies of each stage, the run over time, when bars were seen, the idle schedule."""
