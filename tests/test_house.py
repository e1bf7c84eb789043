"""The house rules that a machine can hold: who imports whom."""

import ast
import sys

from launch import ROOT, run

ROOMS = {
    "rl": {"configuration"},
    "quantum": {"lines"},
    "envs": {"configuration", "randomness", "states"},
    "parallel": {"lines"},
    "results": set(),
    "models": {"quantum", "configuration", "brought"},
}
BESIDE = {  # modules that belong to no room
    "configuration": set(),
    "interruption": set(),
    "evaluation": set(),
    "states": set(),
    "randomness": {"states"},
    "brought": {"quantum"},
    "lines": set(),
    "progress": {"lines", "results"},
    "journal": {"lines", "parallel", "quantum", "results", "progress", "interruption", "rows"},
    "rows": {"parallel", "quantum", "results", "progress"},
    "beginning": {"lines", "parallel", "recorded", "systems"},
    "sharing_qpus": {"parallel", "quantum"},
    "gpus": {"parallel", "quantum"},
    "learner": {"quantum", "randomness", "states", "envs", "parallel", "journal"},
    "in_step": {"randomness", "states", "envs", "parallel", "rl"},
    "explorer": {"randomness", "states", "parallel", "rl", "envs", "evaluation", "journal"},
    "player": {"randomness", "states", "parallel", "rl", "envs", "journal", "lines"},
    "recorded": {"configuration", "systems", "quantum"},
    "resumption": {"parallel", "recorded", "results", "states", "systems"},
    "tools": {"brought"},
    "written": {"configuration", "results", "systems"},
    "provenance": {"parallel", "recorded", "results"},
    "description": {"recorded", "quantum"},
    "trained": {"brought", "configuration", "evaluation", "models", "randomness", "recorded", "results", "systems"},
}
OF_SYSTEMS = {"configuration", "brought", "states", "randomness", "learner", "in_step", "explorer", "player", "journal"}
ALLOWED = ROOMS | BESIDE | {"systems": set(ROOMS) | OF_SYSTEMS}
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
            alone = room != "systems" or other != "systems" or "contract" in (parts[1], name.split(".")[-1])
            alone = alone or parts[1] == "__init__" or name == "hpcqrl.systems"
            assert alone, f"{path} imports {name}: a system stands alone, and knows the contract"


def test_mpi_is_imported_in_one_place_that_says_how_it_starts():
    """Where another came first, it started for several threads at once, and one-sided operations took twice as long."""
    for path in (ROOT / "hpcqrl").rglob("*.py"):
        assert path.name == "mpi.py" or "mpi4py" not in imports(path), path
    for first in ("waiting", "window", "agents", "records", "served_parameters", "check"):
        code = (
            f"import hpcqrl.parallel.{first}; from mpi4py import MPI; print(MPI.Query_thread(), MPI.THREAD_SERIALIZED)"
        )
        level, wanted = run(sys.executable, "-c", code).stdout.split()
        assert level == wanted, first


def test_what_a_user_brings_is_imported_in_one_place():
    for path in (ROOT / "hpcqrl").rglob("*.py"):
        assert path.name == "brought.py" or "import_module" not in path.read_text(), path


def test_each_system_can_be_read_beside_its_paper():
    longest = {"qa3c": 200, "qdqn_dper": 200, "dist_qtrl": 250, "hdqnn_td3": 250, "ppo": 250}
    for name, lines in longest.items():
        assert len((ROOT / f"hpcqrl/systems/{name}.py").read_text().splitlines()) < lines, name
    assert len((ROOT / "hpcqrl/run.py").read_text().splitlines()) < 170


def test_tools_but_the_benches_know_results_alone():
    for path in (ROOT / "tools").rglob("*.py"):
        for name in imports(path):
            if name.startswith("hpcqrl.") and not path.name.startswith(("bench", "surrogate")):
                assert name.startswith("hpcqrl.results"), f"{path} imports {name}"


def test_nothing_that_is_loaded_can_run_code():
    for folder in ("hpcqrl", "tools"):
        for path in (ROOT / folder).rglob("*.py"):
            assert not {"pickle", "dill", "joblib", "shelve"} & set(imports(path)), path
            assert "torch.load(" not in path.read_text(), path
