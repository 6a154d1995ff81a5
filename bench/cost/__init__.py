"""Dollars: what the measured requests, units and seconds of a run would cost on AWS.

prices      the price table, a dated data file
usage       what of a result is billed, in the units of the prices
bill        usage times prices, and what grows how with the ticks of a day
idle        a day without ticks, and what is paid by the month
estimate    about what a run will cost, before it is made
tables      all of it in the terminal and as JSON
"""
