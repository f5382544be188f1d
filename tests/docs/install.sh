#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What is installed works from where it was installed: headers, both libraries, pkg-config, the
# command, man pages.  A program is built against it in the way that a user would.
set -u

prefix=$(mktemp -d) || exit 1
trap 'rm -rf "$prefix"' EXIT

fail() {
	echo "install: $*"
	exit 1
}

if ! cmake --install "$WEIR_BUILD" --prefix "$prefix" >"$prefix/log" 2>&1; then
	cat "$prefix/log"
	exit 1
fi

pc=$(find "$prefix" -name weir.pc)
[ -n "$pc" ] || fail "no weir.pc"
export PKG_CONFIG_PATH=${pc%/*}
library=${pc%/pkgconfig/weir.pc}
read -ra cflags <<<"$(pkg-config --cflags weir)"
read -ra libs <<<"$(pkg-config --libs weir)"
read -ra static_libs <<<"$(pkg-config --libs --static weir)"

cat >"$prefix/program.c" <<'END'
#include <weir/weir.h>

int main(void)
{
	struct weir_engine *e;
	struct weir_error err;

	if (weir_engine_open(&e, NULL, &err)) {
		weir_error_print(stdout, &err);
		return 1;
	}
	puts(weir_plane_name(weir_engine_plane(e)));
	weir_engine_close(e);
	return 0;
}
END
cc=${CC:-cc}
"$cc" "${cflags[@]}" "$prefix/program.c" -o "$prefix/shared" "${libs[@]}" || fail "shared"
"$cc" "${cflags[@]}" "$prefix/program.c" -o "$prefix/static" -Wl,-Bstatic -L"$library" -lweir \
	-Wl,-Bdynamic "${static_libs[@]}" || fail "static"

readelf -d "$prefix/shared" | grep -q 'NEEDED.*\[libweir\.so\.0\]' || fail "soname"
readelf -d "$prefix/static" | grep -q 'NEEDED.*libweir' && fail "static, but needs libweir.so"
LD_LIBRARY_PATH=$library "$prefix/shared" || fail "the program with the shared library"
"$prefix/static" || fail "the program with the static library"
"$prefix/bin/weir" version || fail "weir version"

[ -n "$(find "$prefix" -name 'weir_engine_open.3*')" ] || fail "no man page of weir_engine_open"
[ -n "$(find "$prefix" -name 'weir.1*')" ] || fail "no man page of weir"
exit 0
