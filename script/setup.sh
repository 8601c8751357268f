# shellcheck shell=sh
# Sourced by the other scripts, in the root of the repository. set_up FILE: have the packages that FILE locks in $VENV.
#
# A copy of FILE in there is written last and says that they are all there. While it is missing or differs, they are
# installed, whatever an earlier attempt left.

PYTHONS="python3.13 python3.12 python3.11 python3 python3.14"
LOG=var/setup.log
VENV=.venv

set_up() {
    is_set_up "$1" && return
    [ -w . ] || fail "cannot write to this folder: $PWD"
    echo "$0: installing $1 into $VENV" >&2
    mkdir -p -m 700 var && with_lock complete "$1" || exit 1
}

is_set_up() {
    cmp -s "$1" "$VENV/$1" && works
}

# Every other list has what the server needs, but for those of tools.
has_all_of_it() {
    case $1 in requirements.txt | requirements-sbom.txt | requirements-site.txt) return 1 ;; esac
}

# A Python that was removed or replaced leaves an environment that does not start, or has no packages.
works() {
    "$VENV/bin/python" -c 'import os, site, sys
sys.exit(sys.version_info < (3, 11) or not os.path.isdir(site.getsitepackages()[0]))' 2>/dev/null
}

complete() {
    is_set_up "$1" && return # by whoever had the lock before
    if works && { has uv || has_pip "$VENV/bin/python"; }; then
        rm -f "$VENV"/requirements*.txt
        again=--force-reinstall # a package of which only a part is there looks installed
    else
        make_environment
        again=
    fi
    install "$1" $again >"$LOG" 2>&1 || fail "cannot install $1: $(cause) (more in $LOG)"
    ! has_all_of_it "$1" || cp requirements.txt "$VENV/"
    cp "$1" "$VENV/"
}

make_environment() {
    rm -rf "$VENV"
    if has uv; then
        uv venv --quiet --python '>=3.11' "$VENV" >"$LOG" 2>&1 || fail "$(tail -n 1 "$LOG")"
        return
    fi
    python=$(find_python) ||
        fail "needs Python 3.11 or later with venv (apt install python3-venv), or uv; found $(found_python)"
    # Debian without python3-venv: the first cannot fetch pip, the second does not ask for it.
    "$python" -m venv "$VENV" >"$LOG" 2>&1 || "$python" -m venv --without-pip "$VENV" >"$LOG" 2>&1 ||
        fail "$python cannot make $VENV: $(tail -n 1 "$LOG")"
}

# The first that is new enough and brings pip along; where none does, the first that is new enough.
find_python() {
    for module in ensurepip venv; do
        for python in $PYTHONS; do
            if "$python" -c "import sys, $module; sys.exit(sys.version_info < (3, 11))" 2>/dev/null; then
                echo "$python"
                return
            fi
        done
    done
    return 1
}

# What `python3 -V` prints, for the message about a Python that is too old.
found_python() {
    for python in $PYTHONS; do
        if has "$python"; then
            "$python" -V 2>&1 || echo "a $python that does not start"
            return
        fi
    done
    echo "no Python"
}

# The last line of the log; without a network pip's would speak of a missing version only.
cause() {
    if grep -q -e "after connection broken by" -e "client error (Connect)" "$LOG"; then
        printf '%s; ' "the package index cannot be reached: check the network"
    fi
    tail -n 1 "$LOG"
}

# Few retries, so that a machine without a network says so within seconds. The operator's own figures hold.
install() {
    export PIP_RETRIES="${PIP_RETRIES:-2}" UV_HTTP_RETRIES="${UV_HTTP_RETRIES:-2}"
    file=$1
    shift
    set -- --quiet --require-hashes -r "$file" "$@"
    if has uv; then
        uv pip install --python "$VENV/bin/python" --compile-bytecode "$@"
    elif has_pip "$VENV/bin/python"; then
        "$VENV/bin/python" -m pip install --disable-pip-version-check --no-input "$@"
    elif python=$(find_pip); then
        "$python" -m pip --python "$VENV/bin/python" install --disable-pip-version-check --no-input "$@"
    else
        echo "there is no pip: apt install python3-venv, or install uv"
        return 1
    fi
}

find_pip() {
    for python in $PYTHONS; do
        if has_pip "$python"; then
            echo "$python"
            return
        fi
    done
    return 1
}

has_pip() {
    "$1" -m pip --version >/dev/null 2>&1
}

has() {
    command -v "$1" >/dev/null
}

fail() {
    echo "$0: $*" >&2
    exit 1
}

# with_lock COMMAND…: of several starts at the same moment one works, the others wait.
with_lock() (
    if has flock; then
        exec 9<requirements.txt
        flock 9
    else
        take_lock
        trap 'rm -f var/setup.lock' EXIT
        trap 'exit 1' INT TERM
    fi
    "$@"
)

# A symbolic link is there together with what it names, the owner; one whose owner is gone is nobody's.
take_lock() {
    until ln -s $$ var/setup.lock 2>/dev/null; do
        kill -0 "$(readlink var/setup.lock)" 2>/dev/null || rm -f var/setup.lock
        sleep 1
    done
}
