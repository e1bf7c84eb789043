"""Kernels for GPUs that one process compiles are found by the next; here compiled for a card, without one."""

import json
import sys

import pytest
from launch import run

WHERE = """
import json
from hpcqrl.quantum import gpu_observables, gpu_preparation, gpu_tiles, gpu_whole, jit
found = {}
for module in (gpu_observables, gpu_preparation, gpu_tiles, gpu_whole):
    for name, kernel in vars(module).items():
        if hasattr(kernel, "targetoptions") and not kernel.targetoptions.get("device"):
            found[name] = [type(kernel._cache) is jit._Forgiving, kernel._cache.cache_path]
print(json.dumps(found))
"""

AS_ON_A_CARD = """
import json
import numba.cuda.dispatcher as dispatcher
from numba import float32, int64, types
from numba.cuda.cudadrv import devices

class Card:
    id, compute_capability = 0, (9, 0)

devices.get_context = lambda *_: type("Context", (), {"device": Card})
dispatcher.get_current_device = lambda: Card
dispatcher._Kernel.bind = lambda kernel: kernel._codelibrary.get_cubin()
from hpcqrl.quantum.gpu_observables import probabilities
array = lambda dimensions: types.Array(float32, dimensions, "C")
code = probabilities.compile((array(3), int64, array(2)))._codelibrary.get_cubin().code
print(json.dumps([len(code), sum(probabilities.stats.cache_hits.values())]))
"""


def test_all_kernels_are_kept_in_the_folder_of_this_version(tmp_path):
    """The one that `jit` chooses, with care whose it is; a device function is kept with the kernels that call it."""
    done = run(sys.executable, "-c", WHERE, XDG_CACHE_HOME=str(tmp_path), NUMBA_ENABLE_CUDASIM="0")
    found = json.loads(done.stdout)
    assert {"forward", "backward", "forward_pass", "observe", "measure", "prepare"} <= set(found) and len(found) == 20
    for name, (forgiving, folder) in found.items():
        assert forgiving and folder.startswith(str(tmp_path / "hpcqrl" / "kernels-")), (name, folder)


def test_what_one_process_compiles_the_next_one_finds(tmp_path):
    """And compiles it again where what was kept is damaged."""
    pytest.importorskip("numba_cuda", reason="Numba alone has no compiler for GPUs")

    def compiled():
        done = run(sys.executable, "-c", AS_ON_A_CARD, XDG_CACHE_HOME=str(tmp_path), NUMBA_ENABLE_CUDASIM="0")
        assert done.returncode == 0, done.stderr
        return *json.loads(done.stdout), "compiling circuit kernels" in done.stderr

    size, hits, said = compiled()
    assert size > 1000 and hits == 0 and said
    assert compiled() == (size, 1, False)
    for kept in tmp_path.rglob("*.nbc"):
        kept.write_bytes(kept.read_bytes()[:100])
    assert compiled() == (size, 0, True)
