#!/usr/bin/env bash
# Every check of this project: makes .venv if there is none, then lint, types, and all tests, parallel ones under
# mpiexec with 1, 2 and 4 ranks. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
source jobs/venv.sh

.venv/bin/ruff format --check --quiet . || { echo "run: .venv/bin/ruff format ." >&2; exit 1; }
.venv/bin/ruff check --quiet .
.venv/bin/mypy --no-error-summary
.venv/bin/python -m pytest "$@"
