#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# iperf3_options.sh - options do what they say, on the wire and on the sockets; bad ones are
# refused.
#
# Theory: what an option does to a socket is asked from the kernel through ss(8) where it can be,
# else seen in the server's JSON document.

. "$(dirname "$0")/lib_iperf3.sh"
need iperf3

# refused WORD OPTIONS: a usage error (2) that says WORD
refused() {
	local word=$1
	shift
	timeout 10 "$WEIR" iperf3 "$@" >client.out 2>client.err
	[ $? -eq 2 ] || fail "'$*': the exit code is not 2"
	grep -qi -e "$word" client.err || fail "'$*': no '$word' in: $(cat client.err)"
	[ "$(wc -l <client.err)" -le 3 ] || fail "'$*': a long story: $(cat client.err)"
}

refused "either -s"
refused "-s" -s -c localhost
refused "server" -c localhost -1
refused "client" -s -t 5
refused "client" -s -R
refused "-P" -c localhost -P 129
refused "-P" -c localhost -P 0
refused "-t" -c localhost -t x
refused "-t" -c localhost -t -1
refused "only one" -c localhost -t 1 -n 1M
refused "only one" -c localhost -k 1 -n 1M
refused "-l" -c localhost -l 2M
refused "-l" -c localhost -u -l 70000
refused "-l" -c localhost -u -l 15
refused "bidir\|-R" -c localhost -R --bidir
refused "-f" -c localhost -f x
refused "-i" -c localhost -i 0.01
refused "-i" -c localhost -i 100
refused "-b" -c localhost -b fast
refused "-b" -c localhost -b 1M/0
refused "-b" -c localhost -b 1M/2000
refused "-S" -c localhost -S 256
refused "dscp" -c localhost --dscp af99
refused "-p" -c localhost -p 0
refused "-p" -c localhost -p 70000
refused "-M" -c localhost -M 10000
refused "-w" -c localhost -w 1G
refused "-O" -c localhost -O 100
refused "-C" -c localhost -C averyveryverylongname
refused "plane" -c localhost --plane fast
refused "cport" -c localhost --cport 65530 -P 20
refused "does not have" -c localhost --sctp
refused "file" -c localhost -F x
refused "operand\|argument" -c localhost something
refused "no-such" -c localhost --no-such-option
"$WEIR" iperf3 --help >help.out || fail "--help: exit code"
for word in --parallel --bidir --reverse --udp --json --plane --one-off --omit \
	--get-server-output; do
	grep -q -e "$word" help.out || fail "--help says nothing of $word"
done
[ "$(wc -L <help.out)" -le 80 ] || fail "--help: lines over 80 columns"
"$WEIR" iperf3 -v | grep -q "weir iperf3 [0-9]" || fail "-v"

# the document of the server says what was asked for
asks() {
	local name=$1 expression=$2
	shift 2
	start_server stock -J -1
	must_client "$name" weir -c 127.0.0.1 "$@"
	until_true 5 gone "$server_pid" || fail "the server with -1 did not end"
	json server.out "$name" "$expression" '"error" not in j'
	stop_server
	start_server weir -J -1
	must_client "$name, stock client" stock -c 127.0.0.1 "$@"
	until_true 5 gone "$server_pid" || fail "the server with -1 did not end"
	json server.out "$name, our server" "$expression" '"error" not in j'
	stop_server
}
asks "-l" 'start["test_start"]["blksize"] == 10240' -l 10K -n 100K
asks "-k" 'start["test_start"]["blocks"] == 7' -k 7
asks "-P" 'start["test_start"]["num_streams"] == 3' -P3 -n 1M
asks "-S hex" 'start["test_start"]["tos"] == 0x20' -S 0x20 -n 1M
asks "-S octal" 'start["test_start"]["tos"] == 0o40' -S 040 -n 1M
asks "--dscp" 'start["test_start"]["tos"] == 40' --dscp cs1 -n 1M --dscp af11
asks "-w" 'start["sock_bufsize"] == 65536 and start["rcvbuf_actual"] >= 65536' -w 64K -n 1M
asks "-M" 'start["tcp_mss"] == 1000' -M 1000 -n 1M
asks "-b" 'start["test_start"]["target_bitrate"] == 5000000' -b 5M -n 200K
asks "-T" 'j["title"] == "t"' -T t -n 1M
asks "-C" 'end["receiver_tcp_congestion"] == "reno"' -C reno -n 1M
asks "-N" 'True' -N -n 1M
asks "letters joined" 'start["test_start"]["reverse"] == 1' -RNn 1M
asks "long options" 'start["test_start"]["num_streams"] == 2' --parallel=2 --bytes 1M
asks "a prefix" 'start["test_start"]["reverse"] == 1' --rev --bytes 1M
asks "--fq-rate" 'True' --fq-rate 1G -n 1M
asks "--repeating-payload" 'True' --repeating-payload -n 1M -R

# -4, -6, -B, --cport, names
start_server weir
for address in 127.0.0.1 ::1 localhost; do
	must_client "$address" weir -c "$address" -n 1M
	must_client "$address" stock -c "$address" -n 1M
done
must_client "-4" weir -4 -c localhost -n 1M
grep -q "connected to 127.0.0.1" client.out || fail "-4: $(cat client.out)"
must_client "-6" weir -6 -c ::1 -n 1M
grep -q "connected to ::1" client.out || fail "-6: $(cat client.out)"
must_client "-6 -u" weir -6 -c ::1 -u -k 10 -b 10M
must_client "-6 -u -R" weir -6 -c ::1 -u -k 10 -b 10M -R
must_client "-6 -u" stock -6 -c ::1 -u -k 10 -b 10M
must_client "-B" weir -c 127.0.0.1 -B 127.0.0.7 -n 1M
grep -q "local 127.0.0.7 port" client.out || fail "-B: $(cat client.out)"
cport=$(free_port)
must_client "--cport" weir -c 127.0.0.1 --cport "$cport" -P 2 -n 1M
grep -q "port $cport connected" client.out || fail "--cport: $(cat client.out)"
grep -q "port $((cport + 1)) connected" client.out || fail "--cport + 1: $(cat client.out)"
must_client "--cport -u" weir -c 127.0.0.1 -u --cport "$cport" -k 10 -b 10M
grep -q "port $cport connected" client.out || fail "--cport -u: $(cat client.out)"
client weir -4 -c ::1 -n 1M
[ $? -eq 1 ] || fail "-4 with an IPv6 address: the exit code"
client weir -c no-such-host.invalid -n 1M
[ $? -eq 1 ] || fail "a host that is not there: the exit code"
client weir -c 127.0.0.1 -C nosuchalgo -n 1M
[ $? -eq 1 ] || fail "-C nosuchalgo: the exit code"
grep -q "congestion" client.err || fail "-C nosuchalgo: $(cat client.err)"
client weir -c 127.0.0.1 -w 512M -n 1M
[ $? -eq 1 ] || fail "-w 512M: the exit code"
grep -q "buffer size not set" client.err || fail "-w 512M: $(cat client.err)"
# what one test set on the listener must be gone for the next
must_client "-w" weir -c 127.0.0.1 -w 32K -M 600 -n 100K
must_client "after -w" weir -c 127.0.0.1 -n 1M -R -J
json client.out "after -w" 'end["streams"][0]["sender"]["bytes"] >= 1 << 20' \
	'start["tcp_mss_default"] > 1000'
stop_server
start_server weir -4 -B 127.0.0.1
must_client "server -B" stock -c 127.0.0.1 -n 1M
client stock -c ::1 -n 1M
[ $? -eq 1 ] || fail "::1, of a server with -4 -B 127.0.0.1: the exit code"
stop_server
start_server weir -6
must_client "server -6" weir -c ::1 -n 1M
client weir -c 127.0.0.1 -n 1M
[ $? -eq 1 ] || fail "127.0.0.1, of a server with -6: the exit code"
stop_server

# WEIR_PLANE is as --plane
find_planes
for plane in "${planes[@]}"; do
	WEIR_PLANE=$plane start_server weir
	WEIR_PLANE=$plane must_client "WEIR_PLANE=$plane" weir -c 127.0.0.1 -n 1M
	grep -q "^weir: plane $plane" client.out || fail "WEIR_PLANE=$plane: client"
	grep -q "^weir: plane $plane" server.out || fail "WEIR_PLANE=$plane: server"
	stop_server
done
finish
