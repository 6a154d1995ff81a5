"""The real functions in a world of its own: AWS in memory, virtual time, and every interleaving that one seed draws.

Handlers are plain code. Each runs in a greenlet and is switched at every call of a service (`scheduler`, `services`);
what goes wrong there is a decision (`decisions`), drawn from the seed or, when a history is replayed, looked up.
"""
