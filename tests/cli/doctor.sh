#!/bin/bash
# SPDX-License-Identifier: MIT
#
# doctor.sh - weir doctor on this machine: text, JSON, exit codes, containers, refused system calls.
#
# Theory: what is said is compared with what can be seen otherwise: interfaces with those of /sys,
# the uring plane with an engine that is opened by another command, rights with those of a process
# that has none.  Containers are made of namespaces, a seccomp filter by a small program that then
# runs doctor; the machine's own settings are not touched.

. "$(dirname "$0")/lib_stream.sh"

# asked CODE ARGUMENTS...: doctor ends with it; doctor.out and doctor.err
asked() {
	local code=$1

	shift
	run doctor "$weir" doctor "$@"
	ends "$run_pid" "$code" "weir doctor $*"
}

# asked_by CODE WORDS...: the same behind another program
asked_by() {
	local code=$1

	shift
	run doctor "$@"
	ends "$run_pid" "$code" "$*"
}

prints() {
	grep -q -- "$1" "$folder/doctor.out" || fail "standard output lacks '$1':" \
		"$(cat "$folder/doctor.out")"
	checks=$((checks + 1))
}

# json EXPRESSION: true of the answer d
json() {
	python3 -c '
import json, sys
d = json.load(open(sys.argv[1]))
if not eval("(" + sys.argv[2] + ")"):
    sys.exit(1)' "$folder/doctor.out" "$1" 2>"$folder/python.err" ||
		fail "not true of the JSON: $1: $(tail -1 "$folder/python.err")"
	checks=$((checks + 1))
}

# ---- text
asked 0
prints '^weir doctor: Linux '
for part in 'Ways for payload, best first' 'Kernel and rights' 'Limits' 'Interfaces'; do
	prints "^$part$"
done
prints '^  epoll yes'
prints '^  lo  *loopback'
[ "$(awk 'length > 96 && !/http/' "$folder/doctor.out" | wc -l)" = 0 ] ||
	fail "lines over 96 columns: $(awk 'length > 96' "$folder/doctor.out")"
[ ! -s "$folder/doctor.err" ] || fail "standard error is not empty"
asked 0 lo
prints '^  lo  *loopback, '
prints '^    queue 0: '
prints '^      zcrx  no '

# ---- JSON
asked 0 --json
json 'set(d) >= {"weir", "kernel", "features", "limits", "faults", "ways", "interfaces"}'
json 'len(d["features"]) == 26 and all(set(f) >= {"name", "there", "text"}
	and f["there"] != ("error" in f) for f in d["features"].values())'
json '{i["name"] for i in d["interfaces"]} == set(__import__("os").listdir("/sys/class/net"))
	- {"bonding_masters"}'
json 'd["kernel"]["release"] == __import__("os").uname().release'
json 'd["ways"]["epoll"]["now"]'
json 'd["limits"]["cpus"] == len(__import__("os").sched_getaffinity(0))'
json 'all(q["gets"] in ("zcrx", "uring", "epoll") and set(q) >= {"zcrx", "xdp", "uring", "epoll"}
	for i in d["interfaces"] if "queues" in i for q in i["queues"])'
json 'all(not v["now"] or v["can"] and not v["unsure"] for i in d["interfaces"]
	for q in i.get("queues", []) for w, v in q.items() if isinstance(v, dict))'
json '"require" not in d'
asked 0 --json lo --queue 0 --require epoll
json 'd["require"] == {"way": "epoll", "met": True, "why": ""}'
json 'len(d["interfaces"]) == 1 and d["interfaces"][0]["queues"][0]["queue"] == 0'
json 'not d["interfaces"][0]["queues"][0]["zcrx"]["can"]'

# ---- exit codes
asked 0 --require epoll
asked 1 lo --require zcrx
says doctor '^weir doctor: zcrx on lo queue 0: a loopback device has no NIC behind it$'
asked 1 --json lo --require zcrx
json 'not d["require"]["met"] and "loopback" in d["require"]["why"]'
asked 1 nosuch0
says doctor 'nosuch0: No such device'
asked 1 lo nosuch0
prints '^    queue 0: '
asked 1 lo --queue 9
says doctor 'it has 1 receive queue'
asked 1 averyverylongnameofnothing
says doctor 'no name of an interface'
asked 2 --queue 1
says doctor '--queue wants the name of an interface'
asked 2 lo --try
says doctor '--try wants one interface and --queue'
asked 2 lo lo --queue 0 --try
asked 2 lo --really
asked 2 --require nothing
says doctor 'zcrx, xdp, uring, epoll'
asked 2 lo --queue 65536
asked 2 lo --queue x
asked 0 lo --queue 0 --try
prints '^      zcrx  no  *tried'

# ---- the uring plane, against another command that opens it
opens() {
	run engine "$@" recv --plane uring 127.0.0.1:0 "$folder/nothing"
	wait_until "it listens or ends" listens_or_ended engine "$run_pid"
	has_line "$folder/engine.err" '^listening on'
}
if opens "$weir"; then
	asked 0 --require uring
else
	asked 1 --require uring
fi

# ---- io_uring forbidden by a filter (seccomp), as in many containers
cat >"$folder/filter.c" <<'END'
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* filter ERRNO PROGRAM...: io_uring_setup() gives that errno, all else is as it was */
int main(int argc, char **argv)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (argc > 1 ? atoi(argv[1]) : 1)),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	if (argc < 3 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog))
		return 3;
	execv(argv[2], argv + 2);
	return 4;
}
END
cc -o "$folder/filter" "$folder/filter.c" || fail "the filter cannot be compiled"
for code in 1 38; do # EPERM, ENOSYS
	opens "$folder/filter" $code "$weir" && fail "the filter does not forbid io_uring"
	asked_by 1 "$folder/filter" $code "$weir" doctor --require uring
	says doctor '^weir doctor: uring: .*seccomp'
	asked_by 0 "$folder/filter" $code "$weir" doctor --require epoll --json
	json 'not d["features"]["io_uring"]["there"] and d["limits"]["seccomp"] == 2'
	json 'not any(d["features"][f]["there"] for f in ("zcrx", "send_zc", "buf_ring", "query"))'
	json 'd["ways"]["epoll"]["now"] and not d["ways"]["uring"]["now"]'
done

# ---- namespaces
if unshare --user --map-root-user true 2>/dev/null; then
	asked_by 0 unshare --user --map-root-user "$weir" doctor --json
	json 'd["limits"]["first_user_namespace"] is False and d["limits"]["container"] != ""'
	json 'not any(d["features"][f]["there"] for f in ("zcrx", "net_admin", "ipc_lock", "bpf"))'
	asked_by 0 unshare --user --map-root-user --net "$weir" doctor --json
	json '[i["name"] for i in d["interfaces"] if i["kind"] == ""] == ["lo"]'
	json 'd["features"]["net_admin"]["there"] and not d["features"]["zcrx"]["there"]'
	asked_by 0 unshare --user --map-root-user --net "$weir" doctor
	prints 'No NIC is here'
	# nothing of /proc and /sys, and /run cannot be written
	bare() {
		unshare --user --map-root-user --net --mount --pid --fork sh -c '
			mount -t tmpfs none /proc && mount -t tmpfs none /sys &&
			mount -t tmpfs -o ro none /run && exec "$@"' sh "$@"
	}
	if bare "$weir" version >/dev/null 2>&1; then
		asked_by 0 bare "$weir" doctor --json
		json 'd["limits"]["seccomp"] is None and d["limits"]["io_uring_disabled"] is None'
		json 'd["limits"]["first_user_namespace"] is None and d["kernel"]["version"] == ""'
		json 'not d["features"]["journal"]["there"] and
			d["features"]["journal"]["error"] == "EROFS"'
		json 'd["ways"]["epoll"]["now"] and d["limits"]["cpus"] >= 1'
	else # a leak checker wants /proc
		echo "this build does not run without /proc: not looked at"
	fi
else
	echo "user namespaces are not allowed here: containers were not looked at"
fi
asked_by 0 env WEIR_RUN_DIR="$folder/run" "$weir" doctor --json
json 'd["features"]["journal"]["there"]'
[ ! -e "$folder/run" ] || fail "doctor has made the journal's folder"

echo "$checks checks"
