"""Whether engines agree: one workload and seed on each, and what they answered side by side (`bench agree`).

engines     which there are, and how a run is made on each
differences what two of them answered differently, and what explains it
comparing   the runs, one after the other, and what is said of them
"""
