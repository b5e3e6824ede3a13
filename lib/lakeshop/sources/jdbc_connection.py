"""Connections to databases: login, timeouts, and explained errors.

User and password go to the driver as options, which Spark shows in no plan and no event log. Errors
never contain them.
"""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from pyspark.sql import DataFrame, Row, SparkSession

from lakeshop.config.shop import Database
from lakeshop.errors import ConfigError, InputError, ShopError

DRIVER = "org.postgresql.Driver"
_DRIVERS_WORDS = re.compile(r"org\.postgresql\.\S*?Exception: (.*)")


@dataclass(frozen=True)
class Login:
    """User and password; never shown."""

    user: str = field(repr=False)
    password: str = field(repr=False)

    @classmethod
    def of(cls, database: Database, environment: Mapping[str, str] = os.environ) -> "Login":
        """The login that the environment holds.

        Raises:
            ConfigError: a variable is not set.
        """
        names = (database.user_variable, database.password_variable)
        unset = [name for name in names if not environment.get(name)]
        if unset:
            msg = (
                f"User and password of {database.place} should be set in the environment. Not "
                f"set: {', '.join(unset)}. Set them where the job is started."
            )
            raise ConfigError(msg)
        return cls(*[environment[name] for name in names])

    def hidden_in(self, text: str) -> str:
        """The text without user and password."""
        for secret in (self.password, self.user):
            text = text.replace(secret, "***")
        return text


@dataclass(frozen=True)
class Connection:
    """A database as one login sees it."""

    spark: SparkSession
    database: Database
    login: Login

    def query(self, query: str) -> list[Row]:
        """The answer to a query.

        Raises:
            InputError: there is none.
            ConfigError: the driver is not on Spark's class path.
        """
        answer: list[Row] = []
        with self.explained():
            answer += self.reader({"query": query}).collect()
        return answer

    def reader(self, options: Mapping[str, str]) -> DataFrame:
        """A frame by Spark's JDBC source, from the options and the connection."""
        connection = {
            "url": self.database.url,
            "driver": DRIVER,
            "user": self.login.user,
            "password": self.login.password,
            "sessionInitStatement": "SET TIME ZONE 'UTC'",
            "ApplicationName": "lakeshop",
            "readOnly": "true",
            "connectTimeout": "10",
            "socketTimeout": str(self.database.timeout_seconds),
            "tcpKeepAlive": "true",
        }
        return self.spark.read.format("jdbc").options(**connection, **options).load()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Explain failures in the words of the database, without user and password.

        Raises:
            InputError: the database does not answer a query.
            ConfigError: its driver is not on Spark's class path.
        """
        try:
            yield
        except ShopError:
            raise
        except Exception as error:
            raise self._explanation(error) from None

    def _explanation(self, error: Exception) -> Exception:
        """The error with the driver's message; other errors are unchanged."""
        text = str(error)
        if DRIVER in text and "ClassNotFound" in text:
            msg = (
                f"Spark should be started with PostgreSQL's driver. {DRIVER} was not found; see "
                "docs/databases.md for the package to add."
            )
            return ConfigError(msg)
        words = _DRIVERS_WORDS.search(text)
        if words is None:
            return error
        msg = (
            f"{self.database.table} of {self.database.place} should be read. Received: "
            f"{self.login.hidden_in(words[1])} Nothing of it was published; what was missed is "
            "read by the next run, once the database gives it."
        )
        return InputError(msg)
