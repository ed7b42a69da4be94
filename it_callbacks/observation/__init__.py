"""How to listen to layers, hold a probe set, and leave no trace.

Everything here works on a plain torch module; Lightning comes in only in `it_callbacks.callbacks`.
"""
