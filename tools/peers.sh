#!/bin/sh
# Makes .cache/peers/<peer>, an environment of its own, for each tests/peers/<peer>.txt: other projects' clients, which
# tests/acceptance/test_peers_*.py and test_telegram_peers.py run against the lab (ccxt, binance-sdk and
# python-telegram-bot in ./check, all in soak) and tests/bench measures. What is made already costs one `cksum`.
#
#   tools/peers.sh            every peer
#   tools/peers.sh ccxt …     only these
#
# A peer that cannot be installed is named and left out (its tests say that they were skipped), and the status is 1.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd -P)
. "$root/tools/environment.sh"
peers=$root/.cache/peers

[ $# -gt 0 ] || set -- $(cd "$root/tests/peers" && for file in *.txt; do echo "${file%.txt}"; done)

# make PEER: in a subshell, where the names that `uv_install` uses are this peer's. Its mark is written last.
make() (
    trap - EXIT
    log=$peers/$1.log
    venv=$peers/$1
    : >"$log"
    rm -rf "$venv"
    say "installing $1 for its tests"
    if quietly "$uv" venv --no-project --python "$python" "$venv" && uv_install --requirements "$root/tests/peers/$1.txt"; then
        printf '%s\n' "$wanted" >"$venv/.installed"
        exit
    fi
    rm -rf "$venv"
    tail -n 25 "$log" | sed 's/^/  | /' >&2
    say "$1 could not be installed; the whole log is .cache/peers/$1.log"
    exit 1
)

# is_made PEER: for exactly what is wanted now?
is_made() {
    [ -x "$peers/$1/bin/python" ] && [ -r "$peers/$1/.installed" ] || return 1
    IFS= read -r installed <"$peers/$1/.installed"
    [ "$installed" = "$wanted" ]
}

left_out=
for peer; do
    wanted="$(cksum <"$root/tests/peers/$peer.txt") $root"
    if is_made "$peer"; then continue; fi
    mkdir -p "$peers" "$tools"
    take_lock
    if ! is_made "$peer"; then
        if [ -z "${uv:-}" ]; then
            uv=$tools/installer/bin/uv
            UV_PYTHON_DOWNLOADS=never
            UV_NO_PROGRESS=1
            export UV_PYTHON_DOWNLOADS UV_NO_PROGRESS
            find_python
            get_uv
            choose_cache
        fi
        make "$peer" || left_out="$left_out $peer"
    fi
    release_lock
done
if [ -n "$left_out" ]; then
    say "left out:$left_out"
    exit 1
fi
