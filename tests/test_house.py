"""The rules of the house, held by reading the code: imports, homes of heavy libraries, names, sizes."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DOORS = ("training", "index_builder", "service", "evaluation")
ROOMS = ("copysight", *DOORS, "cli", "benchmarks")
ACROSS = {("evaluation", "training.networks.backbones")}
"""The one import between doors: (who, what)."""

HOMES = {
    "torch": ("training", "evaluation", "benchmarks"),
    "torchvision": ("training", "evaluation", "benchmarks"),
    "timm": ("training", "evaluation", "benchmarks"),
    "numba": ("training/views/compiled",),
    "onnxruntime": ("copysight/model/embedder", "training/export/quantization", "benchmarks"),
    "faiss": ("copysight/index", "copysight/vectors", "benchmarks"),
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
    "sklearn": ("evaluation", "training", "benchmarks"),
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

A pickle runs what it was made to run: one home reads a benchmark's by an unpickler that knows arrays alone, the other
only catches the error of a reader of weights.
"""

DRAWERS = {"utils", "util", "helpers", "helper", "common", "misc", "tools", "shared", "base", "core"}
WIDEST = 14
"""Modules of a folder, ``__init__`` aside: beyond this it holds more than one kind of thing.

Benchmarks lie side by side: each is a program of its own, started by its name.
"""
LONGEST = 400
"""Lines of a file: mostly 40 to 220, rarely over 300; beyond this it holds more than one noun."""


def modules() -> list[Path]:
    return sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))


def imports(file: Path) -> Iterator[str]:
    """Full dotted names of everything a file imports, also inside functions."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def place(file: Path) -> str:
    return file.relative_to(ROOT).with_suffix("").as_posix()


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def test_there_is_something_to_read():
    assert len(modules()) > 60
    assert {"torch.nn.functional"} & {name for file in modules() for name in imports(file)}


@pytest.mark.parametrize("file", modules(), ids=place)
def test_imports_stay_in_their_room(file):
    room = file.relative_to(ROOT).parts[0]
    for name in imports(file):
        other = name.split(".")[0]
        if other == room or other not in ROOMS:
            continue
        allowed = (
            other == "copysight"
            or room == "benchmarks"
            or any(room == who and within(name, what) for who, what in ACROSS)
        )
        assert allowed, f"{place(file)} imports {name}: rooms import copysight, never each other"
        assert room != "copysight", f"{place(file)} imports {name}: the core imports no door"


@pytest.mark.parametrize("file", modules(), ids=place)
def test_heavy_libraries_have_one_home(file):
    for name in imports(file):
        library = name.split(".")[0]
        if library in HOMES:
            homes = HOMES[library]
            assert any(place(file) == home or place(file).startswith(home + "/") for home in homes), (
                f"{place(file)} imports {library}, whose home is {', '.join(homes) or 'nowhere'}"
            )


@pytest.mark.parametrize("file", modules(), ids=place)
def test_nothing_is_read_that_may_hold_a_program(file):
    calls = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    for call in calls:
        given = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert given.get("allow_pickle", "False") == "False", f"{place(file)}: {ast.unparse(call)}"
        if ast.unparse(call.func) == "torch.load":
            assert given.get("weights_only") == "True", f"{place(file)}: {ast.unparse(call)}"


def test_methods_import_neither_each_other_nor_the_loop():
    for file in (ROOT / "training" / "methods").glob("*.py"):
        bad = [
            name
            for name in imports(file)
            if within(name, "training.run")
            or (within(name, "training.methods") and not within(name, "training.methods.method"))
        ]
        assert not bad, f"{place(file)} imports {bad}"


@pytest.mark.parametrize("file", modules(), ids=place)
def test_files_are_nouns_and_not_too_long(file):
    assert not set(file.relative_to(ROOT).with_suffix("").parts) & DRAWERS, f"{place(file)} is a drawer, not a noun"
    lines = file.read_text().count("\n")
    assert lines <= LONGEST, f"{place(file)} has {lines} lines, over {LONGEST}"


@pytest.mark.parametrize("file", [file for file in modules() if file.name == "__init__.py"], ids=place)
def test_nothing_happens_in_init_files(file):
    for node in ast.parse(file.read_text()).body:
        exports = isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]
        words = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        assert exports or words or isinstance(node, ast.ImportFrom), f"{place(file)}: only re-exports"


def unit(name: str, folder: Path) -> str | None:
    """The shelf or module directly in ``folder`` that holds the dotted ``name``; ``None`` if it is elsewhere."""
    parts, words = folder.relative_to(ROOT).parts, tuple(name.split("."))
    if words[: len(parts)] != parts or len(words) <= len(parts):
        return None
    child = words[len(parts)]
    return child if (folder / child).is_dir() or (folder / f"{child}.py").is_file() else None


def folders() -> list[Path]:
    return sorted({file.parent for file in modules() if file.parent != ROOT / "benchmarks"})


@pytest.mark.parametrize("folder", folders(), ids=place)
def test_imports_between_shelves_run_one_way(folder):
    """No circle among the shelves and modules of a folder: each can be read with what lies below it alone."""
    below: dict[str, set[str]] = {}
    for file in folder.rglob("*.py"):
        if file != folder / "__init__.py":
            own = file.relative_to(folder).parts[0].removesuffix(".py")
            needs = {unit(name, folder) for name in imports(file)} - {None, own}
            below.setdefault(own, set()).update(name for name in needs if name)
    while free := [name for name, needs in below.items() if not needs & below.keys()]:
        for name in free:
            del below[name]
    assert not below, f"{place(folder)}: imports run in a circle among {', '.join(sorted(below))}"


@pytest.mark.parametrize("folder", folders(), ids=place)
def test_no_shelf_is_crowded(folder):
    held = [file for file in folder.glob("*.py") if file.name != "__init__.py"]
    assert len(held) <= WIDEST, f"{place(folder)} holds {len(held)} modules, over {WIDEST}: cut it into shelves"


def tracked() -> list[Path]:
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.splitlines() if (ROOT / name).is_file()]


def test_no_path_of_a_machine_and_no_address_of_an_index():
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


@pytest.mark.parametrize("name", ["cpu", "gpu", "dev", "example"])
def test_locks_hold_exact_versions_with_hashes(name):
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    entries = re.split(r"\n(?=[a-z0-9])", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).strip())
    assert entries[0]
    for entry in entries:
        assert re.match(r"[a-z0-9-]+(\[[\w,-]+\])?==\S+", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def test_the_serving_lock_holds_nothing_heavy():
    for name in ("cpu", "gpu"):
        text = (ROOT / "requirements" / f"{name}.txt").read_text()
        for heavy in ("torch", "timm", "numba", "scikit-image", "scikit-learn", "matplotlib", "pytest"):
            assert not re.search(rf"^{heavy}==", text, re.MULTILINE), f"requirements/{name}.txt holds {heavy}"


def test_dev_holds_what_serving_holds():
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^[a-z0-9-]+==\S+", (ROOT / "requirements" / f"{name}.txt").read_text(), re.MULTILINE))

    assert pins("cpu") <= pins("dev")
