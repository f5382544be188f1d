# SPDX-License-Identifier: MIT
#
# functions.cmake - how a file becomes a test.

# One marker line ("Labels: x y") of a test's first lines; empty where there is none.
function(test_marker file marker result)
	file(STRINGS ${file} lines LIMIT_COUNT 60 REGEX "^[ #*]*${marker}: ")
	set(value "")
	if(lines)
		list(GET lines 0 line)
		string(REGEX REPLACE "^[ #*]*${marker}: *" "" value "${line}")
		string(REGEX REPLACE "[ ,*/]+" ";" value "${value}")
		list(REMOVE_ITEM value "")
	endif()
	set(${result} "${value}" PARENT_SCOPE)
endfunction()

# Environment of a test: what is given, and of our own variables nothing from the caller.
function(test_environment name)
	set(changes "")
	foreach(variable PLANE FAULT WITHOUT SPIN_US MIN_WAIT_US RUN_DIR IFNAME ZEROCOPY)
		list(APPEND changes "WEIR_${variable}=unset:")
	endforeach()
	foreach(setting ${ARGN})
		string(REGEX MATCH "^([^=]*)=(.*)$" ignored "${setting}")
		list(APPEND changes "${CMAKE_MATCH_1}=set:${CMAKE_MATCH_2}")
	endforeach()
	set_tests_properties(${name} PROPERTIES ENVIRONMENT_MODIFICATION "${changes}")
endfunction()

# Properties that every test has.
function(test_properties name file label timeout)
	test_marker(${file} Labels labels)
	test_marker(${file} Timeout own_timeout)
	test_marker(${file} Serial serial)
	file(STRINGS ${file} threaded LIMIT_COUNT 1 REGEX "^#include <(pthread|threads)[.]h>")
	if(threaded AND NOT "threads" IN_LIST labels)
		list(APPEND labels threads)
	endif()
	if(own_timeout)
		set(timeout ${own_timeout})
	endif()
	math(EXPR limit "${timeout} * 3") # of a machine that is slow, and has other work
	set_tests_properties(${name} PROPERTIES
		LABELS "${label};${labels}"
		TIMEOUT ${limit}
		COST ${timeout} # those that may take long begin first
		SKIP_RETURN_CODE 77)
	test_environment(${name})
	if(serial)
		set_tests_properties(${name} PROPERTIES RUN_SERIAL TRUE)
	endif()
endfunction()

# An executable from one test file.  A test whose name holds "glib" or "uv" is linked with that
# library where it is there (WEIR_HAVE_GLIB, WEIR_HAVE_LIBUV), and else skips itself.
function(add_test_program target file)
	add_executable(${target} ${file})
	target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src
		${PROJECT_SOURCE_DIR}/tests/lib)
	target_compile_definitions(${target} PRIVATE
		WEIR_SOURCE_DIR="${PROJECT_SOURCE_DIR}" WEIR_BINARY_DIR="${PROJECT_BINARY_DIR}")
	if(TARGET weir_testlib)
		target_link_libraries(${target} PRIVATE weir_testlib)
	endif()
	if(TARGET weir_tools)
		target_link_libraries(${target} PRIVATE weir_tools)
	endif()
	target_link_libraries(${target} PRIVATE weir_static PkgConfig::CMOCKA Threads::Threads m)
	if(target MATCHES "glib" AND WEIR_HAVE_GLIB)
		target_link_libraries(${target} PRIVATE PkgConfig::GLIB)
		target_compile_definitions(${target} PRIVATE WEIR_HAVE_GLIB=1)
	endif()
	if(target MATCHES "uv" AND WEIR_HAVE_LIBUV)
		target_link_libraries(${target} PRIVATE PkgConfig::LIBUV)
		target_compile_definitions(${target} PRIVATE WEIR_HAVE_LIBUV=1)
	endif()
endfunction()

# The scripts of a folder.  They find the command in $WEIR, the tree in $WEIR_SOURCE and the
# build in $WEIR_BUILD, and start in a folder that is theirs.
function(add_test_scripts label timeout)
	file(GLOB scripts CONFIGURE_DEPENDS *.sh *.py)
	foreach(script ${scripts})
		get_filename_component(base ${script} NAME_WE)
		if(base MATCHES "^(lib|common|functions|helpers)")
			continue()
		endif()
		string(REGEX REPLACE "^test_" "" base ${base})
		set(name ${label}.${base})
		if(script MATCHES "\\.py$")
			set(interpreter ${PYTHON3} -B)
		else()
			set(interpreter bash)
		endif()
		set(folder ${CMAKE_CURRENT_BINARY_DIR}/${base})
		file(MAKE_DIRECTORY ${folder})
		add_test(NAME ${name} COMMAND ${interpreter} ${script}
			WORKING_DIRECTORY ${folder})
		test_properties(${name} ${script} ${label} ${timeout})
		test_environment(${name} WEIR=${PROJECT_BINARY_DIR}/tools/weir
			WEIR_SOURCE=${PROJECT_SOURCE_DIR} WEIR_BUILD=${PROJECT_BINARY_DIR}
			WEIR_SANITIZE=${WEIR_SANITIZE} CC=${CMAKE_C_COMPILER})
	endforeach()
endfunction()
