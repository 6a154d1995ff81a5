"""Load from many machines: each of Dask's workers makes and sends its own pieces of a run (`bench run --workers`).

split       whose a piece is, and that all have made the same
clocks      how far a worker's clock is from this one's
hand        what works in a worker: it makes pieces, sends them, and tells of them
identity    what must be the same in all of them
cluster     how they are reached: the only module that knows Dask
fleet       the one who asks: compares clocks, says go, collects ledgers, names who was lost
told        what a result and a verdict say of them
"""
