"""features -> ops.models: what each model learns from, how it is trained, which one is used."""

from collections.abc import Mapping

from lakeshop.builder import Builder
from lakeshop.trainers.models import models

TABLES: Mapping[str, Builder] = {"ops.models": models}
