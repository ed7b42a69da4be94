"""What it costs: ratios of processor time, each against its goal. Run by ``make bench``."""
