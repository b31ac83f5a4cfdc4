#  Completion for bash.  What there is to complete is asked of the program's own help, so that it is never out of date.

_zbroker_commands () {
    zbroker help 2>/dev/null | sed -n '/^commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'
}

_zbroker_options () {
    zbroker help "$1" 2>/dev/null | sed -n '/^options:/,$s/^  \(-[-A-Za-z]*\).*/\1/p'
}

#  The words of a command's usage line that are to be typed as they are.
_zbroker_words () {
    zbroker help "$1" 2>/dev/null | sed -n '1s/^usage: zbroker [a-z]*//p' | tr '|' '\n' |
        sed -n 's/^ *\(\[options\]\)\{0,1\} *\[\{0,1\}\([a-z]\{1,\}\).*/\2/p'
}

_zbroker_queues () {
    timeout 2 zbroker queue list --timeout 1000 --json 2>/dev/null | sed 's/[,{]/\n/g' | sed -n 's/^ *"name": *"\([^"]*\)".*/\1/p'
}

_zbroker () {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_zbroker_commands) help version" -- "$cur")
        return
    fi
    case $prev in
    --config | --file | --log-file | --key)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        return ;;
    --from)
        mapfile -t COMPREPLY < <(compgen -W "passive active" -- "$cur")
        return ;;
    --store | --file-per-message)
        mapfile -t COMPREPLY < <(compgen -d -- "$cur")
        return ;;
    --as)
        mapfile -t COMPREPLY < <(compgen -W "primary backup" -- "$cur")
        return ;;
    --peer-loss)
        mapfile -t COMPREPLY < <(compgen -W "solo wait" -- "$cur")
        return ;;
    --log-format)
        mapfile -t COMPREPLY < <(compgen -W "lines json" -- "$cur")
        return ;;
    esac
    case $cur in
    -*)
        mapfile -t COMPREPLY < <(compgen -W "$(_zbroker_options "$command")" -- "$cur")
        return ;;
    esac
    case $command in
    help)
        mapfile -t COMPREPLY < <(compgen -W "$(_zbroker_commands)" -- "$cur") ;;
    put | get | peek)
        [ "$COMP_CWORD" = 2 ] && mapfile -t COMPREPLY < <(compgen -W "$(_zbroker_queues)" -- "$cur") ;;
    move)
        mapfile -t COMPREPLY < <(compgen -W "$(_zbroker_queues)" -- "$cur") ;;
    queue | topic | sub)
        if [ "$COMP_CWORD" = 2 ]; then
            mapfile -t COMPREPLY < <(compgen -W "$(_zbroker_words "$command")" -- "$cur")
        else
            mapfile -t COMPREPLY < <(compgen -W "$(_zbroker_queues)" -- "$cur")
        fi ;;
    *)
        mapfile -t COMPREPLY < <(compgen -W "$(_zbroker_words "$command")" -f -- "$cur") ;;
    esac
}

complete -o filenames -F _zbroker zbroker
