"""Configuration: YAML files read into frozen pydantic models, checked before anything runs."""
