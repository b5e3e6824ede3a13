"""features -> ops.models: what each model learns from, how it is trained, which one is used."""
