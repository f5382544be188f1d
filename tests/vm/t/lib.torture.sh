# SPDX-License-Identifier: MIT
#
# lib.torture.sh - random lives of a NIC under weir, for nic_torture.sh of the VM and of
# tests/netns; sourced, no test.
#
# Theory: a sequence is a random first state, then random events: owners that come, go, are killed
# at a random system call or at any time, restores of every kind, several commands at once, and a
# person who changes what weir holds, renames the interface, moves it to another namespace and back,
# lowers it, damages the journal. Then all owners end and all is restored.
#
# What must be true then: without the person, the state is the first one to the byte. What the
# person changed last is as the person left it, and once the person has put that back, the state is
# the first one. No journal is left, no command died of a signal, each refusal says in brackets
# what to do, and nothing that ends fails without a reason (excuse). In between, who holds changes
# and was not asked to end stays in the journal.
#
# The person's values are ones that weir never sets, but for switches, which the person only puts to
# their first value: what else has the value that weir set is, to weir, what weir set.
#
# Set before: dev, home (its first name), rich (yes: the NIC has RSS, rules, split), weir, killat,
# journals (folder), other and here (another namespace and this one, as ip takes them), enter (the
# command line that enters the other one).

by_weir='gro_flush|defer|irq_suspend|hds_|cpus' # of weir's status: what ethtool does not show

torture_fail() {
	echo "FAILED: WEIR_TEST_SEED=$seed TORTURE=1: $*"
	tail -n 60 log
	exit 1
}

# draw N: a number from 0 to N - 1 in $n
draw() {
	n=$((RANDOM % $1))
}

# pick WORD...: one of them in $word
pick() {
	draw $#
	shift $n
	word=$1
}

note() {
	echo "$*" >>log
}

# state FILE: what ethtool shows, and the NAPI settings
torture_state() {
	{
		ethtool -l "$dev"
		ethtool -k "$dev"
		ethtool -g "$dev"
		if [ $rich = yes ]; then
			ethtool -x "$dev"
			ethtool -x "$dev" context 1
			ethtool -x "$dev" context 2
			ethtool -x "$dev" context 3
			ethtool -n "$dev"
			"$weir" nic status "$dev" --json | grep -E "$by_weir"
		fi
	} >"$1" 2>&1
}

no_file() {
	local file

	for file in "$journals"/*; do
		[[ $file = *.lock || ! -e $file ]] || return 1
	done
}

# The journal's file in $file; fails where there is none.
journal_file() {
	for file in "$journals"/*; do
		[[ $file = *.lock || $file = *.new || ! -e $file ]] || return 0
	done
	return 1
}

# judge STATUS WHAT FILE: exit code and words of a command
judge() {
	local said

	said=$(<"$3")
	note "   exit $1: ${said//$'\n'/ | }"
	case $1 in
	0) return 0 ;;
	1) [[ $said = *\(*\)* ]] || torture_fail "$2 fails and names no way out: $said" ;;
	*) torture_fail "$2 ends with $1: $said" ;;
	esac
	return 1
}

# ---------------------------------------------------------------------------------- weir's part

# Words for apply in $words
draw_words() {
	words=()
	if [ $rich = no ]; then
		pick 1 3 3 5 6 8
		words=(--for none --channels "$word")
		return
	fi
	pick zcrx zcrx zcrx xdp none
	words=(--for "$word")
	draw 3 && [ $n = 0 ] && words+=(--queues 2)
	draw 2 && [ $n = 0 ] && draw 3 && words+=(--queue $n)
	for draws in 1 2; do
		draw 3 && [ $n = 0 ] && continue
		draw 6
		pick tcp:10$n tcp:10.77.0.1:10$n "udp:[fd77::1]:10$n" \
			tcp:10.77.0.1:10$n-10.77.0.2:4000
		words+=(--flow "$word")
	done
	draw 4 && [ $n = 0 ] && pick 2 3 4 && words+=(--channels "$word")
	draw 5 && [ $n = 0 ] && words+=(--defer-hard-irqs $((n + 2)) --gro-flush-timeout 0.00002)
	draw 8 && [ $n = 0 ] && words+=(--gro-hw)
	[ $n -ge 6 ] || return 0 # no draw of its own: what old seeds mean stays
	word=$((n - 6))
	[[ ${words[*]} = *"--queues 2"* ]] && word=$word,$((7 - n))
	words+=(--irq-cpu "$word")
}

apply() {
	draw_words
	note "apply ${words[*]}"
	"$weir" nic apply "$dev" "${words[@]}" >out 2>&1
	if judge $? apply out; then
		kept=$((kept + 1))
	else
		changed_nothing apply
	fi
}

# Where nobody else does anything, what fails changes nothing, but for what a dead owner left.
changed_nothing() {
	[ -z "$dead$excuse" ] || return 0
	torture_state now.state
	cmp -s last.state now.state ||
		torture_fail "$1 fails and leaves: $(diff last.state now.state | head -8)"
}

set_up_or_ended() {
	[[ $(<hold.$holds) = *"set up"* ]] || ! kill -0 ${holder[$holds]} 2>/dev/null
}

holds=0
hold() {
	draw_words
	holds=$((holds + 1))
	note "hold $holds ${words[*]}"
	"$weir" nic apply "$dev" --hold "${words[@]}" >hold.$holds 2>&1 &
	holder[$holds]=$!
	wait_for 20 set_up_or_ended || torture_fail "a holder hangs: $(<hold.$holds)"
	if [[ $(<hold.$holds) = *"set up"* ]]; then
		there[$holds]=${holder[$holds]}
		return
	fi
	wait ${holder[$holds]}
	judge $? hold hold.$holds
	unset "holder[$holds]"
}

# end_hold SIGNAL ID
end_hold() {
	local status

	note "SIG$1 to $2"
	kill -s $1 ${holder[$2]}
	wait ${holder[$2]} 2>/dev/null
	status=$?
	unset "holder[$2]" "there[$2]"
	if [ $1 = KILL ]; then
		dead=yes
	else
		judge $status "the end of a holder" hold.$2 || excused "the end of a holder"
	fi
	owners_there
}

excused() {
	[ -n "$excuse" ] || torture_fail "$1 fails without a reason"
	dead=yes
}

release() {
	[ ${#holder[@]} -gt 0 ] || return 0
	pick "${!holder[@]}"
	id=$word
	pick TERM TERM INT KILL
	end_hold $word $id
}

killed() {
	local how=() status at

	draw_words
	draw 2 && [ $n = 0 ] && how=(--hold)
	draw 60
	at=$((n + 1))
	note "killed at $at: apply ${how[*]} ${words[*]}"
	"$killat" $at "$weir" nic apply "$dev" "${how[@]}" "${words[@]}" >out 2>&1
	status=$?
	dead=yes
	[ $status = 99 ] || [ $status = 98 ] || judge $status "apply under killat" out
}

restore_killed() {
	local status

	draw 50
	kept=0
	note "restore killed at $((n + 1))"
	"$killat" $((n + 1)) "$weir" nic restore "$dev" >out 2>&1
	status=$?
	dead=yes
	[ $status = 99 ] || judge $status "restore under killat" out || excused restore
}

# restore WORD...
restore() {
	note "restore $*"
	[ "$*" = --dead-only ] || kept=0
	[ "$*" != --alive ] || there=()
	"$weir" nic restore "$dev" "$@" >out 2>&1
	if judge $? restore out; then
		dead=
		[ ${#holder[@]} -gt 0 ] || [ "$*" = --dead-only ] || no_file ||
			torture_fail "restore leaves a journal: $(cat "$journals"/*)"
	else
		excused restore
	fi
}

# Several commands at once: the lock.  What they do to each other is not foreseen, but exit codes.
together() {
	local ids=() i

	dead=yes kept=0
	for i in 1 2 3; do
		draw_words
		pick apply restore "restore --dead-only" plan apply
		[[ $word = restore* ]] && words=()
		note "at once: $word ${words[*]}"
		"$weir" nic $word "$dev" "${words[@]}" >at-once.$i 2>&1 &
		ids+=($!)
	done
	for i in 1 2 3; do
		wait ${ids[$((i - 1))]}
		judge $? "one of three at once" at-once.$i
	done
	return 0
}

look() {
	draw_words
	note "status, plan"
	"$weir" nic status "$dev" >out 2>&1
	judge $? status out || torture_fail "status fails: $(<out)"
	torture_state now.state
	"$weir" nic plan "$dev" "${words[@]}" >out 2>&1
	judge $? plan out
	torture_state then.state
	cmp -s now.state then.state || torture_fail "plan changes something"
}

# Who holds changes and was not asked to end is in the journal, and the kept ones at least.
owners_there() {
	local id text=

	[ ${#there[@]} -gt 0 ] || [ $kept -gt 0 ] || return 0
	journal_file && text=$(<"$file")
	for id in "${!there[@]}"; do
		[[ $text = *" pid=${there[$id]} "* ]] ||
			torture_fail "holder $id runs and its changes are forgotten: $text"
	done
	[ "$(grep -c ' pid=0 ' <<<"$text")" -ge $kept ] ||
		torture_fail "$kept owners were kept, the journal has: $text"
}

# --------------------------------------------------------------------------- the person's part

# person COMMAND...: succeeds where the kernel allows it
person() {
	note "person: $*"
	"$@" >person.out 2>&1 || {
		note "   refused: $(<person.out)"
		return 1
	}
	excuse=person
}

table() {
	ethtool -x "$dev" | grep -E '^ *[0-9]+:'
}

person_table() {
	draw 5
	person ethtool -X "$dev" weight $((n * 2 + 3)) 1 && {
		dirty[rss]=yes
		expected_table=$(table)
	}
}

person_channels() {
	if [ $rich = no ]; then
		person ethtool -L "$dev" rx 4 && dirty[channels]=4
	else
		pick 2 3 4
		person ethtool -L "$dev" combined $word && dirty[channels]=$word
	fi
	return 0
}

person_switch() {
	pick split ntuple gro
	case $word in
	split) [ $first_split = on ] || person ethtool -G "$dev" tcp-data-split off ;;
	ntuple) [ $first_ntuple = on ] || person ethtool -K "$dev" ntuple off ;;
	gro) pick on off && person ethtool -K "$dev" gro $word && dirty[gro]=yes ;;
	esac
	return 0
}

# Locations of rules that are neither the person's nor of the first state, in $locations
our_rules() {
	local location

	locations=()
	for location in $(ethtool -n "$dev" 2>/dev/null | sed -n 's/^Filter: //p'); do
		[ -n "${rule[$location]-}" ] || [ $location = "$first_rule" ] ||
			locations+=($location)
	done
}

# person_insert LOCATION
person_insert() {
	draw 90
	person ethtool -N "$dev" flow-type tcp4 dst-port $((900 + n)) action 0 loc $1 &&
		rule[$1]=$((900 + n))
}

person_rule() {
	our_rules
	draw 3
	if [ $n = 0 ] || [ ${#locations[@]} = 0 ]; then
		draw 12
		[ -n "${rule[$n]-}" ] || [ $n = "$first_rule" ] || person_insert $n
	else
		pick "${locations[@]}"
		local location=$word

		person ethtool -N "$dev" delete $location || return 0
		pick gone replaced
		[ $word = gone ] || person_insert $location
	fi
	return 0
}

person_context() {
	local contexts

	contexts=$(ethtool -n "$dev" 2>/dev/null | sed -n 's/.*RSS Context ID: *//p' | head -n 1)
	draw 2
	if [ -n "$contexts" ] && [ $n = 0 ]; then
		person ethtool -X "$dev" context $contexts weight 5 1 && context[$contexts]=yes
	elif person ethtool -X "$dev" context new weight 7 1; then
		context[$(sed -n 's/^New RSS context is //p' person.out)]=yes
	fi
	return 0
}

person_link() {
	person ip link set "$dev" down
	pick apply hold look dead kept release
	case $word in
	dead) restore --dead-only ;;
	kept) restore ;;
	*) $word ;;
	esac
	person ip link set "$dev" up || torture_fail "the link stays down"
	dead=yes
}

person_name() {
	local name=$home

	[ $dev = $home ] && name=wx0
	person ip link set "$dev" name $name || {
		person ip link set "$dev" down && person ip link set "$dev" name $name &&
			person ip link set $name up
	} || torture_fail "no other name: $(<person.out)"
	dev=$name
}

person_moves() {
	person ip link set "$dev" netns $other || torture_fail "it does not move"
	"$weir" nic status "$dev" >out 2>&1 && torture_fail "status of what is not here"
	judge 1 status out
	"$weir" nic restore "$dev" >out 2>&1 && torture_fail "restore of what is not here"
	judge 1 restore out
	person $enter ip link set "$dev" netns $here ||
		torture_fail "it does not come back: $(<person.out)"
	person ip link set "$dev" up || torture_fail "it does not come up"
}

person_journal() {
	journal_file || return 0
	pick gone cut older keep keep
	note "person: journal $word"
	case $word in
	gone)
		rm -f "$file"
		;;
	cut)
		draw 200
		truncate -s -$((n + 1)) "$file" 2>/dev/null || : >"$file"
		"$weir" nic restore "$dev" >out 2>&1 && torture_fail "restore by a damaged journal"
		judge 1 "restore by a damaged journal" out
		[[ $(<out) = *"$file"* ]] || torture_fail "it does not name the file: $(<out)"
		rm -f "$file"
		;;
	older)
		[ -e kept.journal ] || return 0
		cp kept.journal "$file"
		;;
	keep)
		cp "$file" kept.journal
		return 0
		;;
	esac
	excuse=journal
	lost=yes kept=0
	there=()
}

# A queue is bound: what the binding needs cannot be put back, and once it has ended it can.
bound() {
	[ -z "$lost" ] && [ $first_split = off ] || return 0
	restore --alive
	note "a bound queue"
	"$weir" nic apply "$dev" --queue 2 >out 2>&1
	judge $? apply out || return 0
	weir-zcraw occupy zcrx "$dev" 2 >taken 2>&1 &
	occupier=$!
	wait_for 10 grep -q . taken
	note "   $(<taken)"
	if grep -q taken taken; then
		"$weir" nic restore "$dev" >out 2>&1
		judge $? "restore of a bound queue" out &&
			torture_fail "restore under a bound queue: $(<out)"
		no_file && torture_fail "what could not be put back is forgotten"
	fi
	kill $occupier 2>/dev/null
	wait $occupier 2>/dev/null
	restore
}

# ---------------------------------------------------------------------------------- a sequence

first_state() {
	local words=()

	first_split=off first_ntuple=on first_rule=
	if [ $rich = no ]; then
		pick 2 2 7
		ethtool -L "$dev" rx $word tx 2 2>/dev/null
		first_channels=$word
	else
		ethtool -N "$dev" delete 5 >/dev/null 2>&1
		ethtool -X "$dev" default
		pick 4 4 3
		first_channels=$word
		ethtool -L "$dev" combined $word 2>/dev/null
		pick off off on
		first_split=$word
		ethtool -G "$dev" tcp-data-split $word 2>/dev/null
		pick default "equal 2" "weight 1 2 1"
		ethtool -X "$dev" $word 2>/dev/null
		first_table=$word
		draw 3
		if [ $n = 0 ]; then
			ethtool -N "$dev" flow-type tcp4 dst-port 999 action 1 loc 5 &&
				first_rule=5
		else
			pick on off
			first_ntuple=$word
		fi
		ethtool -K "$dev" ntuple $first_ntuple
	fi
	torture_state first.state
	note "first state: channels $first_channels split $first_split ntuple $first_ntuple" \
		"table ${first_table-} rule $first_rule"
}

# What the person left last is as it was left.
persons_things() {
	local location

	[ -z "$lost" ] || return 0
	[ -z "${dirty[rss]-}" ] || [ -n "${dirty[channels]-}" ] ||
		[ "$(table)" = "$expected_table" ] || torture_fail "the person's RSS table is gone"
	for location in "${!rule[@]}"; do
		ethtool -n "$dev" rule $location 2>&1 | grep -q "Dest port: ${rule[$location]}" ||
			torture_fail "the person's rule $location is gone"
	done
	for location in "${!context[@]}"; do
		ethtool -x "$dev" context $location >person.out 2>&1 ||
			torture_fail "the person's context $location is gone"
	done
}

persons_things_back() {
	local location

	note "person puts all back"
	if [ -n "$lost" ]; then
		# what weir changed is known to nobody any more
		our_rules
		for location in "${locations[@]}"; do
			rule[$location]=lost
		done
		dirty[rss]=yes dirty[channels]=yes
		context[1]= context[2]= context[3]=
	fi
	for location in "${!rule[@]}"; do
		ethtool -N "$dev" delete $location >/dev/null 2>&1
	done
	for location in "${!context[@]}"; do
		ethtool -X "$dev" context $location delete >/dev/null 2>&1
	done
	[ -z "${dirty[gro]-}" ] || ethtool -K "$dev" gro on
	if [ $rich = no ]; then
		[ -z "${dirty[channels]-}" ] || ethtool -L "$dev" rx $first_channels 2>/dev/null
		return 0
	fi
	if [ -n "${dirty[channels]-}${dirty[rss]-}" ]; then
		ethtool -X "$dev" default 2>/dev/null
		ethtool -L "$dev" combined $first_channels 2>/dev/null
		ethtool -X "$dev" $first_table 2>/dev/null
	fi
	if [ -n "$lost" ]; then
		ethtool -G "$dev" tcp-data-split $first_split 2>/dev/null
		ethtool -K "$dev" ntuple $first_ntuple rx-gro-hw off 2>/dev/null
	fi
}

last_end() {
	local id

	[ $dev = $home ] || person_name
	[ $rich = no ] || [ "$bind" != yes ] || bound
	for id in "${!holder[@]}"; do
		pick TERM KILL
		end_hold $word $id
	done
	"$weir" nic restore "$dev" --alive >out 2>&1
	if judge $? "the last restore" out; then
		no_file || torture_fail "the last restore leaves a journal: $(cat "$journals"/*)"
		persons_things
	else
		excused "the last restore"
	fi
	persons_things_back
	"$weir" nic restore "$dev" --alive >out 2>&1
	judge $? "the very last restore" out || torture_fail "the very last restore: $(<out)"
	no_file || torture_fail "a journal is left: $(cat "$journals"/*)"
	torture_state now.state
	[ -n "$lost" ] && compare_lost && return
	cmp -s first.state now.state ||
		torture_fail "not as at first: $(diff first.state now.state | head -12)"
}

# Without its journal, NAPI settings cannot be put back by ethtool.
compare_lost() {
	diff first.state now.state | grep '^[<>]' | grep -vE "$by_weir" &&
		torture_fail "not as at first, after the journal was lost"
	return 0
}

# sequence SEED EVENTS PERSON(yes: a person, too) BIND(yes: a queue is bound at the end)
sequence() {
	local event bind=$4

	seed=$1 RANDOM=$1 dead= excuse= lost= expected_table= kept=0
	unset dirty rule context holder there
	declare -gA dirty=() rule=() context=() holder=() there=()
	: >log
	rm -f kept.journal
	first_state >first.out 2>&1
	for ((event = 0; event < $2; event++)); do
		[ -n "$dead$excuse" ] || torture_state last.state
		if [ "$3" = yes ] && draw 2 && [ $n = 0 ]; then
			if [ $rich = yes ]; then
				pick table channels switch rule rule context link name moves journal
			else
				pick channels link name moves journal
			fi
			person_$word
			owners_there
			continue
		fi
		pick apply apply hold hold hold release release killed killed restore_killed \
			kept dead alive together look
		case $word in
		kept) restore ;;
		dead) restore --dead-only ;;
		alive) restore --alive ;;
		*) $word ;;
		esac
		owners_there
	done
	last_end
}

# torture COUNT EVENTS FIRST_SEED: every second one with a person, every fifth with a bound queue
torture() {
	local i began=$SECONDS persons=(yes no) binds=(no yes no no no)

	for ((i = $3; i < $3 + $1; i++)); do
		sequence $i $2 ${persons[$((i % 2))]} ${binds[$((i % 5))]}
	done
	echo "$1 sequences from seed $3 on, $((SECONDS - began)) s"
}
