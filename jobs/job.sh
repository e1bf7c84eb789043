# Sourced by slurm.sh, pbs.sh, lsf.sh and flux.sh: how a job trains, is interrupted, and goes on, whatever has started it.
# They set
#
#   job        its number, as `hpcqrl state` has it
#   name       of its results: runs/NAME.h5
#   element    its number in an array; empty without one
#   nodes      where it runs, for the log
#   tasks      how many ranks it has room for
#
# and say what a scheduler does in its own way: `launch ARGUMENT...`, hpcqrl on ${ranks:-$tasks} ranks in this process's
# place; `again`, have the job start once more, where its end does not; `before_launch`, what a second start needs.
#
# What a user may set before submitting:
#   HPCQRL     the command: hpcqrl by default, from .venv where there is one, else of the loaded environment; may have
#              arguments, such as "apptainer exec image.sif hpcqrl"

# What your cluster asks for before anything can run: change this line and drop its #. Ranks inherit it.
#module load python openmpi

if [ -d .venv ]; then PATH=$PWD/.venv/bin:$PATH; fi
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1 # a rank computes with one thread
if [ -f "${HPCQRL:-}" ]; then hpcqrl=("$HPCQRL"); else read -ra hpcqrl <<<"${HPCQRL:-hpcqrl}"; fi
interrupted=75 # hpcqrl's exit status when it was interrupted and has left a checkpoint

# train SYSTEM [OPTION...]: on all ranks of the job, or on $ranks; into the file that --out names, else one named after
# the job. Goes on from the checkpoint of an earlier start; has the job start again when it is interrupted in its turn.
train() {
    local system=$1 out=runs/$name.h5 options=() overwrite= named=() own=
    local signalled= pid= status
    trap 'signalled=yes; [ -z "$pid" ] || warn "$pid"' USR1 # the scheduler's warning comes to this shell
    while shift && [ $# -gt 0 ]; do
        case $1 in
        --out) out=${2:?"--out needs the name of a file"} && shift ;;
        --out=*) out=${1#*=} ;;
        --overwrite) overwrite=--overwrite ;;
        --env | --circuit | --qpu)
            if [[ ${2:-} == *:* ]]; then named+=("$1" "$2"); fi # one's own must be named to resume, too
            options+=("$1")
            ;;
        --env=* | --circuit=* | --qpu=*)
            if [[ $1 == *:* ]]; then named+=("$1"); fi
            options+=("$1")
            ;;
        --config) named+=("$1" "${2:-}") options+=("$1") ;;
        --config=*) named+=("$1") options+=("$1") ;;
        *) options+=("$1") ;;
        esac
    done
    case $system in
    dist-qtrl | qa3c | qdqn-dper | hdqnn-td3 | ppo) ;;
    *) named+=(--system "$system") ;;
    esac
    if [ -n "$element" ]; then out=${out%.h5}-$element.h5; fi # a file for each

    look "$out"
    if [ -n "$writer" ] && { [ "$writer" = "$job" ] || [ "$writer" = "${HPCQRL_AFTER:-}" ]; }; then
        own=own overwrite= # it was this job, started before, or the one that it carries on for
    fi
    case "$own $state $overwrite" in
    *"checkpoint " | "own complete ") set -- resume "$out" "${named[@]}" ;;
    "own begun ") set -- train "$system" "${options[@]}" --out "$out" --overwrite ;;
    *) set -- train "$system" "${options[@]}" --out "$out" $overwrite ;;
    esac
    echo "job $job on $nodes: hpcqrl $*"
    before_launch
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
        checkpoint) echo "job $job was interrupted; it is queued again, to go on from the checkpoint in $out" ;;
        *) echo "job $job was interrupted before it had a checkpoint; it is queued again" ;;
        esac
        again "$system" "${options[@]}" --out "$out"
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
    if [ -e "$1" ]; then read -r state writer < <("${hpcqrl[@]}" state "$1"); fi
}
