# Sourced by train.lsf, from the repository: LSF's part of job.sh.
#
# What a user may set before bsub, besides HPCQRL:
#   HPCQRL_LAUNCHER  the MPI launcher, with arguments if need be; mpiexec by default, jsrun is another. "-n RANKS" is added

job=$LSB_JOBID name=${LSB_JOBNAME%%[[]*}-$LSB_JOBID element=${LSB_JOBINDEX:-0}
if [ "$element" = 0 ]; then element=; fi # no array
nodes=${LSB_MCPU_HOSTS:-${LSB_HOSTS:-one host}} tasks=$LSB_DJOB_NUMPROC

again() { :; } # LSF does it itself, by the job's exit status: #BSUB -Q "75"
before_launch() { :; }
launch() { exec ${HPCQRL_LAUNCHER:-mpiexec} -n "${ranks:-$tasks}" "${hpcqrl[@]}" "$@"; }

source jobs/job.sh
