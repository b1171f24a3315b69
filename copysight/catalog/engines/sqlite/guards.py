"""Triggers of SQLite."""


def append_only(table: str) -> tuple[str, ...]:
    """Statements after which rows of ``table`` can be added, and neither changed nor deleted."""
    return tuple(
        f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END"
        for verb in ("UPDATE", "DELETE")
    )
