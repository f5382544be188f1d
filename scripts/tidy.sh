#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tidy.sh [--fix] - format, rules and clang-tidy.
#
# --fix lets clang-format rewrite the files.  clang-tidy looks at the library and the command.
# The versions of clang-format of Debian 12 and 13 do not agree on everything: 14 decides, others
# only say what they would change.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=0

mapfile -t sources < <(find include src tools bench tests -name '*.[ch]' | sort)
if [ "${1-}" = --fix ]; then
	clang-format -i "${sources[@]}" || exit 1
fi
if ! clang-format --dry-run -Werror "${sources[@]}"; then
	if clang-format --version | grep -q 'version 14\.'; then
		failed=1
	fi
fi

python3 -B tests/docs/check_rules.py . || failed=1

scripts/build.sh clang >/dev/null || exit 1
mapfile -t sources < <(find src tools -name '*.c' | sort)
printf '%s\0' "${sources[@]}" |
	xargs -0 -n 1 -P "${JOBS:-$(nproc)}" clang-tidy --quiet -p build/clang 2>/dev/null ||
	failed=1

[ $failed -eq 0 ] && echo "tidy: nothing to say"
exit $failed
