"""The house rules that a machine can hold: who imports whom."""

import ast

from launch import ROOT

ALLOWED = {
    "checks": set(),
    "rl": set(),
    "quantum": set(),
    "envs": {"randomness"},
    "parallel": set(),
    "results": set(),
    "models": {"quantum"},
    "randomness": set(),
    "interruption": set(),
    "progress": set(),
    "evaluation": set(),
    "journal": {"parallel", "results", "progress", "interruption"},
    "trained": {"evaluation", "results", "systems", "models"},
    "systems": {"checks", "randomness", "rl", "quantum", "envs", "parallel", "models", "journal"},
}
ONLY_IN = {"mpi4py": "parallel", "h5py": "results", "pennylane": "quantum", "numba": "quantum"}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_rooms_import_only_what_they_may():
    for path in (ROOT / "hpcqrl").rglob("*.py"):
        parts = path.relative_to(ROOT / "hpcqrl").with_suffix("").parts
        room = parts[0]
        for name in imports(path):
            package = name.split(".")[0]
            assert package not in ONLY_IN or ONLY_IN[package] == room, f"{path} imports {name}"
            if package != "hpcqrl" or room not in ALLOWED or name == "hpcqrl":
                continue
            other = name.split(".")[1]
            assert other == room or other in ALLOWED[room], f"{path} imports {name}"
            same_system = room != "systems" or other != "systems"
            assert same_system, f"{path} imports {name}: a system stands alone"


def test_tools_but_the_benches_know_results_alone():
    for path in (ROOT / "tools").rglob("*.py"):
        for name in imports(path):
            if name.startswith("hpcqrl.") and not path.name.startswith("bench"):
                assert name.startswith("hpcqrl.results"), f"{path} imports {name}"


def test_nothing_that_is_loaded_can_run_code():
    for folder in ("hpcqrl", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not {"pickle", "dill", "joblib", "shelve"} & set(imports(path)), path
            assert "torch.load(" not in path.read_text(), path
