"""One tick a message, one item a tick, one event a tick: what is usually built first.

```
 S3 object --> ingest --10 ticks a request--> queue --batches of 10--> process --PutItem (symbol, timestamp)--> ticks
                                                                         | one event a tick
                                                                         v
                                                                     aggregate --> one bar a symbol and minute
```

Where tutorials differ it has the better choice: messages in batches, counts that are added and not read and written
back, least memory. What makes it simple it keeps: a tick is a message, and (symbol, timestamp) is its key.
"""
