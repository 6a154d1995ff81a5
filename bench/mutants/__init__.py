"""Deliberately broken pipelines (invariant I9): a bench that cannot tell them from the real one proves nothing."""
