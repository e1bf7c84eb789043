# Sourced by local.sh and tests/run.sh: .venv with this package and MPI from PyPI; made once, and again when what it
# is made of changes. HPCQRL_EXTRAS names the extras to install.
HPCQRL_EXTRAS=${HPCQRL_EXTRAS:-mpich,test}
wanted="$HPCQRL_EXTRAS $(cat pyproject.toml constraints.txt | sha256sum)"
if [ "$(cat .venv/hpcqrl-installed 2>/dev/null)" != "$wanted" ]; then
    if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
        echo "hpcqrl needs Python 3.11 or newer, but python3 is $(python3 --version 2>&1)" >&2
        exit 1
    fi
    echo "installing into .venv, once; this takes about a minute"
    python3 -m venv .venv
    cp constraints.txt .venv/constraints.txt
    case ",$HPCQRL_EXTRAS," in *,gpu,*) sed -i '/^torch==/d' .venv/constraints.txt ;; esac # it has a torch of its own
    .venv/bin/pip install -qq --disable-pip-version-check -c .venv/constraints.txt -e ".[$HPCQRL_EXTRAS]"
    echo "$wanted" >.venv/hpcqrl-installed
fi
