# Reports to the Branchline agent of this machine, from any POSIX shell:
#
#   . ./branchline.sh
#   branchline_step_begin 4711 review --process order owner="Li Hua" amount=129.5
#   branchline_step_end 4711 review --process order
#   branchline_step_event 4711 --step review --process order note="asked for a second look"
#   branchline_case 4711 --process order --status completed
#   branchline_event door.opened door="north 2"
#   branchline_metric queue_length 12 --unit orders lane=3
#
# Each says one report and returns 0 when the agent has it on disk, 1 when it has not (or nobody knows), 2 when the
# report is wrong; then one line on standard error says why. A script under `set -e` writes `|| true` behind it where
# a report must not stop the work. Every report has an id, made here unless --id gives one: a report whose answer was
# lost is said again and is there once. BRANCHLINE_ID is the last one's: the same report with --id "$BRANCHLINE_ID" is
# a repetition.
#
# It takes branchline-agent's commands, or nc (OpenBSD's), or socat, whichever is there.
#
#   BRANCHLINE_SOCKET   the agent's socket; else where it is by default
#   BRANCHLINE_WAIT     seconds to wait for an agent that is not there (0)
#   BRANCHLINE_TIMEOUT  seconds for one report whose answer was lost (12)
#   BRANCHLINE_WAY      command, nc or socat, where it must be one of them
#
# A value that is written like a number is one, true and false are what they are, all else is text.

branchline_step_begin() { _branchline_report 'step begin' --case --step "$@"; }
branchline_step_end() { _branchline_report 'step end' --case --step "$@"; }
branchline_step_event() { _branchline_report 'step event' --case '' "$@"; }
branchline_case() { _branchline_report case : '' "$@"; }
branchline_event() { _branchline_report event : '' "$@"; }
branchline_metric() { _branchline_report metric : : "$@"; }

_bl_nl='
'
_bl_tab=$(printf '\t')
_bl_cr=$(printf '\r')

# One report: its verb; how the commands name its first and second word (`:`: by their place, empty: there is none);
# then what the caller said.
_branchline_report() {
	_bl_verb=$1 _bl_first=$2 _bl_second=$3 BRANCHLINE_ID=
	shift 3
	if [ $# -lt 1 ] || { [ -n "$_bl_second" ] && [ $# -lt 2 ]; }; then
		_branchline_wrong 'a word is missing; the head of branchline.sh says which'
		return
	fi
	_branchline_quote "$1"
	_bl_line="$_bl_verb $_bl_q"
	_bl_one=$1 _bl_two='' _bl_pairs=''
	shift
	if [ -n "$_bl_second" ]; then
		_bl_two=$1
		shift
		if [ "$_bl_second" = : ]; then
			case $_bl_two in
			'' | *[!0-9.eE+-]*)
				_branchline_wrong "expected a value, a number like 12.5, got \"$_bl_two\""
				return
				;;
			esac
			_bl_line="$_bl_line $_bl_two"
		else
			_branchline_quote "$_bl_two"
			_bl_line="$_bl_line $_bl_q"
		fi
	fi
	# What is left is read once and put behind itself.
	_bl_left=$#
	while [ "$_bl_left" -gt 0 ]; do
		_bl_word=$1
		shift
		_bl_left=$((_bl_left - 1))
		case $_bl_word in
		--id | --process | --at | --status | --unit | --kind | --step)
			if [ "$_bl_left" -eq 0 ]; then
				_branchline_wrong "a value is missing after $_bl_word"
				return
			fi
			if [ "$_bl_word" = --id ]; then
				BRANCHLINE_ID=$1
			elif [ "$_bl_word" = --step ]; then
				if [ "$_bl_verb" != 'step event' ]; then
					_branchline_wrong "unknown option $_bl_word"
					return
				fi
				_branchline_quote "$1"
				_bl_line="$_bl_line $_bl_q"
				set -- "$@" "$_bl_word" "$1"
			else
				_branchline_quote "$1"
				_bl_pairs="$_bl_pairs ${_bl_word#--}=$_bl_q"
				set -- "$@" "$_bl_word" "$1"
			fi
			shift
			_bl_left=$((_bl_left - 1))
			;;
		*)
			_branchline_pair "$_bl_word" || return
			set -- "$@" "$_bl_word"
			;;
		esac
	done
	[ -n "$BRANCHLINE_ID" ] || _branchline_make_id || return
	_branchline_quote "$BRANCHLINE_ID"
	_bl_line="$_bl_line id=$_bl_q$_bl_pairs"
	case $_bl_first$_bl_second in
	::) set -- "$_bl_one" "$_bl_two" "$@" ;;
	:) set -- "$_bl_one" "$@" ;;
	--case) set -- --case "$_bl_one" "$@" ;;
	*) set -- --case "$_bl_one" --step "$_bl_two" "$@" ;;
	esac
	_branchline_tell "$@"
}

_branchline_wrong() {
	printf 'branchline: %s: %s\n' "$_bl_verb" "$1" >&2
	return 2
}

# NAME=VALUE, behind the others.
_branchline_pair() {
	_bl_name=${1%%=*}
	case $1 in
	-*) _branchline_wrong "unknown option $1" ;;
	*=*) ;;
	*) _branchline_wrong "expected NAME=VALUE, got \"$1\"" ;;
	esac || return
	case $_bl_name in
	'' | *[\ \"$_bl_nl$_bl_cr$_bl_tab]*) _branchline_wrong "a name is a text without space, = and quotes, not \"$_bl_name\"" ;;
	id | at) _branchline_wrong "this name has a meaning of its own: $_bl_name" ;;
	process | case | step)
		case $_bl_first in
		--case) _branchline_wrong "this name has a meaning of its own: $_bl_name" ;;
		esac
		;;
	esac || return
	case ${1#*=} in
	'' | *[!0-9.eE+-]*)
		case ${1#*=} in
		true | false) _bl_q=${1#*=} ;;
		*) _branchline_quote "${1#*=}" ;;
		esac
		;;
	*) _bl_q=${1#*=} ;;
	esac
	_bl_pairs="$_bl_pairs $_bl_name=$_bl_q"
}

# Its argument in double quotes, as the agent reads it: _bl_q.
_branchline_quote() {
	_bl_rest=$1 _bl_q='"'
	while :; do
		_bl_head=${_bl_rest%%[\\\""$_bl_nl$_bl_cr$_bl_tab"]*}
		_bl_q=$_bl_q$_bl_head
		[ "$_bl_head" != "$_bl_rest" ] || break
		_bl_rest=${_bl_rest#"$_bl_head"}
		case $_bl_rest in
		\\*) _bl_q="$_bl_q\\\\" ;;
		\"*) _bl_q="$_bl_q\\\"" ;;
		"$_bl_nl"*) _bl_q="$_bl_q\\n" ;;
		"$_bl_cr"*) _bl_q="$_bl_q\\r" ;;
		*) _bl_q="$_bl_q\\t" ;;
		esac
		_bl_rest=${_bl_rest#?}
	done
	_bl_q="$_bl_q\""
}

_branchline_make_id() {
	if [ -r /proc/sys/kernel/random/uuid ]; then
		read -r BRANCHLINE_ID </proc/sys/kernel/random/uuid
	else
		BRANCHLINE_ID=$(od -An -N16 -tx1 /dev/urandom 2>/dev/null | tr -d ' \n')
	fi
	[ -n "$BRANCHLINE_ID" ] || _branchline_wrong 'no id can be made; give one with --id'
}

# ---- the agent ----

_branchline_socket() {
	_bl_socket=${BRANCHLINE_SOCKET-}
	[ -n "$_bl_socket" ] || _bl_socket=/run/branchline-agent/steps.sock
	[ -n "${BRANCHLINE_SOCKET-}" ] || [ -e "$_bl_socket" ] || _bl_socket=/var/lib/branchline-agent/steps.sock
}

_branchline_way() {
	_bl_way=${BRANCHLINE_WAY-}
	[ -z "$_bl_way" ] || return 0
	for _bl_way in command nc socat; do
		case $_bl_way in
		command) command -v branchline-agent >/dev/null 2>&1 && return 0 ;;
		*) command -v "$_bl_way" >/dev/null 2>&1 && return 0 ;;
		esac
	done
	_branchline_wrong 'there is neither branchline-agent nor nc nor socat to report with'
	return 1
}

# Says it until there is an answer: as long as the limits allow.
_branchline_tell() {
	_branchline_socket
	_branchline_way || return 1
	_bl_start=$(date +%s)
	_bl_unknown=
	while :; do
		_bl_end=0
		_branchline_attempt "$@" || _bl_end=$?
		case $_bl_end in
		0) return 0 ;;
		2) _branchline_wrong "$_bl_why" || return ;;
		3) _bl_unknown=yes ;;
		esac
		_bl_spent=$(($(date +%s) - _bl_start))
		if [ -n "$_bl_unknown" ]; then
			[ "$_bl_spent" -lt "${BRANCHLINE_TIMEOUT:-12}" ] || break
		else
			[ "$_bl_spent" -lt "${BRANCHLINE_WAIT:-0}" ] || break
		fi
		sleep 0.1 2>/dev/null || sleep 1 # POSIX has whole seconds
	done
	if [ -n "$_bl_unknown" ]; then
		_branchline_wrong "$_bl_why; whether the agent has the report is not known: say it again with --id $BRANCHLINE_ID" || return 1
	fi
	_branchline_wrong "$_bl_why; nothing was stored" || return 1
}

# One attempt: 0: the agent has it, 1: it has nothing, 2: the report is wrong, 3: it may have it; _bl_why says why.
_branchline_attempt() {
	case $_bl_way in
	command) _branchline_by_command "$@" || return ;;
	nc | socat) _branchline_by_line || return ;;
	*)
		_bl_why="BRANCHLINE_WAY is command, nc or socat, not $_bl_way"
		return 2
		;;
	esac
}

_branchline_by_command() {
	# shellcheck disable=SC2086 # "step begin" is two words
	_bl_why=$(branchline-agent $_bl_verb "$@" --id "$BRANCHLINE_ID" --socket "$_bl_socket" 2>&1 >/dev/null </dev/null) && return 0
	_bl_why=${_bl_why#branchline-agent: "$_bl_verb": }
	case $_bl_why in
	'the agent went away before'* | 'the agent did not answer'* | 'the agent'\''s answer is none of'* | 'not on disk'*) return 3 ;;
	'no agent takes'* | 'not allowed to report'* | 'the agent at '*'too busy' | 'connect to '* | 'the agent does not listen' | \
		'not stored'* | 'too many connections'*) return 1 ;;
	esac
	return 2
}

_branchline_by_line() {
	if [ ! -S "$_bl_socket" ]; then
		_bl_why="no agent takes reports at $_bl_socket (is it running?): there is no socket"
		return 1
	fi
	if [ "$_bl_way" = nc ]; then
		_bl_answer=$(printf '%s\n' "$_bl_line" | nc -N -w "${BRANCHLINE_TIMEOUT:-12}" -U "$_bl_socket" 2>&1)
	else
		_bl_answer=$(printf '%s\n' "$_bl_line" | socat -t "${BRANCHLINE_TIMEOUT:-12}" - "UNIX-CONNECT:$_bl_socket" 2>&1)
	fi && _bl_end=0 || _bl_end=$?
	case $_bl_answer in
	ok | 'ok repeated') return 0 ;;
	'error: not stored'* | 'error: too many connections'*)
		_bl_why=${_bl_answer#error: }
		return 1
		;;
	'error: not on disk'*)
		_bl_why=${_bl_answer#error: }
		return 3
		;;
	'error: '*)
		_bl_why=${_bl_answer#error: }
		return 2
		;;
	esac
	if [ "$_bl_end" -ne 0 ]; then
		_bl_why="no agent takes reports at $_bl_socket (is it running?)${_bl_answer:+: $_bl_answer}"
		return 1
	fi
	_bl_why="the agent at $_bl_socket did not answer"
	return 3
}
