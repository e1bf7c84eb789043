# Sourced by train.pbs, from the repository: PBS's part of job.sh (OpenPBS, PBS Professional).
#
# What a user may set before qsub, besides HPCQRL, and pass on with -v:
#   HPCQRL_LAUNCHER  the MPI launcher, with arguments if need be; mpiexec by default. "-n RANKS" is added

job=$PBS_JOBID name=$PBS_JOBNAME-${PBS_JOBID%%[.[]*} element=${PBS_ARRAY_INDEX:-}
nodes=$(sort -u "$PBS_NODEFILE" | paste -sd,) tasks=$(wc -l <"$PBS_NODEFILE")

# of NAME: what PBS has noted of this job
of() { qstat -f "$PBS_JOBID" | sed -n "s/^ *$1 = //p"; }

# PBS gives no warning before the time limit, so that this shell warns itself, a minute before it.
before_launch() {
    local hours minutes seconds
    IFS=: read -r hours minutes seconds < <(of Resource_List.walltime) || return 0 # without a limit
    local left=$((10#$hours * 3600 + 10#$minutes * 60 + 10#$seconds - SECONDS - ${HPCQRL_WARNING:-60}))
    (sleep $((left > 0 ? left : 0)) && kill -USR1 $$) >/dev/null 2>&1 &
    trap "kill $! 2>/dev/null" EXIT
}

# Only operators may requeue a job of PBS's. So a new one, with what this one had, carries on for it.
again() {
    local train="$*" options=(-N "$PBS_JOBNAME" -q "$PBS_QUEUE" -W "depend=afterany:$PBS_JOBID") what value
    for what in select walltime; do
        value=$(of Resource_List.$what)
        if [ -n "$value" ]; then options+=(-l "$what=$value"); fi
    done
    value=$(of Account_Name)
    if [ -n "$value" ]; then options+=(-A "$value"); fi
    export HPCQRL_TRAIN=$train HPCQRL_AFTER=$job
    qsub "${options[@]}" -v HPCQRL_TRAIN,HPCQRL_AFTER${HPCQRL:+,HPCQRL}${HPCQRL_LAUNCHER:+,HPCQRL_LAUNCHER} jobs/train.pbs ||
        echo "it could not be: HPCQRL_TRAIN=\"$train\" qsub -v HPCQRL_TRAIN jobs/train.pbs goes on"
}

launch() { exec ${HPCQRL_LAUNCHER:-mpiexec} -n "${ranks:-$tasks}" "${hpcqrl[@]}" "$@"; }

source jobs/job.sh
