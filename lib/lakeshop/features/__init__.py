"""silver -> features: daily sums first, then windows from them, as known on the business date."""

from collections.abc import Mapping

from lakeshop.builder import Builder
from lakeshop.features.demand import demand
from lakeshop.features.product_days import product_days
from lakeshop.features.products import products
from lakeshop.features.transactions import transactions
from lakeshop.features.user_product_days import user_product_days
from lakeshop.features.user_products import user_products
from lakeshop.features.users import users

TABLES: Mapping[str, Builder] = {
    "features.user_product_days": user_product_days,
    "features.product_days": product_days,
    "features.user_products": user_products,
    "features.users": users,
    "features.products": products,
    "features.demand": demand,
    "features.transactions": transactions,
}
