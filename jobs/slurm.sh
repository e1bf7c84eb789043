# Sourced by the .sbatch scripts, from the repository: Slurm's part of job.sh.
#
# What a user may set before sbatch, besides HPCQRL:
#   HPCQRL_LAUNCHER  srun (the default), or mpiexec inside the allocation
#   SLURM_MPI_TYPE   srun's --mpi: pmi2 (the default) for MPICH and its kin, pmix for Open MPI; see srun --mpi=list

job=$SLURM_JOB_ID name=$SLURM_JOB_NAME-${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID} element=${SLURM_ARRAY_TASK_ID:-}
nodes=$SLURM_JOB_NODELIST tasks=$SLURM_NTASKS

again() { scontrol requeue "$SLURM_JOB_ID"; }

# MPICH names its shared memory after the step. What a killed start has left behind must not be taken up by the next, but
# a requeued job counts its steps from 0 again: those that are used are skipped.
before_launch() {
    if [ "${HPCQRL_LAUNCHER:-srun}" = srun ]; then
        for ((step = 0; step < ${SLURM_RESTART_COUNT:-0}; step++)); do srun --nodes=1 --ntasks=1 true; done
    fi
}

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
            --ntasks="${ranks:-$tasks}" --cpus-per-task="${SLURM_CPUS_PER_TASK:-1}" \
            bash -c "$rank" rank "${hpcqrl[@]}" "$@"
        ;;
    mpiexec)
        unset SLURM_GPUS_PER_TASK      # mpiexec itself starts one Slurm task a node, which must have all GPUs
        export SLURM_CPU_BIND=none     # and all cores
        exec mpiexec --bind-to core -n "${ranks:-$tasks}" "${hpcqrl[@]}" "$@"
        ;;
    *)
        echo "HPCQRL_LAUNCHER must be srun or mpiexec, not $HPCQRL_LAUNCHER" >&2
        exit 2
        ;;
    esac
}

source jobs/job.sh
