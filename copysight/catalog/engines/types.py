"""Types of columns that differ between the engines."""

import sqlalchemy as sa

# SQLite has 64-bit row ids only for INTEGER PRIMARY KEY. AUTOINCREMENT guarantees that no id is reused.
RowId = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def text(length: int | None = None) -> sa.types.TypeEngine[str]:
    """A text of at most ``length`` characters, compared and sorted by code points.

    SQLite does so by itself, PostgreSQL with the collation "C". Other collations follow the rules of a language, which
    differ between systems.
    """
    if length is None:
        return sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
