"""Thousands of requests that nobody would send, made of the APIs' own descriptions, against deployed stacks.

exchange.py    one request with its answer, and who gave the answer: a function, the gateway, or LocalStack by itself
objections.py  what may be wrong with an exchange, beside what schemathesis checks
campaign.py    schemathesis, set up for an API and driven round by round
run.py         a LocalStack with both stacks, campaigns against both, the calls
"""
