/*
 * libipq: packets from ip_queue, and verdicts on them. See libipq(3).
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef _LIBIPQ_H
#define _LIBIPQ_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <linux/netlink.h>
#include <linux/netfilter_ipv4/ip_queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Protocol families of ipq_create_handle: PF_INET or PF_INET6. NFPROTO_IPV4 and NFPROTO_IPV6 are the same numbers. */

#ifndef NETLINK_FIREWALL
#define NETLINK_FIREWALL 3
#endif
#ifndef NETLINK_IP6_FW
#define NETLINK_IP6_FW 13
#endif

/* Verdicts, as <linux/netfilter.h> has them. That header is left out, since with <netinet/in.h> it needs an order. */
#ifndef NF_DROP
#define NF_DROP 0
#define NF_ACCEPT 1
#define NF_STOLEN 2
#define NF_QUEUE 3
#define NF_REPEAT 4
#define NF_STOP 5
#endif

typedef unsigned long ipq_id_t;

/*
 * Made by ipq_create_handle alone. fd may be given to select() and poll(); local is this end's address. Nothing that a
 * program writes here is looked at: messages go to the kernel whatever peer says.
 */
struct ipq_handle {
	int fd;
	__u8 blocking;
	struct sockaddr_nl local;
	struct sockaddr_nl peer;
};

struct ipq_handle *ipq_create_handle(__u32 flags, __u32 protocol);
int ipq_destroy_handle(struct ipq_handle *h);
ssize_t ipq_read(const struct ipq_handle *h, unsigned char *buf, size_t len, int timeout);
int ipq_set_mode(const struct ipq_handle *h, __u8 mode, size_t len);
ipq_packet_msg_t *ipq_get_packet(const unsigned char *buf);
int ipq_message_type(const unsigned char *buf);
int ipq_get_msgerr(const unsigned char *buf);
int ipq_set_verdict(const struct ipq_handle *h, ipq_id_t id, unsigned int verdict, size_t data_len, unsigned char *buf);
int ipq_ctl(const struct ipq_handle *h, int request, ...);
char *ipq_errstr(void);
void ipq_perror(const char *s);

/* Programs from before iptables 1.2.5 pass ipq_create_handle the flags alone: compile them with -DIPQ_PRE_1_2_5. */
#ifdef IPQ_PRE_1_2_5
#define ipq_create_handle(flags) ipq_create_handle((flags), PF_INET)
#endif

#ifdef __cplusplus
}
#endif

#endif
