#!/bin/bash
# SPDX-License-Identifier: MIT
#
# zc_memory.sh - the plane zcrx: every kind of memory, large buffers, little memory for much data
# Timeout: 240
#
# Theory: what the area is made of makes no difference to what arrives.  A thorough run sends 1 GiB
# through 4 MiB; others leave some kinds out.

. "$(dirname "$0")/lib.sh"

pair numrxqueues 4 numtxqueues 4
some=(host huge64k udmabuf udmabuf_nomap halved)
all=(host huge huge64k huge2m memfd udmabuf udmabuf_nomap dmabuf dmabuf_nomap halved)
export ZCTEST_MIB=$(thorough 1024 16) ZCTEST_LIMIT_S=$(thorough 160 40)
# Linux 7.3 adds areas to a queue; 7.2 says so by a skip, which needs no place here.
added=add_area
[ "$(fact series)" != 7.2 ] || added=
zctest small_area $added $(thorough "${all[*]}" "${some[*]}")
