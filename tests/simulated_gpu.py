"""Import this before anything of a GPU: they are Numba's simulator then, with a thread of Python for each of theirs."""

import sys

import numba

assert "numba.cuda" not in sys.modules or numba.config.ENABLE_CUDASIM, "too late: numba.cuda looks for real GPUs"
numba.config.ENABLE_CUDASIM = 1
