"""Check the rules of the code base by reading the source: imports, heavy libraries, file names, sizes, lock files."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
APPLICATIONS = ("training", "index_builder", "service", "evaluation")
PACKAGES = ("copysight", *APPLICATIONS, "cli", "benchmarks")
EXCEPTIONS = {("evaluation", "training.networks.backbones"), ("evaluation", "training.networks.finite")}
"""Allowed imports between applications: (importer, imported)."""

HOMES = {
    "torch": ("training", "evaluation", "benchmarks"),
    "torchvision": ("training", "evaluation", "benchmarks"),
    "timm": ("training", "evaluation", "benchmarks"),
    "numba": ("training/views/compiled",),
    "onnxruntime": (
        "copysight/model/embedder",
        "training/export/quantization",
        "training/export/foreign",
        "benchmarks",
    ),
    "faiss": ("copysight/index", "copysight/vectors", "benchmarks"),
    "av": ("copysight/pictures/video",),
    "cv2": ("copysight/matching", "evaluation", "benchmarks"),
    "obstore": ("copysight/blobs/s3",),
    "psycopg": ("copysight/catalog/engines/postgresql",),
    "pymilvus": ("copysight/index/generations/engines/milvus",),
    "ray": ("index_builder/stages/ray_embedding",),
    "grpc": ("copysight/index/generations/engines/milvus",),
    "opentelemetry": ("service/runtime/otlp",),
    "sqlalchemy": ("copysight/catalog", "benchmarks"),
    "fastapi": ("service", "benchmarks/peers"),
    "starlette": ("service",),
    "uvicorn": ("service", "benchmarks/peers"),
    "pydantic": ("service",),
    "pydantic_settings": ("service",),
    "prometheus_client": ("service",),
    "asyncio": ("service", "copysight/client", "benchmarks"),
    "httpx": ("copysight/client", "service", "benchmarks"),
    "onnx": ("training", "benchmarks"),
    "onnxscript": ("training",),
    "sklearn": ("copysight/curation/flat_map", "evaluation", "training", "benchmarks"),
    "skimage": ("benchmarks",),
    "matplotlib": ("evaluation", "training", "benchmarks"),
    "pickle": ("evaluation/retrieval", "training/checkpoints/checkpoint"),
    "marshal": (),
    "shelve": (),
    "dill": (),
    "cloudpickle": (),
    "joblib": (),
    "pandas": (),
    "requests": (),
}
"""Library -> the only places that may import it (files or folders, without ``.py``).

Loading a pickle can run any code. ``evaluation/retrieval`` reads the pickle of a benchmark with an unpickler that only
accepts arrays; ``training/checkpoints/checkpoint`` only catches an error class.
"""

VAGUE_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "shared", "base", "core"}
MAX_MODULES = 14
"""Largest number of modules in a folder, without ``__init__``. A folder with more holds several kinds of things.

``benchmarks`` is an exception: each module is a program that is started by its name.
"""
MAX_LINES = 400
"""Largest number of lines in a file. Most have 40 to 220 lines, few over 300. A longer file holds several topics."""


def modules() -> list[Path]:
    return sorted(file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))


@cache
def nodes(file: Path) -> list[ast.AST]:
    """All nodes of a file; many tests read the same file."""
    return list(ast.walk(ast.parse(file.read_text())))


def imports(file: Path) -> Iterator[str]:
    """Yield the full dotted name of every import in a file, including imports inside functions."""
    for node in nodes(file):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: use absolute imports"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def module_path(file: Path) -> str:
    return file.relative_to(ROOT).with_suffix("").as_posix()


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def test_the_reader_finds_modules_and_imports():
    assert len(modules()) > 60
    assert {"torch.nn.functional"} & {name for file in modules() for name in imports(file)}


@pytest.mark.parametrize("file", modules(), ids=module_path)
def test_applications_import_the_core_but_not_each_other(file):
    package = file.relative_to(ROOT).parts[0]
    for name in imports(file):
        imported_package = name.split(".")[0]
        if imported_package == package or imported_package not in PACKAGES:
            continue
        allowed = (
            imported_package == "copysight"
            or package == "benchmarks"
            or any(package == importer and within(name, imported) for importer, imported in EXCEPTIONS)
        )
        assert allowed, f"{module_path(file)} imports {name}: applications import copysight, never each other"
        assert package != "copysight", f"{module_path(file)} imports {name}: copysight imports no application"


@pytest.mark.parametrize("file", modules(), ids=module_path)
def test_heavy_libraries_are_imported_in_their_places_only(file):
    for name in imports(file):
        library = name.split(".")[0]
        if library in HOMES:
            homes = HOMES[library]
            assert any(module_path(file) == home or module_path(file).startswith(home + "/") for home in homes), (
                f"{module_path(file)} imports {library}, which only {', '.join(homes) or 'no module'} may import"
            )


@pytest.mark.parametrize("file", modules(), ids=module_path)
def test_no_file_is_loaded_that_may_run_code(file):
    calls = [node for node in nodes(file) if isinstance(node, ast.Call)]
    for call in calls:
        given = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert given.get("allow_pickle", "False") == "False", f"{module_path(file)}: {ast.unparse(call)}"
        if ast.unparse(call.func) == "torch.load":
            assert given.get("weights_only") == "True", f"{module_path(file)}: {ast.unparse(call)}"


def test_methods_import_neither_each_other_nor_the_loop():
    """Only their base classes: ``method``, and ``descriptor_method`` for those that train descriptors."""
    bases = ("training.methods.method", "training.methods.descriptor_method")
    for file in (ROOT / "training" / "methods").glob("*.py"):
        bad = [
            name
            for name in imports(file)
            if within(name, "training.run")
            or (within(name, "training.methods") and not any(within(name, base) for base in bases))
        ]
        assert not bad, f"{module_path(file)} imports {bad}"


@pytest.mark.parametrize("file", modules(), ids=module_path)
def test_files_have_clear_names_and_are_not_too_long(file):
    vague = set(file.relative_to(ROOT).with_suffix("").parts) & VAGUE_NAMES
    assert not vague, f"{module_path(file)} has a vague name; name it after what it holds"
    lines = file.read_text().count("\n")
    assert lines <= MAX_LINES, f"{module_path(file)} has {lines} lines, more than {MAX_LINES}; split it"


@pytest.mark.parametrize("file", [file for file in modules() if file.name == "__init__.py"], ids=module_path)
def test_init_files_only_export(file):
    for node in ast.parse(file.read_text()).body:
        exports = isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]
        words = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        assert exports or words or isinstance(node, ast.ImportFrom), f"{module_path(file)} may only re-export names"


def child_of(name: str, folder: Path) -> str | None:
    """Return the shelf or module directly in ``folder`` that holds the dotted ``name``; None if it is elsewhere."""
    parts, words = folder.relative_to(ROOT).parts, tuple(name.split("."))
    if words[: len(parts)] != parts or len(words) <= len(parts):
        return None
    child = words[len(parts)]
    return child if (folder / child).is_dir() or (folder / f"{child}.py").is_file() else None


def folders() -> list[Path]:
    return sorted({file.parent for file in modules() if file.parent != ROOT / "benchmarks"})


@pytest.mark.parametrize("folder", folders(), ids=module_path)
def test_imports_between_shelves_run_one_way(folder):
    """The imports among the shelves and modules of a folder form no circle."""
    below: dict[str, set[str]] = {}
    for file in folder.rglob("*.py"):
        if file != folder / "__init__.py":
            own = file.relative_to(folder).parts[0].removesuffix(".py")
            needs = {child_of(name, folder) for name in imports(file)} - {None, own}
            below.setdefault(own, set()).update(name for name in needs if name)
    while free := [name for name, needs in below.items() if not needs & below.keys()]:
        for name in free:
            del below[name]
    assert not below, f"{module_path(folder)}: the imports form a circle among {', '.join(sorted(below))}"


@pytest.mark.parametrize("folder", folders(), ids=module_path)
def test_no_shelf_is_crowded(folder):
    held = [file for file in folder.glob("*.py") if file.name != "__init__.py"]
    assert len(held) <= MAX_MODULES, (
        f"{module_path(folder)} holds {len(held)} modules, more than {MAX_MODULES}: split it into shelves"
    )


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.splitlines() if (ROOT / name).is_file()]


def test_files_contain_no_machine_paths_and_no_package_index_urls():
    paths = re.compile(r"(?<![\w.])/(?:home|root|work|Users|opt/pypi|opt/wheels)/[\w.-]")
    addresses = re.compile(r"--(?:extra-)?index-url|--find-links|--trusted-host")
    for file in tracked():
        if file.suffix in {".onnx", ".npz", ".png", ".jpg", ".webp", ".gif", ".safetensors"}:
            continue
        text = file.read_text(errors="replace")
        if file != Path(__file__):
            assert not paths.search(text), f"{file.relative_to(ROOT)}: {paths.search(text)}"
        if file.parent.name == "requirements":
            assert not addresses.search(text), f"{file.relative_to(ROOT)}: {addresses.search(text)}"


@pytest.mark.parametrize("name", ["cpu", "cpu-cluster", "gpu", "dev", "example"])
def test_lock_files_have_exact_versions_with_hashes(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    entries = re.split(r"\n(?=[a-z0-9])", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).strip())
    assert entries[0]
    for entry in entries:
        assert re.match(r"[a-z0-9-]+(\[[\w,-]+\])?==\S+", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_serving_lock_files_have_no_heavy_libraries():
    for name in ("cpu", "cpu-cluster", "gpu"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        for heavy in ("torch", "timm", "numba", "scikit-image", "scikit-learn", "matplotlib", "pytest"):
            assert not re.search(rf"^{heavy}==", text, re.MULTILINE), f"requirements/{name}.txt contains {heavy}"


def test_the_dev_lock_file_has_the_pins_of_the_serving_lock_file():
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9-]+==\S+", (ROOT / "requirements" / f"{name}.txt").read_text(), re.MULTILINE))

    assert pins("cpu") <= pins("dev")
    assert pins("cpu") <= pins("cpu-cluster") <= pins("dev")
