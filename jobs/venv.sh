# Sourced by local.sh and tests/run.sh: .venv with this package and MPI from PyPI; made once, and again when what it
# is made of changes. HPCQRL_EXTRAS names the extras to install.
HPCQRL_EXTRAS=${HPCQRL_EXTRAS:-mpich,test}

# What pip is doing, of all that it says: on a terminal one line, that of the package at hand.
in_short() {
    local word package _ count=0
    while read -r word package _; do
        case "$word $package" in
        "Collecting "*)
            count=$((count + 1))
            if [ -t 1 ]; then printf '\r\033[K  package %d: %s' "$count" "${package%%[<>=!~;[]*}"; fi
            ;;
        "Installing collected")
            if [ -t 1 ]; then printf '\r\033[K'; fi
            echo "  $count packages are there; unpacking them takes another minute or so"
            ;;
        esac
    done
}

wanted="$HPCQRL_EXTRAS $(cat pyproject.toml constraints.txt | sha256sum)"
if [ "$(cat .venv/hpcqrl-installed 2>/dev/null)" != "$wanted" ]; then
    if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "hpcqrl needs Python 3.11 or newer, but python3 is $(python3 --version 2>&1)" >&2
        exit 1
    fi
    echo "installing into .venv, once: PyTorch, PennyLane, Numba, MPI and what they need, about 2 GB"
    python3 -m venv .venv
    cp constraints.txt .venv/constraints.txt
    case ",$HPCQRL_EXTRAS," in *,gpu,*) sed -i '/^torch==/d' .venv/constraints.txt ;; esac # it has a torch of its own
    .venv/bin/pip install --disable-pip-version-check --progress-bar off -c .venv/constraints.txt \
        -e ".[$HPCQRL_EXTRAS]" | in_short
    echo "$wanted" >.venv/hpcqrl-installed
fi
