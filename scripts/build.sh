#!/bin/bash
# SPDX-License-Identifier: MIT
#
# build.sh PRESET [TARGET...] - configure and build one preset of CMakePresets.json.
#
# What the configure step prints is shown only where it fails.
set -u
cd "$(dirname "$0")/.." || exit 1

preset=$1
shift
mkdir -p build || exit 1
log=build/$preset.configure.log

generator=()
command -v ninja >/dev/null || generator=(-G "Unix Makefiles")
if ! cmake --preset "$preset" "${generator[@]}" >"$log" 2>&1; then
	cat "$log" >&2
	exit 1
fi
grep -h "not found: " "$log" | sed 's/^-- /note: /'

targets=()
[ $# -gt 0 ] && targets=(--target "$@")
go_on=(-- -k 0) # name every file that fails, not only the first
[ ${#generator[@]} -gt 0 ] && go_on=(-- -k)
exec cmake --build "build/$preset" --parallel "${JOBS:-$(nproc)}" "${targets[@]}" "${go_on[@]}"
