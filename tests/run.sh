#!/usr/bin/env bash
# Every check of this project: makes .venv if there is none, then lint, types, and all tests, several at a time, parallel
# ones under mpiexec with 1 to 8 ranks. With arguments, which go to pytest, the tests that they name, one after another.
set -euo pipefail
cd "$(dirname "$0")/.."
source jobs/venv.sh

.venv/bin/ruff format --check --quiet . || { echo "run: .venv/bin/ruff format ." >&2; exit 1; }
.venv/bin/ruff check --quiet .
.venv/bin/mypy --no-error-summary
if [ $# = 0 ]; then exec .venv/bin/python tests/side_by_side.py; fi
exec .venv/bin/python -m pytest "$@"
