"""Observe layers and predictions of a model, hold a fixed set, and leave no trace.

Everything here works on a plain torch module; Lightning comes in only in `it_callbacks.callbacks`.
"""
