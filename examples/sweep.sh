#!/usr/bin/env bash
# Three learning rates by three seeds: nine runs, as many at once as the machine has cores, then a table and a figure.
#
#   bash examples/sweep.sh --env CartPole-v1 --episodes 2000      with any options of `hpcqrl train qa3c`
#   sbatch --array=0-8 --ntasks=1 examples/sweep.sh ...           each a job; at the end the last two lines by hand
set -euo pipefail
rates=(0.0003 0.001 0.003)
out=${SWEEP:-runs/sweep}

run() { # NUMBER [OPTION...]: one of the nine
    local rate=${rates[$1 / 3]} seed=$(($1 % 3))
    hpcqrl train qa3c "${@:2}" --learning-rate "$rate" --seed "$seed" --out "$out/rate$rate-seed$seed.h5"
}

if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then
    run "$SLURM_ARRAY_TASK_ID" "$@"
    exit
fi
for number in {0..8}; do
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
    run "$number" "$@" >/dev/null &
done
while [ -n "$(jobs -rp)" ]; do wait -n; done
hpcqrl table "$out"/*.h5
hpcqrl curves "$out"/*.h5 --out "$out/curves.png"
