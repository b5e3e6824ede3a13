"""silver -> features: what several applications share, as known on the business date."""
