# Sourced by the .sbatch scripts, from the repository: how a job trains, is interrupted, and goes on.
#
# What a user may set before sbatch:
#   HPCQRL_LAUNCHER  srun (the default), or mpiexec inside the allocation
#   SLURM_MPI_TYPE   srun's --mpi: pmi2 (the default) for MPICH and its kin, pmix for Open MPI; see srun --mpi=list
#   HPCQRL           the command: hpcqrl by default, from .venv where there is one, else of the loaded environment

if [ -d .venv ]; then PATH=$PWD/.venv/bin:$PATH; fi
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1 # a rank computes with one thread
interrupted=75 # hpcqrl's exit status when it was interrupted and has left a checkpoint

# train SYSTEM [OPTION...]: on all ranks of the job, or on $ranks; into the file that --out names, else one named after
# the job. Goes on from the checkpoint of an earlier start; requeues the job when this one is interrupted in its turn.
train() {
    local system=$1 out=runs/$SLURM_JOB_NAME-${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}.h5 options=() overwrite= again=()
    local signalled= pid= status
    trap 'signalled=yes; [ -z "$pid" ] || warn "$pid"' USR1 # Slurm's warning (--signal) comes to this shell
    while shift && [ $# -gt 0 ]; do
        case $1 in
        --out) out=${2:?"--out needs the name of a file"} && shift ;;
        --out=*) out=${1#*=} ;;
        --overwrite) overwrite=--overwrite ;;
        --env | --circuit | --qpu)
            if [[ ${2:-} == *:* ]]; then again+=("$1" "$2"); fi # one's own must be named to resume, too
            options+=("$1")
            ;;
        --env=* | --circuit=* | --qpu=*)
            if [[ $1 == *:* ]]; then again+=("$1"); fi
            options+=("$1")
            ;;
        *) options+=("$1") ;;
        esac
    done
    case $system in
    dist-qtrl | qa3c | qdqn-dper | hdqnn-td3 | ppo) ;;
    *) again+=(--system "$system") ;;
    esac
    if [ -n "${SLURM_ARRAY_TASK_ID:-}" ]; then out=${out%.h5}-$SLURM_ARRAY_TASK_ID.h5; fi # a file for each element

    look "$out"
    if [ "$writer" = "$SLURM_JOB_ID" ]; then overwrite=; fi # this job has done it before
    case "${SLURM_RESTART_COUNT:+restarted, }$state $overwrite" in
    *"checkpoint " | "restarted, complete ") set -- resume "$out" "${again[@]}" ;;
    "restarted, begun ") set -- train "$system" "${options[@]}" --out "$out" --overwrite ;;
    *) set -- train "$system" "${options[@]}" --out "$out" $overwrite ;;
    esac
    echo "job $SLURM_JOB_ID on $SLURM_JOB_NODELIST: hpcqrl $*"
    skip_used_steps
    launch "$@" &
    pid=$!
    if [ -n "$signalled" ]; then warn $pid; fi # it came before
    wait $pid
    status=$?
    while kill -0 $pid 2>/dev/null; do # it was the signal that ended the wait
        wait $pid
        status=$?
    done
    if [ $status = 138 ]; then # 128 + SIGUSR1: the signal came just as the run ended
        wait $pid
        status=$?
    fi
    look "$out"
    if [ "$status $state" = "0 checkpoint" ]; then status=$interrupted; fi
    if [ -n "$signalled" ] && [ $status -gt 2 ]; then status=$interrupted; fi # a rank or mpiexec could not yet catch it
    if [ $status = $interrupted ]; then
        case $state in
        checkpoint) echo "job $SLURM_JOB_ID was interrupted; it is queued again, to go on from the checkpoint in $out" ;;
        *) echo "job $SLURM_JOB_ID was interrupted before it had a checkpoint; it is queued again" ;;
        esac
        scontrol requeue "$SLURM_JOB_ID"
    fi
    exit $status
}

# warn PID: and again every 5 s, since srun forgets what comes before its ranks have started
warn() {
    kill -USR1 "$1"
    (while sleep 5 && kill -USR1 "$1"; do :; done) 2>/dev/null &
}

# look FILE: sets `state` to nothing, begun, checkpoint or complete, and `writer` to the job that has last written it
look() {
    state= writer=
    if [ -e "$1" ]; then read -r state writer < <("${HPCQRL:-hpcqrl}" state "$1"); fi
}

# skip_used_steps: MPICH names its shared memory after the step. What a killed start has left behind must not be taken up
# by the next, but a requeued job counts its steps from 0 again.
skip_used_steps() {
    if [ "${HPCQRL_LAUNCHER:-srun}" = srun ]; then
        for ((step = 0; step < ${SLURM_RESTART_COUNT:-0}; step++)); do srun --nodes=1 --ntasks=1 true; done
    fi
}

# launch ARGUMENT...: hpcqrl on all ranks, in this process's place
launch() {
    case ${HPCQRL_LAUNCHER:-srun} in
    srun)
        # When a rank fails, the others must end: at once, while Slurm's own SIGTERM would have them try to write a
        # checkpoint together with the one that is gone. But srun's status is the highest of its ranks': those that are
        # ended must not hide why, and one that was interrupted must not end others that still write theirs.
        local rank='trap : USR1 USR2 TERM; "$@"; status=$?
            case $status in
            0 | '$interrupted') exit 0 ;;
            140 | 143) exit 1 ;; # ended by SIGUSR2, or SIGTERM, for the failure of another
            esac
            trap "" USR2 # for scancel, too: it goes from node to node
            scancel --signal=USR2 "$SLURM_JOB_ID.$SLURM_STEP_ID" 2>/dev/null
            exit $status'
        exec srun --mpi="${SLURM_MPI_TYPE:-pmi2}" --kill-on-bad-exit=1 --cpu-bind=cores \
            --ntasks="${ranks:-$SLURM_NTASKS}" --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
            bash -c "$rank" rank "${HPCQRL:-hpcqrl}" "$@"
        ;;
    mpiexec)
        unset SLURM_GPUS_PER_TASK      # mpiexec itself starts one Slurm task a node, which must have all GPUs
        export SLURM_CPU_BIND=none     # and all cores
        exec mpiexec --bind-to core -n "${ranks:-$SLURM_NTASKS}" "${HPCQRL:-hpcqrl}" "$@"
        ;;
    *)
        echo "HPCQRL_LAUNCHER must be srun or mpiexec, not $HPCQRL_LAUNCHER" >&2
        exit 2
        ;;
    esac
}
