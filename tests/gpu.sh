#!/usr/bin/env bash
# What a GPU is worth here, in at most 5 minutes and without a network: first whether circuits and hDQNN compute on it
# what they compute on the processor, then how fast, as a table in Markdown (the first argument, gpu.md by default).
#
#   tests/gpu.sh gpu.md          on a machine with one GPU
#   tests/gpu.sh --tiny gpu.md   anywhere, under Numba's simulator of a GPU: only to see that it runs
#   tests/gpu.sh --wheels        what to bring to a machine that cannot reach PyPI, and how
#
# It takes python3 (or PYTHON) with torch, numba, numba-cuda and scipy, and what --wheels names; MPI is not needed.
cd "$(dirname "$0")/.." || exit
python=${PYTHON:-python3}
if [ "$1" = --wheels ]; then
    cat <<'TEXT'
Here, for Python 3.12 there:
  python3 -m pip download --no-deps --only-binary=:all: --python-version 3.12 -c constraints.txt -d wheels \
      gymnasium farama-notifications cloudpickle tyro docstring-parser typeguard typing-extensions
and, where they are missing there, numba, llvmlite and numba-cuda[cu13] with what it needs (cuda-bindings, cuda-core,
cuda-pathfinder; and the compiler, nvidia-nvvm, and nvidia-nvjitlink, nvidia-cuda-nvrtc, nvidia-cuda-runtime,
nvidia-cuda-cccl, where no CUDA 13 is installed); for a comparison with lightning.gpu pennylane, pennylane-lightning,
pennylane-lightning-gpu and what these need. There:
  python3 -m pip install --no-index --no-deps --target site wheels/*.whl
  PYTHONPATH=site tests/gpu.sh
TEXT
    exit
fi
if [ "$1" = --tiny ]; then
    export NUMBA_ENABLE_CUDASIM=1
fi
export PYTHONPATH=$PWD:$PWD/tests${PYTHONPATH:+:$PYTHONPATH}
exec timeout 300 "$python" tests/gpu_table.py "$@"
