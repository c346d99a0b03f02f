# bash completion for halley(1).  Channels are those that `halley channels` lists now; where
# Redis cannot be asked, none are; nor are names with other characters than usual ones.
_halley() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' i
    local commands='publish tail history channels explain revoke doctor'

    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -f | -o) ((i++)) ;;
        -*) ;;
        *) command=${COMP_WORDS[i]} && break ;;
        esac
    done
    case $prev in
    -f) mapfile -t COMPREPLY < <(compgen -f -- "$cur") && return ;;
    -o | --limit) return ;;
    --since) mapfile -t COMPREPLY < <(compgen -W 'now start -10' -- "$cur") && return ;;
    esac
    if [ -z "$command" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$commands -f -o -h -V" -- "$cur")
    elif [[ $cur == -* ]]; then
        case $command in
        tail) mapfile -t COMPREPLY < <(compgen -W '--json --since' -- "$cur") ;;
        history | channels | doctor) mapfile -t COMPREPLY < <(compgen -W '--json --limit' -- "$cur") ;;
        *) mapfile -t COMPREPLY < <(compgen -W --json -- "$cur") ;;
        esac
    elif [ "$command" = doctor ]; then
        mapfile -t COMPREPLY < <(compgen -W 'http:// https://' -- "$cur")
    elif [ "$command" = publish ] && ((COMP_CWORD > i + 1)); then
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    else
        # no compgen -W: it would carry out what a channel's name says
        while read -r _ _ _ i; do
            [[ $i != "$cur"* || ! $i =~ ^[A-Za-z0-9._/:-]+$ ]] || COMPREPLY+=("$i")
        done < <(halley channels 2>/dev/null | tail -n +2)
    fi
}
complete -F _halley halley
