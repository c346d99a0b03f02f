# shellcheck shell=bash
# shellcheck disable=SC2034 # for those who source this
# Reads the list "layers" for the laws beside this file, which source it from the
# repository's root: `rank` of modules and single headers, `home` of libraries, and for each
# folder what it `knows`.
list=tests/lint/layers

declare -A rank=() home=() knows=()
line=0 bad=0 twice=
while read -r first rest; do
    line=$((line + 1))
    case $first in
    '' | '#'*) ;;
    '<'*) home[$first]=$rest ;;
    *:) knows[${first%:}]+=" $rest " ;;
    *)
        [ -z "${rank[$first]:-}" ] || twice+=" $first"
        rank[$first]=$line
        ;;
    esac
done <$list

wrong() {
    echo "$1: $2" >&2
    bad=$((bad + 1))
}

for first in $twice; do
    wrong "$list" "$first stands there twice"
done

# Sets `place` to a file's line in the list: its own, or its module's; or to nothing.
rank_of() {
    local module=${1%.[ch]}
    place=${rank[$1]:-${rank[$module]:-}}
}

# may_know FOLDER FILE: is it one of the folder's own, or of what the list gives it?
may_know() {
    local entry folder=${2%/*}
    [ "$folder" != "$1" ] || return 0
    for entry in ${knows[$1]:-}; do
        case $entry in
        */\*) [[ $2/ != "${entry%\*}"* ]] || return 0 ;;
        */) [ "$folder/" != "$entry" ] || return 0 ;;
        *) [ "$2" != "$entry" ] || return 0 ;;
        esac
    done
    return 1
}

# may_call FOLDER FILE: may it need what this file defines?  Where the list gives single
# headers, other files of their folder may carry out what they promise.
may_call() {
    local entry
    may_know "$1" "$2" && return 0
    for entry in ${knows[$1]:-}; do
        [[ $entry != *.h ]] || [ "${entry%/*}" != "${2%/*}" ] || return 0
    done
    return 1
}

# verdict NAME: the end of a law.
verdict() {
    [ $bad = 0 ] || { echo "$1: $bad wrong" >&2; exit 1; }
}
