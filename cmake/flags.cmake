# SPDX-License-Identifier: MIT
#
# flags.cmake - how every file of weir is compiled.

if(NOT CMAKE_BUILD_TYPE)
	set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "kind of build" FORCE)
endif()

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# CMake's own RelWithDebInfo defines NDEBUG, with which assert() in a test tests nothing.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g")

add_compile_definitions(_GNU_SOURCE)
add_compile_options(
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wpointer-arith
	-Wwrite-strings -Wundef)
# A text for a person that is too long is cut; that is what snprintf() is used for.
add_compile_options($<$<C_COMPILER_ID:GNU>:-Wno-format-truncation>)
if(WEIR_WERROR)
	add_compile_options(-Werror)
endif()
if(WEIR_DEBUG)
	add_compile_definitions(WEIR_DEBUG=1)
endif()
if(WEIR_FUZZ)
	add_compile_options(-fsanitize=float-cast-overflow,fuzzer-no-link)
	add_link_options(-fsanitize=float-cast-overflow,fuzzer-no-link)
endif()
if(WEIR_SANITIZE)
	add_compile_options(-fsanitize=${WEIR_SANITIZE} -fno-omit-frame-pointer
		-fno-sanitize-recover=all)
	add_link_options(-fsanitize=${WEIR_SANITIZE})
endif()
