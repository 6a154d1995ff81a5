"""What a run tells: progress while it runs, the verdict at its end, the result file for later."""
