"""Store the names that users give to clusters. Cluster ids are stable over rebuilds, so a name stays correct."""

import sqlalchemy as sa

from copysight.catalog.database import Database
from copysight.catalog.schema import cluster_names
from copysight.system import storable


class ClusterNames:
    """The table of cluster names."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def set(self, cluster: int, name: str | None) -> None:
        """Name a cluster, or remove its name with None. Raises ``InvalidArgument`` for a name that cannot be stored."""
        if name is not None:
            storable.check_text(name, "name", 255)
        with self._database.write() as connection:
            connection.execute(cluster_names.delete().where(cluster_names.c.cluster == cluster))
            if name is not None:
                connection.execute(cluster_names.insert().values(cluster=cluster, name=name))

    def all(self) -> dict[int, str]:
        """Names by cluster id."""
        with self._database.read() as connection:
            return {row.cluster: row.name for row in connection.execute(sa.select(cluster_names))}
