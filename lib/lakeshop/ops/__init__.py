"""gold and what happened later -> ops.metrics: how good an earlier night was."""
