#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tool_engine.sh - the options of the engine: --plane, --ifname, --queue, --queues.
#
# Theory: loopback is an interface that no plane can take queues of.  The best plane that there is
# goes on without it and says why; a plane that was named does not go on.

. "$(dirname "$0")/lib_stream.sh"

# refuses CODE "SAYS" ARGUMENTS...
refuses() {
	local code=$1 text=$2

	shift 2
	run refused "$weir" "$@"
	ends "$run_pid" "$code" "weir $*"
	says refused "$text"
}

content "$folder/in" 100000
cd "$folder" || exit 1
for command in "recv 127.0.0.1:0" "send 127.0.0.1:9" "iperf3 -s"; do
	refuses 2 "bad value '0' for --queues: legal is" $command --queues 0
	refuses 2 "bad value '17' for --queues: legal is" $command --queues 17
	refuses 2 "bad value '65536' for --queue: legal is" $command --queue 65536
	refuses 2 "bad value '.*' for --ifname: legal is" $command --ifname much-longer-than-15
	refuses 1 "no engine: .*no-such-nic" $command --plane zcrx --ifname no-such-nic
	refuses 1 "no engine: .* lo" $command --plane zcrx --ifname lo
done

# transfer ARGUMENTS...: by weir recv with these; what it says of its plane names the interface
transfer() {
	rm -f out
	receive recv out "$@"
	run send "$weir" send "$address" in
	ends "$run_pid" 0 "send"
	ends "$recv_pid" 0 "recv $*"
	same in out
	says recv "^plane: .*; why: .* lo\>.*; bytes copied: "
}

transfer --ifname lo
export WEIR_IFNAME=lo
transfer
transfer --queues 2
finish
