#!/usr/bin/env bash
# Train on this machine: makes .venv if there is none, and runs hpcqrl under mpiexec.
#
#   bash jobs/local.sh                                   the demonstration: Dist-QTRL with 4 agents, and a figure
#   bash jobs/local.sh -n 8 train dist-qtrl --layers 7 --out runs/x.h5
#                                                        any hpcqrl command, on so many ranks (-n 4 by default)
set -euo pipefail
cd "$(dirname "$0")/.."
source jobs/venv.sh

ranks=4
if [ "${1:-}" = -n ]; then
    ranks=${2:?"-n needs the number of ranks"}
    shift 2
fi

if [ $# -gt 0 ]; then
    exec .venv/bin/mpiexec -n "$ranks" .venv/bin/hpcqrl "$@"
fi
.venv/bin/mpiexec -n "$ranks" .venv/bin/hpcqrl train dist-qtrl --out runs/demo.h5 --overwrite
.venv/bin/python tools/curves.py runs/demo.h5 --out runs/demo.png
