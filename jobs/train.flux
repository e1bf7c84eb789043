#!/usr/bin/env bash
# Any system, under Flux. From the repository, with any of the directives below before the script, and a system and its
# options after it:
#
#   flux batch jobs/train.flux qa3c --env Acrobot-v1 --out runs/x.h5
#   flux batch -N 2 -n 32 --time-limit=8h jobs/train.flux dist-qtrl
#   for seed in 0 1 2; do flux batch jobs/train.flux ppo --seed $seed --out runs/x-$seed.h5; done
#
# The job's name names the log, and the results: runs/NAME-JOB.h5; nslots: MPI ranks, each an agent with a core and about
# 1 GB; signal: the warning, so long before the time limit, upon which the ranks write a checkpoint and the job submits
# itself again, to go on from it. What your cluster asks for: drop the second # of its line.
#
#flux: --job-name=hpcqrl
#flux: --output={{name}}-{{id}}.out
#flux: --nslots=8
#flux: --time-limit=1h
#flux: --signal=USR1@60s
#flux: # --queue=...
#flux: # --bank=...

source jobs/flux.sh || exit
train "${@:-dist-qtrl}"
