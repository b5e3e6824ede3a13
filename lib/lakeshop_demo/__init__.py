"""Demo data: a simulated shop, and dunnhumby's Complete Journey as daily drops."""
