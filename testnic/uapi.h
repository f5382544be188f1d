/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/* uapi.h - attributes of IFLA_INFO_DATA for links of kind "weirnic" */
#ifndef WEIRNIC_UAPI_H
#define WEIRNIC_UAPI_H

enum {
	WEIRNIC_INFO_UNSPEC,
	WEIRNIC_INFO_PEER,	/* struct ifinfomsg and IFLA_ attributes of the other end */
	WEIRNIC_INFO_RING,	/* u32: entries of each Rx and Tx ring, both ends */
	WEIRNIC_INFO_END,
	WEIRNIC_INFO_MAX = WEIRNIC_INFO_END - 1
};

#endif
