"""Candidates for `shop.exclude_products`: names that look like no goods. No Spark here.

They are proposals for a person to look at; nothing is excluded by them.
"""

import re
from collections.abc import Iterable

# Wherever they stand in a name; `*` is any end or beginning of a word. In English, German, French,
# Spanish, Italian, Dutch.
ANYWHERE = (
    "postage", "shipping fee", "shipping cost*", "shipping charge*", "delivery fee",
    "delivery charge*", "delivery cost*", "handling fee", "*versandkosten*", "versand",
    "liefergebühr*", "lieferkosten", "frais de port", "frais de livraison", "gastos de envío",
    "spese di spedizione", "verzendkosten",
    "deposit", "deposits", "*pfand", "pfand*", "leergut*", "consigne", "statiegeld",
    "carrier bag*", "shopping bag*", "plastic bag*", "paper bag*", "checkout bag*",
    "*tragetasche*", "*einkaufstüte*", "*plastiktüte*", "*papiertüte*", "sac de caisse",
    "gift card*", "giftcard*", "gift voucher*", "gift certificate*", "voucher", "vouchers",
    "*gutschein*", "*geschenkkarte*", "carte cadeau", "bon cadeau", "chèque cadeau",
    "tarjeta regalo", "carta regalo", "cadeaubon*", "cadeaukaart*",
    "misc", "miscellaneous", "sundries", "sonstiges", "do not use", "testartikel", "test product",
    "bank charges", "service fee", "amazon fee", "adjust bad debt", "bad debt", "surcharge",
    "*gebühr", "*gebühren", "trinkgeld", "donation", "donations", "spende", "commission",
)  # fmt: skip
# Alone in a name: a sleeping bag and a bottle of Porto are goods.
ALONE = frozenset({
    "bag", "bags", "tüte", "tüten", "tasche", "bolsa", "sacchetto", "sac", "shipping", "delivery",
    "carriage", "freight", "handling", "porto", "lieferung", "livraison", "envío", "spedizione",
    "sundry", "diverse", "diverses", "divers", "varios", "varie", "manual", "adjustment",
    "discount", "rabatt", "remise", "fee", "fees", "tip", "test", "dummy", "rounding", "rundung",
    "samples", "unknown", "none", "other",
})  # fmt: skip
SIZES = frozenset({
    "small", "medium", "large", "big", "s", "m", "l", "xl", "klein", "mittel", "groß", "gross",
    "petit", "grand",
})  # fmt: skip


def proposed_exclusions(names: Iterable[object]) -> list[str]:
    """Return the names that look like postage, bags, deposits, gift cards and the like.

    Args:
        names: of products, such as a column of pandas; what is no text is passed over.

    Returns:
        Each name once, in the order of the alphabet.
    """
    texts = {name.strip() for name in names if isinstance(name, str)}
    return sorted(name for name in texts if _is_no_good(name))


def _is_no_good(name: str) -> bool:
    words = re.findall(r"[^\W_]+", name.lower())
    telling = {word for word in words if word not in SIZES and not word[0].isdigit()}
    is_alone = len(telling) == 1 and telling <= ALONE
    return is_alone or _ANYWHERE.search(f" {' '.join(words)} ") is not None


def _expression(words: str) -> str:
    return "[^ ]*".join(re.escape(part) for part in words.split("*"))


_ANYWHERE = re.compile(f" (?:{'|'.join(map(_expression, ANYWHERE))}) ")
