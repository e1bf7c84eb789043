#!/usr/bin/env bash
# Install Debian's Slurm and munge for the tests in this folder; as root. What is installed is started by cluster.sh
# alone, with a configuration of its own.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq --no-install-recommends slurmctld slurmd slurm-client munge
