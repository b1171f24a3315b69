"""What the tables have on PostgreSQL besides columns: triggers, and indexes of long texts."""

import sqlalchemy as sa

HIGHEST = "highest_ids"
"""The table with the highest id of each append-only table, as SQLite has it in ``sqlite_sequence``."""


def append_only(table: str) -> tuple[str, ...]:
    """Statements after which rows of ``table`` can be added, and neither changed nor deleted."""
    return (
        f"CREATE TABLE {HIGHEST} (name TEXT PRIMARY KEY, id BIGINT NOT NULL)",
        f"""CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
        f"""CREATE TRIGGER {table}_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()""",
        _NOTE.replace("TABLE", table),
        f"CREATE TRIGGER {table}_note AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_note()",
    )


_NOTE = f"""CREATE FUNCTION TABLE_note() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    INSERT INTO {HIGHEST} VALUES ('TABLE', NEW.id) ON CONFLICT (name) DO UPDATE SET id = excluded.id;
    RETURN NULL;
END $$"""  # noqa: S608 - constants


def announced(table: str) -> tuple[str, ...]:
    """Statements after which each change of ``sequence`` notifies the channel with the name of the schema."""
    return (
        f"""CREATE FUNCTION {table}_announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify(TG_TABLE_SCHEMA::text, NEW.sequence::text); RETURN NULL; END $$""",
        f"""CREATE TRIGGER {table}_announce AFTER UPDATE ON {table} FOR EACH ROW
WHEN (OLD.sequence IS DISTINCT FROM NEW.sequence) EXECUTE FUNCTION {table}_announce()""",
    )


def long_key(table: str) -> tuple[str, ...]:
    """Unique pairs of ``collection`` and ``key``.

    A B-tree holds at most 2,704 bytes a row, and a key may have 16 kB: the constraint is on a hash, and the index that
    finds keys and their beginnings is a radix tree. No collection has the control character between the two.
    """
    return (
        f"""ALTER TABLE {table} ADD CONSTRAINT {table}_collection_key EXCLUDE USING hash
((collection || E'\\x1f' || "key") WITH =)""",
        f'CREATE INDEX {table}_key ON {table} USING spgist ("key")',
        f"CREATE INDEX {table}_collection ON {table} (collection, id)",
    )


def long_text(table: str) -> tuple[str, ...]:
    """An index of the column ``text``, which may hold 64 kB: a radix tree, too."""
    return (f"CREATE INDEX {table}_text ON {table} USING spgist (text) INCLUDE (field, item)",)


def after_create(table: sa.Table, statements: tuple[str, ...]) -> None:
    """Run statements when PostgreSQL has created a table."""
    for statement in statements:
        made = sa.DDL(statement).execute_if(dialect="postgresql")  # type: ignore[no-untyped-call]
        sa.event.listen(table, "after_create", made)
