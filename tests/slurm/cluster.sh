#!/usr/bin/env bash
# A Slurm cluster on this machine: four emulated nodes on loopback, each with 8 CPUs, 2 GPUs that are only names, and
# its own host name and /dev/shm, so that MPI sees four hosts. As root, with Slurm installed (install.sh):
#
#   bash tests/slurm/cluster.sh DIR       says "ready", goes on until its input ends (Ctrl-D), and takes all down
#   export SLURM_CONF=DIR/slurm.conf      in another shell; then sbatch, srun, squeue as on any cluster
set -euo pipefail
ulimit -c 0

mkdir -p "$1"
dir=$(cd "$1" && pwd)
host=$(hostname)
port=$((20000 + RANDOM % 1000 * 10)) # below those that the system hands out
nodes=(n1 n2 n3 n4)
export SLURM_CONF=$dir/slurm.conf
export PATH=$PATH:/usr/sbin
daemons=()

start() { # start NAME COMMAND...: in the background, with a log
    "${@:2}" >"$dir/$1.out" 2>&1 </dev/null &
    daemons+=($!)
}

wait_for() { # wait_for COMMAND...: until it succeeds; fails after 20 s
    for _ in $(seq 200); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    echo "no success: $*" >&2
    tail -n 5 "$dir"/*.out "$dir"/*.log >&2
    return 1
}

idle() { [ "$(sinfo --noheader --format=%T)" = idle ]; }
empty() { [ -z "$(squeue --noheader)" ]; }

stop() {
    trap '' INT TERM
    if squeue >/dev/null 2>&1; then
        squeue --noheader --format=%A | xargs --no-run-if-empty scancel || true
        wait_for empty || true
    fi
    for ((i = ${#daemons[@]} - 1; i >= 0; i--)); do
        kill "${daemons[i]}" 2>/dev/null || true
        wait "${daemons[i]}" 2>/dev/null || true
    done
}
trap stop EXIT
trap 'exit 143' INT TERM HUP

# MPICH 5 cuts what it sends through PMI into pieces of the length that Slurm's pmi2 plugin names, 1024 characters; but
# the plugin reads 1024 with the command around the piece (handle_pmi1_cmd, in 22.05 and still in 26.11), so that about
# one start in four on two nodes is torn. This copy of it names the length in hexadecimal: "400", which fits.
pmi2=$(find /usr/lib /usr/local/lib -name mpi_pmi2.so -print -quit)
mkdir -p "$dir/plugins"
sed 's/vallen_max=%d/vallen_max=%x/' "$pmi2" >"$dir/plugins/mpi_pmi2.so"
if cmp -s "$pmi2" "$dir/plugins/mpi_pmi2.so"; then
    echo "$pmi2 does not name vallen_max as expected" >&2
    exit 1
fi

cat >"$dir/slurm.conf" <<END
ClusterName=hpcqrl
SlurmctldHost=$host(127.0.0.1)
SlurmUser=root
SlurmctldPort=$port
SlurmctldPidFile=$dir/slurmctld.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdPidFile=$dir/slurmd.%n.pid
SlurmdLogFile=$dir/slurmd.%n.log
SlurmdSpoolDir=$dir/spool.%n
StateSaveLocation=$dir/state
FirstJobId=$((RANDOM * 1000 + 1))  # job numbers name MPICH's shared memory, which an earlier cluster may have left
TmpFS=$dir
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
CredType=cred/munge
# The emulated CPUs are more than there are, so that nothing can be bound to them, and no cgroups are needed.
SlurmdParameters=config_overrides
TaskPlugin=task/none
ProctrackType=proctrack/linuxproc
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=0
KillWait=30
MinJobAge=3600
MpiDefault=none
PluginDir=$dir/plugins:$(dirname "$pmi2")
ReturnToService=2
PropagateResourceLimits=NONE
GresTypes=gpu
NodeName=n[1-4] NodeAddr=127.0.0.1 NodeHostname=$host Port=[$((port + 1))-$((port + 4))] CPUs=8 RealMemory=64000 Gres=gpu:2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
PartitionName=main Nodes=n[1-4] Default=YES MaxTime=INFINITE State=UP PriorityTier=2 PreemptMode=OFF
PartitionName=spare Nodes=n[1-4] MaxTime=INFINITE State=UP PriorityTier=1 GraceTime=20 # its jobs give way to main's
END
ln -sf /dev/null "$dir/gpu0"
ln -sf /dev/zero "$dir/gpu1"
echo "NodeName=n[1-4] Name=gpu File=$dir/gpu[0-1]" >"$dir/gres.conf"
head -c 1024 /dev/urandom >"$dir/munge.key"
chmod 600 "$dir/munge.key"
mkdir -p "$dir/state"

start munged munged --foreground --force --socket="$dir/munge.socket" --key-file="$dir/munge.key" \
    --pid-file="$dir/munged.pid" --log-file="$dir/munged.log" --seed-file="$dir/munged.seed"
wait_for munge --socket="$dir/munge.socket" --no-input
start slurmctld slurmctld -D -i
wait_for scontrol ping
for node in "${nodes[@]}"; do
    mkdir -p "$dir/spool.$node"
    start "slurmd.$node" unshare --uts --mount sh -c "mount -t tmpfs tmpfs /dev/shm && hostname $node && exec slurmd -D -N $node"
done
wait_for idle
echo "ready"
cat >/dev/null
