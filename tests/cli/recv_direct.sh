#!/bin/bash
# SPDX-License-Identifier: MIT
#
# recv_direct.sh - weir recv --direct: files written past the page cache.
#
# Theory: whatever the sizes, chunks and streams, the file is the one that was sent, and the three
# numbers of the report (direct, copied, by the page cache) add up to its size.  What is no file for
# direct writes gets the same bytes and a sentence.  Full disks, file systems without O_DIRECT and
# read-only ones are mounted in a mount namespace of the test's own, where it runs as root.
#
# Timeout: 300

if [ "$(id -u)" -eq 0 ] && [ -z "${RECV_DIRECT_ALONE-}" ] && unshare -m true 2>/dev/null; then
	RECV_DIRECT_ALONE=1 exec unshare -m bash "$0" "$@"
fi
. "$(dirname "$0")/lib_stream.sh"

to=$folder/received

# adds_up BYTES: the line on the disk, into $direct, $copied and $cached.
adds_up() {
	local line

	line=$(grep '^disk: ' "$folder/recv.err") || fail "no line on the disk"
	read -r direct copied cached < <(sed -E \
		's/^disk: ([0-9]+) bytes direct, ([0-9]+) copied .*, ([0-9]+) by .*/\1 \2 \3/' \
		<<<"$line")
	[ $((direct + copied + cached)) -eq "$1" ] || fail "'$line' is not $1 bytes"
	checks=$((checks + 1))
}

# round_trip FILE "RECV ARGUMENTS" "SEND ARGUMENTS" [TO]
round_trip() {
	local file=$1 out=${4:-$to} recv_args send_args

	read -ra recv_args <<<"$2"
	read -ra send_args <<<"$3"
	receive recv "$out" --direct "${recv_args[@]}"
	run send "$weir" send "${send_args[@]}" "$address" "$file"
	ends "$run_pid" 0 "send $3 $(stat -c %s "$file")"
	ends "$recv_pid" 0 "recv --direct $2 $(stat -c %s "$file")"
	same "$file" "$out"
	[ ! -e "$out.part" ] || fail "$out.part is there"
	adds_up "$(stat -c %s "$file")"
}

all_sizes="0 1 511 512 513 4095 4096 4097 65537 1048577"
for size in $all_sizes 50000001; do
	content "$folder/in.$size" "$size"
done
large=$folder/in.50000001
middle=$folder/in.1048577

sizes() {
	local plane=$1

	for size in $all_sizes; do
		round_trip "$folder/in.$size" "--plane $plane --raw" "--plane $plane --raw"
		# A file without one whole block cannot be written directly.
		[ "$size" -ge 512 ] || [ "$cached" -eq "$size" ] || fail "$size bytes not cached"
		round_trip "$folder/in.$size" "--plane $plane" "--plane $plane -c"
		round_trip "$folder/in.$size" "--plane $plane" "--plane $plane -P 3 -c -l 1000"
	done
	round_trip "$large" "--plane $plane --raw --sync" "--plane $plane --raw"
	# One stream: only the end of its last block is not a whole one.
	[ "$cached" -lt 4096 ] && [ $(((50000001 - cached) % 512)) -eq 0 ] ||
		fail "$cached bytes by the page cache"
	if has_line "$folder/recv.err" 'incremental buffers'; then
		[ "$direct" -gt 25000000 ] || fail "only $direct bytes direct"
	fi
	round_trip "$large" "--plane $plane" "--plane $plane -c -P 5 -l 30001"
	round_trip "$large" "--plane $plane" "--plane $plane -c -P 128"
}

# Pieces of any size at any time, and the library's own faults.
random_pieces() {
	local plane=$1 seed=${WEIR_TEST_SEED:-$RANDOM} saved=${WEIR_FAULT-}

	echo "$test_name: WEIR_TEST_SEED=$seed"
	receive recv "$to" --direct --raw --plane "$plane"
	run peer python3 -B "$peer" raw_pieces "$address" "$middle" "$seed"
	ends "$run_pid" 0 "a sender of pieces"
	ends "$recv_pid" 0 "recv --direct of pieces"
	same "$middle" "$to"
	adds_up 1048577
	export WEIR_FAULT="seed=$seed,short-read=20,short-write=20,late=10,reorder=10,eagain=10"
	WEIR_FAULT+=",enobufs=5,enomem=2"
	round_trip "$large" "--plane $plane" "--plane $plane -c -P 3"
	round_trip "$large" "--plane $plane --raw" "--plane $plane --raw"
	export WEIR_FAULT=$saved
}

# Streams that keep more buffers open than there are: none may starve.
many_streams() {
	receive recv "$to" --direct --timeout 20
	run send "$weir" send -P 128 -l 4K -c "$address" "$large"
	ends "$run_pid" 0 "send by 128 streams"
	ends "$recv_pid" 0 "recv --direct of 128 streams"
	same "$large" "$to"
}

files() {
	local old

	# Longer than what comes.
	cp "$large" "$to"
	round_trip "$middle" "" ""
	cp "$large" "$to"
	old=$(stat -c %i "$to")
	round_trip "$middle" "--inplace" "-P 3"
	[ "$(stat -c %i "$to")" = "$old" ] || fail "--inplace made another file"
	echo old >"$folder/target"
	chmod 640 "$folder/target"
	ln -s target "$folder/link"
	receive recv "$folder/link" --direct
	run send "$weir" send "$address" "$middle"
	ends "$run_pid" 0 "send through a link"
	ends "$recv_pid" 0 "recv --direct through a link"
	same "$middle" "$folder/target"
	[ "$(stat -c %a "$folder/target")" = 640 ] || fail "the mode was changed"
	receive recv --direct --keep --json "$to"
	for size in 65537 1 1048577; do
		run send "$weir" send -c -P 2 "$address" "$folder/in.$size"
		ends "$run_pid" 0 "send $size to recv --direct --keep"
		same "$folder/in.$size" "$to"
	done
	kill -TERM "$recv_pid"
	ends "$recv_pid" 0 "recv --direct --keep"
	[ "$(grep -c '^disk: ' "$folder/recv.err")" -eq 3 ] || fail "not three reports"
	[ "$(grep -c '"ok":.*true' "$folder/recv.out")" -eq 3 ] || fail "not three documents"
}

# What cannot be written directly is written all the same.
others() {
	mkfifo "$folder/fifo"
	run drain cat "$folder/fifo"
	drain_pid=$run_pid
	receive recv "$folder/fifo" --direct
	run send "$weir" send -c -P 3 "$address" "$large"
	ends "$run_pid" 0 "send to a pipe"
	ends "$recv_pid" 0 "recv --direct into a pipe"
	ends "$drain_pid" 0 "the pipe's reader"
	same "$large" "$folder/drain.out"
	says recv "^weir recv: $folder/fifo is written .* the page cache: bytes go .* in order"
	adds_up 50000001
	[ "$cached" -eq 50000001 ] || fail "$direct bytes directly into a pipe"
	receive recv /dev/null --direct
	run send "$weir" send "$address" "$middle"
	ends "$run_pid" 0 "send to /dev/null"
	ends "$recv_pid" 0 "recv --direct into /dev/null"
	says recv 'page cache: it does not take O_DIRECT'
	receive recv /dev/full --direct
	run send "$weir" send "$address" "$middle"
	ends "$run_pid" 1 "send to /dev/full"
	ends "$recv_pid" 1 "recv --direct into /dev/full"
	says recv 'cannot write /dev/full: No space left'
}

# A document of a program: what is in it.
documents() {
	receive recv "$to" --direct --json
	run send "$weir" send -c -P 2 "$address" "$middle"
	ends "$run_pid" 0 "send to recv --json"
	ends "$recv_pid" 0 "recv --json"
	same "$middle" "$to"
	python3 -B - "$folder/recv.out" "$to" <<'END' || fail "a bad document"
import json
import sys
d = json.load(open(sys.argv[1], encoding="utf-8"))
disk = d["disk"]
assert d["ok"] is True and d["file"] == sys.argv[2], d
assert d["bytes"] == 1048577 and d["streams"] == 2 and d["seconds"] > 0, d
assert len(d["checksum"]) == 16 and int(d["checksum"], 16) >= 0, d
assert disk["direct_bytes"] + disk["copied_bytes"] + disk["page_cache_bytes"] == 1048577, d
assert d["plane"] in ("uring", "epoll") and d["received_bytes"] >= 1048577, d
END
	receive recv /dev/full --direct --json
	run send "$weir" send "$address" "$middle"
	ends "$run_pid" 1 "send to recv --json"
	ends "$recv_pid" 1 "recv --json into /dev/full"
	python3 -B - "$folder/recv.out" <<'END' || fail "a bad document of a failure"
import json
import sys
d = json.load(open(sys.argv[1], encoding="utf-8"))
assert d["ok"] is False and "No space left" in d["error"], d
END
}

part_grows() {
	[ "$(stat -c %s "$to.part" 2>/dev/null || echo 0)" -gt 0 ]
}

half_way() {
	mkfifo "$folder/source"
	run_stdin=$folder/source
	run send "$weir" send "$@" "$address"
	send_pid=$run_pid
	unset run_stdin
	exec 8>"$folder/source"
	cat "$large" >&8
	wait_until "half of it arrives" part_grows
}

end_half_way() {
	exec 8>&-
	rm "$folder/source"
}

interrupted() {
	local plane=$1

	rm -f "$to"
	for signal in KILL TERM INT; do
		receive recv --plane "$plane" --direct "$to"
		half_way -P 2
		kill -$signal "$recv_pid"
		if [ $signal = KILL ]; then
			wait_until "recv is gone" gone "$recv_pid"
			[ -e "$to" ] && fail "a file that is not whole has its name"
			[ -e "$to.part" ] || fail "no $to.part is left by a kill"
		else
			ends "$recv_pid" 1 "recv --direct after SIG$signal"
			nothing_left "$to"
		fi
		end_half_way
		ends "$send_pid" 1 "send with a receiver that was ended"
	done
	# What a kill left is no obstacle.
	echo rubbish >"$to.part"
	round_trip "$middle" "--plane $plane" ""
	rm "$to"
	receive recv --plane "$plane" --direct "$to"
	half_way
	kill -KILL "$send_pid"
	ends "$recv_pid" 1 "recv --direct with a killed sender"
	says recv 'incomplete'
	nothing_left "$to"
	end_half_way
	receive recv --plane "$plane" --direct "$to"
	run proxy python3 -B "$peer" proxy "$address" 30000000 flip
	wait_until "the proxy listens" has_line "$folder/proxy.err" '^listening on '
	address=$(sed -n 's/^listening on \([^ ]*\), .*/\1/p' "$folder/proxy.err")
	run send "$weir" send -c -P 2 "$address" "$large"
	ends "$run_pid" 1 "send of a flipped byte"
	ends "$recv_pid" 1 "recv --direct of a flipped byte"
	says recv 'checksum mismatch'
	nothing_left "$to"
}

# onto_full WHERE: both sides say that there is no room, nothing is left.
onto_full() {
	for args in "" "-P 4" "--raw"; do
		receive recv "$1/file" --direct ${args/-P 4/}
		run send "$weir" send $args "$address" "$large"
		ends "$run_pid" 1 "send $args onto a full disk"
		ends "$recv_pid" 1 "recv --direct $args onto a full disk"
		says recv "cannot write $1/file: No space left"
		nothing_left "$1/file"
	done
	# There is room for what fits.
	round_trip "$middle" "" "-P 2" "$1/file"
	rm "$1/file"
}

file_systems() {
	local disk=$folder/disk

	if [ -z "${RECV_DIRECT_ALONE-}" ]; then
		echo "$test_name: no file systems mounted: not root"
		return
	fi
	mkdir "$disk"
	mounted=$disk
	mount -t tmpfs -o size=8m none "$disk" || fail "no tmpfs"
	onto_full "$disk"
	mount -o remount,ro "$disk" || fail "tmpfs cannot be made read-only"
	run recv "$weir" recv --direct 127.0.0.1:0 "$disk/file"
	ends "$run_pid" 1 "recv --direct onto a read-only file system"
	says recv "cannot create $disk/file.part: Read-only file system"
	umount "$disk"
	mount -t ramfs none "$disk" || fail "no ramfs"
	round_trip "$large" "" "-P 3" "$disk/file"
	says recv 'file is written by way of the page cache: it does not take O_DIRECT'
	[ "$cached" -eq 50000001 ] || fail "$direct bytes directly onto ramfs"
	umount "$disk"
	if truncate -s 24M "$folder/image" && mkfs.ext4 -q "$folder/image" &&
	   mount -o loop "$folder/image" "$disk"; then
		onto_full "$disk"
		for plane in $(planes); do
			round_trip "$folder/in.4097" "--plane $plane --raw" "--raw" "$disk/file"
			[ "$direct" -eq 4096 ] || fail "$direct of 4097 bytes direct"
		done
		umount "$disk"
	else
		echo "$test_name: no ext4 on a loop device here"
	fi
	mounted=
}

arguments() {
	for option in --direct --json; do
		run refused "$weir" recv $option 127.0.0.1:0 -
		ends "$run_pid" 2 "recv $option -"
		says refused "$option wants a FILE: standard output"
	done
}

for plane in $(planes); do
	sizes "$plane"
	random_pieces "$plane"
	interrupted "$plane"
done
many_streams
files
others
documents
file_systems
arguments
finish
