"""silver -> features: daily sums first, then windows from them, as known on the business date."""

from collections.abc import Mapping

from lakeshop.features.products import products
from lakeshop.features.user_product_days import user_product_days
from lakeshop.features.users import users
from lakeshop.run import Builder

TABLES: Mapping[str, Builder] = {
    "features.user_product_days": user_product_days,
    "features.users": users,
    "features.products": products,
}
