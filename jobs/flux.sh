# Sourced by train.flux, from the repository: Flux's part of job.sh (flux-core 0.73 or newer).
#
# What a user may set before flux batch, besides HPCQRL:
#   HPCQRL_LAUNCHER  what starts the ranks, with arguments if need be; "flux run" by default. "-n RANKS" is added

job=$FLUX_ENCLOSING_ID element=
read -r tasks nodes name < <(flux --parent jobs --no-header --format="{ntasks} {nodelist} {name}" "$job")
name=${name##*/}-$job

before_launch() { :; }

# Nor are jobs of Flux's requeued. So its very specification is submitted again, to begin when this job has ended.
again() {
    flux --parent job info "$job" jobspec | flux python -c '
import json, sys

job, specification = sys.argv[1], json.load(sys.stdin)
system = specification["attributes"]["system"]
system["dependencies"] = [{"scheme": "afterany", "value": job}]
system["environment"]["HPCQRL_AFTER"] = job
json.dump(specification, sys.stdout)' "$job" | flux --parent job submit ||
        echo "it could not be: the line that submitted this job, with --out $out, goes on"
}

launch() { exec ${HPCQRL_LAUNCHER:-flux run} -n "${ranks:-$tasks}" "${hpcqrl[@]}" "$@"; }

source jobs/job.sh
