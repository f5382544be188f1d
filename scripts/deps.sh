#!/bin/bash
# SPDX-License-Identifier: MIT
#
# deps.sh GROUP... - install the Debian packages that a group needs, and only those missing.
#
# Groups: build, check, demo, bench, vm, fuzz.  Says nothing where all is there.  Without root and
# without sudo, or without apt-get, it says what is missing and goes on: what follows may still work
# with tools that came from elsewhere.
set -u

packages_of() {
	case $1 in
	build) echo gcc libc6-dev make cmake ninja-build pkgconf python3 \
		liburing-dev libmnl-dev libcjson-dev libxxhash-dev ;;
	check) echo libcmocka-dev iperf3 libuv1-dev libglib2.0-dev strace iproute2 ethtool \
		clang clang-tidy clang-format ;;
	demo) echo iperf3 ;;
	bench) echo iperf3 libuv1-dev iproute2 ;;
	fuzz) echo clang libclang-rt-dev python3 ;;
	vm) echo mmdebstrap debian-archive-keyring uidmap xz-utils libcmocka-dev ;;
	*) echo "deps.sh: no group $1 (build, check, demo, bench, vm, fuzz)" >&2; return 1 ;;
	esac
}

wanted=()
for group in "$@"; do
	list=$(packages_of "$group") || exit 2
	read -ra list <<<"$list"
	wanted+=("${list[@]}")
done

if ! command -v dpkg-query >/dev/null; then
	echo "deps.sh: not a Debian system; needed by the names of Debian: ${wanted[*]}"
	exit 0
fi

have=" $(dpkg-query -W -f '${binary:Package} ${db:Status-Status}\n' 2>/dev/null |
	awk '$2 == "installed" { sub(":.*", "", $1); print $1 }' | tr '\n' ' ') "
missing=()
for package in "${wanted[@]}"; do
	case "$have ${missing[*]-} " in
	*" $package "*) ;;
	*) missing+=("$package") ;;
	esac
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "deps.sh: missing, and neither root nor sudo to install them: ${missing[*]}"
		exit 0
	fi
	as_root=(sudo)
	[ -t 0 ] || as_root=(sudo -n) # nobody there to type a password
fi

echo "deps.sh: installing ${missing[*]}"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
	apt-get -qq -y -o DPkg::Lock::Timeout=120)
if ! "${apt[@]}" update </dev/null; then
	echo "deps.sh: apt-get update failed; going on with the package lists there are"
fi
if ! "${apt[@]}" install --no-install-recommends "${missing[@]}" </dev/null >/dev/null; then
	echo "deps.sh: apt-get could not install: ${missing[*]}; going on without"
fi
exit 0
