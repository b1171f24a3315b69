"""Create an index: its directory, its own copy of a bundle, and an empty catalog."""

import shutil
from pathlib import Path

from copysight.blobs import opening
from copysight.catalog import Catalog
from copysight.errors import InvalidArgument
from copysight.index.generations.layout import Layout
from copysight.index.generations.publisher_lock import publishing
from copysight.model import bundle as bundles
from copysight.model.bundle import Bundle
from copysight.system import durable


def create(layout: Layout, bundle: str | Path, policy: str, variant: str | None, local: bool = False) -> bool:
    """Create an index, unless another process has created it. Returns whether it was this one.

    ``local``: all of it in its directory, whatever COPYSIGHT_CATALOG and COPYSIGHT_BLOBS say.
    """
    if layout.root.exists() and not layout.root.is_dir():
        raise InvalidArgument(f"{layout.root} is a file; give a new or an empty directory for the index")
    with durable.writable(layout.root):
        layout.root.mkdir(parents=True, exist_ok=True)
    with publishing(layout, wait=True):
        if layout.catalog.exists():
            return False
        installed = install(layout, bundles.load(bundle))
        for path in (layout.blobs, layout.generations, layout.staging):
            path.mkdir(exist_ok=True)
        if not local:
            opening.choose(layout.blobs_elsewhere)
        durable.sync_directory(layout.root)
        # This is the last step, because a directory counts as an index as soon as it has a catalog.
        Catalog.create(layout.catalog, installed.id, variant or installed.default_variant, policy, local).close()
        return True


def install(layout: Layout, bundle: Bundle) -> Bundle:
    """Copy ``bundle`` into the index unless it is there, and load the copy. The caller is the publisher."""
    target = layout.bundles / bundle.id
    if not target.exists():
        with durable.new_directory(target) as directory:
            for name in ("bundle.json", *bundle.files):
                shutil.copyfile(bundle.path / name, directory / name)
    return bundles.load(target)
