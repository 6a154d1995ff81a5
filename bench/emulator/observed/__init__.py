"""What is written down of a run: requests, billed chunks, log lines that count as metrics. Changes no answer."""
