/* Takes packets from queue 0 by libnetfilter_queue, and gives a verdict on each: by its first interface, as the example of
 * its documentation did for years, or by the later one on top of libmnl.
 *
 * Arguments: callback|mnl, packet|meta, accept|replace, and the receive buffer in bytes. Says "ready" when it is bound; then
 * for each number on standard input takes so many packets, and says how many nanoseconds of this thread they took.
 */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_queue/libnetfilter_queue.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { QUEUE = 0, RANGE = 1500, MAX_LENGTH = 1024 };

static int meta, replace;
static long handled;
static char buffer[RANGE + 4096];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void set_receive_buffer(int fd, const char *text)
{
    int bytes = atoi(text);

    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes) < 0)
        fail("SO_RCVBUF");
}

static long long thread_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void serve(void (*take)(void))
{
    long wanted;

    setvbuf(stdout, NULL, _IOLBF, 0);
    puts("ready");
    while (scanf("%ld", &wanted) == 1) {
        long long begun = thread_time();

        for (handled = 0; handled < wanted;)
            take();
        printf("%lld %ld\n", thread_time() - begun, handled);
    }
}

/* The first interface. */

static struct nfq_handle *handle;

static int decide(struct nfq_q_handle *queue, struct nfgenmsg *message, struct nfq_data *data, void *unused)
{
    struct nfqnl_msg_packet_hdr *header = nfq_get_msg_packet_hdr(data);
    unsigned char *payload = NULL;
    int length = 0;

    (void)message;
    (void)unused;
    handled++;
    if (replace) {
        length = nfq_get_payload(data, &payload);
        payload[length - 1] ^= 0xff;
    }
    return nfq_set_verdict(queue, ntohl(header->packet_id), NF_ACCEPT, length, payload);
}

static void take_by_callback(void)
{
    int length = recv(nfq_fd(handle), buffer, sizeof buffer, 0);

    if (length < 0)
        fail("recv");
    if (nfq_handle_packet(handle, buffer, length) < 0)
        fail("nfq_handle_packet");
}

static void serve_by_callback(const char *receive_buffer)
{
    struct nfq_q_handle *queue;

    handle = nfq_open();
    if (!handle)
        fail("nfq_open");
    set_receive_buffer(nfq_fd(handle), receive_buffer);
    queue = nfq_create_queue(handle, QUEUE, decide, NULL);
    if (!queue)
        fail("nfq_create_queue");
    if (nfq_set_mode(queue, meta ? NFQNL_COPY_META : NFQNL_COPY_PACKET, RANGE) < 0)
        fail("nfq_set_mode");
    if (nfq_set_queue_maxlen(queue, MAX_LENGTH) < 0)
        fail("nfq_set_queue_maxlen");
    serve(take_by_callback);
}

/* The interface on top of libmnl. */

static struct mnl_socket *netlink;
static char verdict[RANGE + 4096];

static int decide_by_mnl(const struct nlmsghdr *message, void *unused)
{
    struct nlattr *attributes[NFQA_MAX + 1] = {0};
    struct nfqnl_msg_packet_hdr *header;
    struct nlmsghdr *answer;

    (void)unused;
    if (nfq_nlmsg_parse(message, attributes) < 0)
        fail("nfq_nlmsg_parse");
    handled++;
    header = mnl_attr_get_payload(attributes[NFQA_PACKET_HDR]);
    answer = nfq_nlmsg_put(verdict, NFQNL_MSG_VERDICT, QUEUE);
    nfq_nlmsg_verdict_put(answer, ntohl(header->packet_id), NF_ACCEPT);
    if (replace) {
        unsigned char *payload = mnl_attr_get_payload(attributes[NFQA_PAYLOAD]);
        int length = mnl_attr_get_payload_len(attributes[NFQA_PAYLOAD]);

        payload[length - 1] ^= 0xff;
        nfq_nlmsg_verdict_put_pkt(answer, payload, length);
    }
    if (mnl_socket_sendto(netlink, answer, answer->nlmsg_len) < 0)
        fail("mnl_socket_sendto");
    return MNL_CB_OK;
}

static void take_by_mnl(void)
{
    int length = mnl_socket_recvfrom(netlink, buffer, sizeof buffer);

    if (length < 0)
        fail("mnl_socket_recvfrom");
    if (mnl_cb_run(buffer, length, 0, mnl_socket_get_portid(netlink), decide_by_mnl, NULL) < 0)
        fail("mnl_cb_run");
}

static void send_config(struct nlmsghdr *message)
{
    if (mnl_socket_sendto(netlink, message, message->nlmsg_len) < 0)
        fail("mnl_socket_sendto");
}

static void serve_by_mnl(const char *receive_buffer)
{
    struct nlmsghdr *message;

    netlink = mnl_socket_open(NETLINK_NETFILTER);
    if (!netlink || mnl_socket_bind(netlink, 0, MNL_SOCKET_AUTOPID) < 0)
        fail("mnl_socket_open");
    set_receive_buffer(mnl_socket_get_fd(netlink), receive_buffer);
    message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, QUEUE);
    nfq_nlmsg_cfg_put_cmd(message, AF_INET, NFQNL_CFG_CMD_BIND);
    send_config(message);
    message = nfq_nlmsg_put(buffer, NFQNL_MSG_CONFIG, QUEUE);
    nfq_nlmsg_cfg_put_params(message, meta ? NFQNL_COPY_META : NFQNL_COPY_PACKET, RANGE);
    nfq_nlmsg_cfg_put_qmaxlen(message, MAX_LENGTH);
    send_config(message);
    serve(take_by_mnl);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    meta = strcmp(argv[2], "meta") == 0;
    replace = strcmp(argv[3], "replace") == 0;
    if (strcmp(argv[1], "mnl") == 0)
        serve_by_mnl(argv[4]);
    else
        serve_by_callback(argv[4]);
    return 0;
}
