/*
 * The messages of ip_queue, as programs exchange them with the kernel.
 *
 * Linux had a header of this name up to version 3.4. This one says the same in its own words: what a program that was
 * written for that one needs to compile. Every field is in the machine's own byte order, but for hw_protocol.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef _IP_QUEUE_H
#define _IP_QUEUE_H

#include <stddef.h>
#include <net/if.h>

/* Types of messages. */
#define IPQM_BASE 0x10
#define IPQM_MODE (IPQM_BASE + 1)    /* to the kernel: how much of each packet */
#define IPQM_VERDICT (IPQM_BASE + 2) /* to the kernel: what is to be done with a packet */
#define IPQM_PACKET (IPQM_BASE + 3)  /* from the kernel: a packet waits */
#define IPQM_MAX (IPQM_BASE + 4)

/* How much of each packet the kernel hands over. */
enum {
	IPQ_COPY_NONE,   /* nothing: packets are dropped */
	IPQ_COPY_META,   /* what is known of it */
	IPQ_COPY_PACKET  /* that, and its bytes */
};
#define IPQ_COPY_MAX IPQ_COPY_PACKET

/* A packet. data_len bytes of it follow. */
typedef struct ipq_packet_msg {
	unsigned long packet_id;
	unsigned long mark;
	long timestamp_sec;
	long timestamp_usec;
	unsigned int hook;
	char indev_name[16]; /* IFNAMSIZ */
	char outdev_name[16];
	unsigned short hw_protocol; /* big-endian */
	unsigned short hw_type;
	unsigned char hw_addrlen;
	unsigned char hw_addr[8];
	size_t data_len;
	__extension__ unsigned char payload[0];
} ipq_packet_msg_t;

/* How much of each packet is wanted: range bytes at the most in mode IPQ_COPY_PACKET, 0 for all. */
typedef struct ipq_mode_msg {
	unsigned char value;
	size_t range;
} ipq_mode_msg_t;

/* What is to be done with a packet. data_len bytes that replace it may follow. */
typedef struct ipq_verdict_msg {
	unsigned int value;
	unsigned long id;
	size_t data_len;
	__extension__ unsigned char payload[0];
} ipq_verdict_msg_t;

/* Both requests have one size. */
__extension__ typedef struct ipq_peer_msg {
	union {
		ipq_verdict_msg_t verdict;
		ipq_mode_msg_t mode;
	} msg;
} ipq_peer_msg_t;

#endif
