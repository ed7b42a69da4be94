"""The instrument of both prediction monitors. It knows no Lightning and no logger."""
