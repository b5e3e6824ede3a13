"""features -> ops.models, ops.backtests: what is learned, and which model or method is used."""

from collections.abc import Mapping

from lakeshop.builder import Builder
from lakeshop.trainers.backtests import backtests
from lakeshop.trainers.models import models

TABLES: Mapping[str, Builder] = {"ops.models": models, "ops.backtests": backtests}
