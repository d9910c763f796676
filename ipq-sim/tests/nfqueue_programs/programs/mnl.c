/* A filter with the interface of libnetfilter_queue that is made of libmnl. `mnl QUEUE` */

#include "decide.h"

#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdio.h>
#include <stdlib.h>

static struct mnl_socket *nl;
static uint16_t queue;

static void send_message(struct nlmsghdr *message)
{
	if (mnl_socket_sendto(nl, message, message->nlmsg_len) < 0)
		perror("mnl_socket_sendto"), exit(1);
}

static int decide(const struct nlmsghdr *message, void *extra)
{
	struct nlattr *attributes[NFQA_MAX + 1] = {};
	static char buffer[0xffff + 4096];
	unsigned char *packet;
	struct nlmsghdr *verdict;
	struct nlattr *nest;
	uint32_t id, number;
	int length, value;

	(void)extra;
	if (nfq_nlmsg_parse(message, attributes) < 0)
		return MNL_CB_ERROR;
	id = ntohl(((struct nfqnl_msg_packet_hdr *)mnl_attr_get_payload(attributes[NFQA_PACKET_HDR]))->packet_id);
	length = mnl_attr_get_payload_len(attributes[NFQA_PAYLOAD]);
	packet = mnl_attr_get_payload(attributes[NFQA_PAYLOAD]);
	number = number_of(packet);
	value = what_of(number) == DROP ? NF_DROP : NF_ACCEPT;
	verdict = nfq_nlmsg_put(buffer, NFQNL_MSG_VERDICT, queue);
	nfq_nlmsg_verdict_put(verdict, id, value);
	if (what_of(number) == CHANGE) {
		change(packet, length);
		nfq_nlmsg_verdict_put_pkt(verdict, packet, length);
	}
	if (what_of(number) == MARK)
		nfq_nlmsg_verdict_put_mark(verdict, number);
	nest = mnl_attr_nest_start(verdict, NFQA_CT);
	mnl_attr_nest_end(verdict, nest);
	send_message(verdict);
	return MNL_CB_OK;
}

int main(int count, char **arguments)
{
	static char buffer[0xffff + 4096];
	struct nlmsghdr *message;
	unsigned int port;
	ssize_t length;
	int on = 1, ended;

	(void)count;
	queue = atoi(arguments[1]);
	nl = mnl_socket_open(NETLINK_NETFILTER);
	if (!nl || mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return perror("mnl_socket_open"), 1;
	port = mnl_socket_get_portid(nl);
	message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, queue);
	nfq_nlmsg_cfg_put_cmd(message, AF_INET, NFQNL_CFG_CMD_BIND);
	send_message(message);
	message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, queue);
	nfq_nlmsg_cfg_put_params(message, NFQNL_COPY_PACKET, 0xffff);
	mnl_attr_put_u32(message, NFQA_CFG_FLAGS, htonl(NFQA_CFG_F_GSO));
	mnl_attr_put_u32(message, NFQA_CFG_MASK, htonl(NFQA_CFG_F_GSO));
	send_message(message);
	if (mnl_socket_setsockopt(nl, NETLINK_NO_ENOBUFS, &on, sizeof on) < 0)
		return perror("mnl_socket_setsockopt"), 1;
	while ((length = mnl_socket_recvfrom(nl, buffer, sizeof buffer)) > 0) {
		ended = mnl_cb_run(buffer, length, 0, port, decide, NULL);
		if (ended < 0)
			return perror("mnl_cb_run"), 1;
	}
	return perror("mnl_socket_recvfrom"), 1;
}
