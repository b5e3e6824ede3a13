"""Where rows come from; each module writes or reads what a shop's own systems deliver."""
