"""The instrument of the information plane. It knows no Lightning and no logger."""
