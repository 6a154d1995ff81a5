"""What a run measures: latencies of each stage, the run over time, requests of AWS's services."""
