# Sourced by train.flux, from the repository: Flux's part of job.sh (flux-core 0.73 or newer).
#
# What a user may set before flux batch, besides HPCQRL:
#   HPCQRL_LAUNCHER  what starts the ranks, with arguments if need be; "flux run" by default. "-n RANKS" is added

job=$FLUX_ENCLOSING_ID element=
specification=$(flux --parent job info --original "$job" jobspec) # what is not the original lacks its environment
tasks=$(flux python -c '
import json, sys

count, part = 1, {"type": "job", "with": json.load(sys.stdin)["resources"]}
while part["type"] != "slot":
    (part,) = part["with"]
    count *= part["count"]
print(count)' <<<"$specification")
read -r nodes name < <(flux --parent jobs --no-header --format="{nodelist} {name}" "$job")
name=${name##*/}-$job

before_launch() { :; }

# Flux requeues no jobs. So this one's specification is submitted again, to begin when it has ended.
again() {
    flux python -c '
import json, sys

specification, job = json.load(sys.stdin), sys.argv[1]
system = specification["attributes"]["system"]
system["dependencies"] = [{"scheme": "afterany", "value": job}]
system["environment"]["HPCQRL_AFTER"] = job
json.dump(specification, sys.stdout)' "$job" <<<"$specification" | flux --parent job submit ||
        echo "it could not be: the line that submitted this job, with --out $out, goes on"
}

launch() { exec ${HPCQRL_LAUNCHER:-flux run} -n "${ranks:-$tasks}" "${hpcqrl[@]}" "$@"; }

source jobs/job.sh
