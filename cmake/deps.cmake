# SPDX-License-Identifier: MIT
#
# deps.cmake - what weir stands on, found through pkg-config.  The library needs liburing and
# libmnl; what else is missing costs the part that needs it, and is said.

find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

pkg_check_modules(LIBURING REQUIRED IMPORTED_TARGET liburing>=2.3)
pkg_check_modules(LIBMNL REQUIRED IMPORTED_TARGET libmnl)

function(find_optional prefix module costs)
	pkg_check_modules(${prefix} IMPORTED_TARGET ${module})
	if(${prefix}_FOUND)
		set(WEIR_HAVE_${prefix} TRUE PARENT_SCOPE)
	else()
		set(WEIR_HAVE_${prefix} FALSE PARENT_SCOPE)
		message(STATUS "${module} not found: ${costs}")
	endif()
endfunction()

find_optional(CJSON libcjson "no weir command")
find_optional(XXHASH libxxhash "no weir command")
find_optional(CMOCKA cmocka "no unit and contract tests")
find_optional(LIBUV libuv "no test with libuv's loop, no libuv in the benchmark")
find_optional(GLIB glib-2.0 "no test with glib's loop")
