#!/bin/sh
# Starts a Windows program; wine.nix fills in the marks. wine wants a home and a prefix that can be written, also where a build has
# none, and makes the prefix once.
state=${XDG_CACHE_HOME:-$HOME/.cache}
[ -d "$HOME" ] && mkdir -p "$state" 2>/dev/null && [ -w "$state" ] || state=${TMPDIR:-/tmp}
export WINEPREFIX="$state/cross-flake/wine-@VERSION@"
export HOME="$WINEPREFIX"
@VARIABLES@
# Not system.reg: a wineserver writes that while wineboot is still at it, if it takes long.
if ! [ -e "$WINEPREFIX/ready" ]; then
    mkdir -p "$WINEPREFIX"
    (
        @FLOCK@ 9
        [ -e "$WINEPREFIX/ready" ] && exit
        @WINE@/bin/wineboot --init >&2 9>&- && @WINE@/bin/wineserver -w 9>&- && : >"$WINEPREFIX/ready"
    ) 9>"$WINEPREFIX.lock"
fi
exec @WINE@/bin/wine "$@"
