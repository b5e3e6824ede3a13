"""The parameters of the simulated world, and the kinds of goods that it sells."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Category:
    """One kind of goods: a customer buys it again every `interval` days, 0 for never by habit."""

    name: str
    department: str
    price: float
    interval: float
    shelf_life: int


@dataclass(frozen=True)
class World:
    """Constants of every simulated shop; shares and probabilities lie between 0 and 1."""

    # Products
    rank_exponent: float = 1.0  # of Zipf-Mandelbrot: popularity = 1 / (rank + shift) ** exponent
    rank_shift: float = 12.0
    clusters: int = 12  # tastes that products belong to
    second_cluster: float = 0.3  # share of a product's popularity that lies in a second taste
    starts_later: float = 0.12  # share of products that come after the first day
    ends_early: float = 0.08
    price_deviation: float = 0.35  # of log price within a category
    reprices: float = 0.3  # share of products whose list price changes once
    paired: float = 0.4  # share of neighbours in a taste that are bought together
    together: float = 0.25  # chance that the partner of a bought product is bought too
    # Promotions, of seven days each
    promoted: float = 0.06  # chance of a product to be promoted in a week
    discounts: tuple[float, ...] = (0.1, 0.2, 0.3)
    elasticity: tuple[float, float] = (1.5, 3.0)  # of units, least and most by product
    display_lift: float = 1.3  # times the units where stores display the product
    # Users
    activity_mean: float = -1.65  # of log visits per day
    activity_deviation: float = 0.75
    favourites: tuple[float, ...] = (0.55, 0.3, 0.15)  # weights of a user's three tastes
    joins_later: float = 0.15  # share of users who register after the first day
    staples: int = 16  # products that a user buys again and again
    pace: float = 2.0  # times the category's interval: several products share a need
    interval_deviation: float = 0.4  # of a user's log interval, around that
    interval_jitter: float = 0.8  # of a purchase around its due day, in intervals, below 1
    skips: float = 0.15  # chance that a due staple is not bought
    strays: float = 0.25  # chance that another product of the user's taste is bought instead
    # Visits
    weekdays: tuple[float, ...] = (0.9, 0.85, 0.9, 1.0, 1.2, 1.35, 0.8)  # from Monday on
    season_amplitude: float = 0.12  # of all visits, highest in mid-December
    category_amplitude: float = 0.5  # of a category's popularity, at its own time of year
    growth: float = 0.1  # of visits per year
    birthday_lift: float = 1.8  # times the visits, in the week up to a birthday
    anniversary_lift: float = 2.0  # on the day on which the user once registered
    buying: float = 0.6  # share of visits with the intention to buy; at others users look around
    memory_days: int = 56  # due staples are remembered for
    first_hour: int = 7  # of a visit
    hours: tuple[float, ...] = (2, 3, 4, 5, 6, 7, 6, 5, 5, 6, 8, 10, 9, 7, 4)  # visits from then on
    seconds_per_action: int = 15
    # Baskets
    looks: float = 2.4  # products looked at by taste, mean per visit
    most_looks: int = 8
    impressions: int = 3  # products shown to the user per visit
    clicked: float = 0.08
    carted: float = 0.45  # of products looked at
    bought: float = 0.7  # of products in the cart
    searched: float = 0.3  # of products looked at
    staple_viewed: float = 0.4
    multiples: tuple[float, ...] = (0.22, 0.05)  # chances of two units and more, of three
    birthday_coupon: float = 0.5  # chance of its use at a visit in the birthday week
    campaign_coupon: float = 0.04  # chance at any other visit
    coupon_share: float = 0.1  # of the price
    refunded: float = 0.015
    refund_days: tuple[int, int] = (2, 14)
    stores: int = 50
    home_store: float = 0.8  # share of orders at the user's own store
    # Fraud
    amount_fraud: float = 0.004  # chance per visit meant to buy
    amount_units: tuple[int, int] = (2, 4)
    dear_share: float = 0.05  # of products are worth a large fraud
    terminal_share: float = 0.0015  # wanted share of lines
    terminal_days: int = 28
    terminal_fraud: float = 0.2  # of the lines at a compromised store
    stolen_share: float = 0.0045  # wanted share of users' days with a stolen card
    stolen_days: int = 14
    stolen_fraud: float = 1 / 3  # of the visits in that time
    stolen_units: tuple[int, int] = (3, 6)  # times the usual units
    ring_share: float = 0.0015  # rings of linked accounts per user
    ring_size: int = 4
    ring_days: int = 14
    ring_visits: float = 0.5  # per account and day in that time, at least
    ring_fraud: float = 0.5  # of the visits in that time
    ring_discount: float = 0.4
    label_days: int = 7  # no label comes earlier
    label_mean_days: float = 8.0  # more, on average
    checked: float = 0.004  # share of genuine lines that are labelled too
    # Stock
    lead_days: tuple[float, float] = (2.0, 9.0)
    lead_deviation: tuple[float, float] = (0.3, 2.0)
    review_days: int = 3
    safety_days: float = 2.0
    belief_deviation: float = 0.25  # of the planner's log guess of mean demand
    smoothing: float = 0.05  # weight of the newest day in the planner's mean
    packs: tuple[int, ...] = (1, 6, 12, 24)
    opens: int = 7  # hour of the day
    closes: int = 23
    # Units of work; they decide names and contents of files
    users_at_once: int = 4096
    days_at_once: int = 14
    products_at_once: int = 2048


WORLD = World()

CATEGORIES = (
    Category("milk", "dairy", 1.2, 7, 9),
    Category("yoghurt", "dairy", 0.9, 9, 21),
    Category("cheese", "dairy", 3.2, 14, 30),
    Category("bread", "bakery", 2.6, 6, 4),
    Category("apples", "produce", 2.4, 9, 14),
    Category("salad", "produce", 1.5, 9, 5),
    Category("tomatoes", "produce", 2.2, 8, 7),
    Category("coffee", "drinks", 6.5, 24, 0),
    Category("tea", "drinks", 2.9, 35, 0),
    Category("juice", "drinks", 2.1, 12, 120),
    Category("beer", "drinks", 5.5, 14, 0),
    Category("wine", "drinks", 7.9, 24, 0),
    Category("pasta", "pantry", 1.4, 21, 0),
    Category("rice", "pantry", 2.3, 35, 0),
    Category("cereals", "pantry", 3.1, 18, 0),
    Category("chocolate", "snacks", 1.8, 12, 0),
    Category("crisps", "snacks", 1.9, 14, 0),
    Category("shampoo", "care", 3.9, 45, 0),
    Category("toothpaste", "care", 2.2, 40, 0),
    Category("soap", "care", 1.7, 40, 0),
    Category("detergent", "household", 7.4, 40, 0),
    Category("pet food", "household", 4.4, 14, 0),
    Category("cookware", "home", 34.0, 0, 0),
    Category("lamps", "home", 42.0, 0, 0),
    Category("headphones", "electronics", 69.0, 0, 0),
    Category("perfume", "beauty", 48.0, 0, 0),
    Category("toys", "leisure", 19.0, 0, 0),
    Category("books", "leisure", 13.0, 0, 0),
)
REGIONS = ("north", "east", "south", "west", "centre")  # of equally many stores
BRANDS = (
    "Alder", "Birch", "Cedar", "Dune", "Elm", "Fern", "Grove", "Heath", "Iris", "Juniper",
    "Kelp", "Linden", "Moss", "Nettle", "Oak", "Pine", "Quince", "Reed", "Sage", "Thyme",
)  # fmt: skip
