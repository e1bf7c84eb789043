#!/usr/bin/env bash
# Train on this machine: makes .venv if there is none, and runs hpcqrl under mpiexec.
#
#   bash jobs/local.sh                                   the demonstration: Dist-QTRL with 4 agents, and a figure
#   bash jobs/local.sh -n 8 train dist-qtrl --layers 7 --out runs/x.h5
#                                                        any hpcqrl command; what trains, on so many ranks (by default 4)
set -euo pipefail
cd "$(dirname "$0")/.."
source jobs/venv.sh

ranks=4
if [ "${1:-}" = -n ]; then
    ranks=${2:?"-n needs the number of ranks"}
    shift 2
fi

case ${1:-} in
train | resume | check) exec .venv/bin/mpiexec -n "$ranks" .venv/bin/hpcqrl "$@" ;;
?*) exec .venv/bin/hpcqrl "$@" ;;
esac
.venv/bin/mpiexec -n "$ranks" .venv/bin/hpcqrl train dist-qtrl --out runs/demo.h5 --overwrite
.venv/bin/hpcqrl curves runs/demo.h5 --out runs/demo.png
echo "next: source .venv/bin/activate, and then hpcqrl --help"
