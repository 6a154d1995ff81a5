"""The pure, shared library: ticks, bars, ranges, slices, keys, messages. It makes no AWS calls."""
