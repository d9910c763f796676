/* A filter that takes each datagram by recvfrom, and checks what it says of the sender. `sender QUEUE`
 *
 * Before it waits for packets it tries the ways of recvfrom on the answers to its requests. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define CHECK(condition) \
	((condition) ? (void)0 : (fprintf(stderr, "line %d: %s: %m\n", __LINE__, #condition), exit(2)))

/* A success, by today's kernels. */
#define ACK_BYTES 36

static int fd;
static unsigned int queue;
static volatile sig_atomic_t signals;
static char buffer[70000];

static void count_signal(int number)
{
	(void)number;
	signals++;
}

/* Sends a message about the queue, with one attribute. */
static void send_message(int type, int flags, int attribute, const void *value, size_t size)
{
	struct {
		struct nlmsghdr header;
		struct nfgenmsg queue;
		struct nlattr attribute;
		char value[32];
	} message = {0};
	struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};

	message.header.nlmsg_len = NLMSG_LENGTH(sizeof message.queue) + NLA_HDRLEN + size;
	message.header.nlmsg_type = NFNL_SUBSYS_QUEUE << 8 | type;
	message.header.nlmsg_flags = NLM_F_REQUEST | flags;
	message.queue.nfgen_family = AF_INET;
	message.queue.res_id = htons(queue);
	message.attribute.nla_type = attribute;
	message.attribute.nla_len = NLA_HDRLEN + size;
	memcpy(message.value, value, size);
	CHECK(sendto(fd, &message, NLMSG_ALIGN(message.header.nlmsg_len), 0, (void *)&kernel, sizeof kernel) > 0);
}

/* recvfrom that says who sent it. */
static ssize_t receive(size_t room, int flags)
{
	struct sockaddr_nl from;
	socklen_t length = sizeof from;
	ssize_t received;

	memset(&from, 0xff, sizeof from);
	received = recvfrom(fd, buffer, room, flags, (void *)&from, &length);
	if (received >= 0) {
		CHECK(length == sizeof from && from.nl_family == AF_NETLINK && from.nl_pad == 0);
		CHECK(from.nl_pid == 0 && from.nl_groups == 0);
	}
	return received;
}

static void ask(int command)
{
	struct nfqnl_msg_config_cmd value = {.command = command, .pf = htons(AF_INET)};

	send_message(NFQNL_MSG_CONFIG, NLM_F_ACK, NFQA_CFG_CMD, &value, sizeof value);
}

static void *ask_later(void *unused)
{
	usleep(50000);
	ask(NFQNL_CFG_CMD_PF_BIND);
	return unused;
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void set_time_out(int milliseconds)
{
	struct timeval time = {.tv_usec = milliseconds * 1000};

	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0);
}

/* A handler without SA_RESTART: the call fails. */
static void be_interrupted(void)
{
	struct sigaction action = {.sa_handler = count_signal};
	struct itimerval once = {.it_value.tv_usec = 60000};
	int before = signals;

	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &once, NULL) == 0);
	CHECK(receive(sizeof buffer, 0) == -1 && errno == EINTR && signals == before + 1);
}

static void answer_in_handler(int number)
{
	count_signal(number);
	ask(NFQNL_CFG_CMD_PF_BIND);
}

/* A handler with SA_RESTART: the call is repeated, and finds what the handler brought about. */
static void be_restarted(void)
{
	struct sigaction action = {.sa_handler = answer_in_handler, .sa_flags = SA_RESTART};
	struct itimerval once = {.it_value.tv_usec = 60000};
	int before = signals;

	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	CHECK(setitimer(ITIMER_REAL, &once, NULL) == 0);
	CHECK(receive(sizeof buffer, 0) == ACK_BYTES && signals == before + 1);
}

static void try_the_ways(void)
{
	pthread_t thread;
	double began;
	char *outside = NULL;
	struct sockaddr_nl from;
	socklen_t short_room = 4;

	ask(NFQNL_CFG_CMD_PF_BIND);
	CHECK(receive(8, MSG_PEEK) == 8);
	CHECK(receive(8, MSG_PEEK | MSG_TRUNC) == ACK_BYTES);
	CHECK(receive(sizeof buffer, 0) == ACK_BYTES);
	CHECK(((struct nlmsgerr *)NLMSG_DATA((struct nlmsghdr *)buffer))->error == 0);

	CHECK(receive(sizeof buffer, MSG_DONTWAIT) == -1 && errno == EAGAIN);
	CHECK(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	CHECK(receive(sizeof buffer, 0) == -1 && errno == EAGAIN);
	CHECK(fcntl(fd, F_SETFL, 0) == 0);

	set_time_out(100);
	began = seconds();
	CHECK(receive(sizeof buffer, 0) == -1 && errno == EAGAIN);
	CHECK(seconds() - began >= 0.1 && seconds() - began < 5);
	set_time_out(0);

	CHECK(pthread_create(&thread, NULL, ask_later, NULL) == 0);
	CHECK(receive(sizeof buffer, 0) == ACK_BYTES);
	CHECK(pthread_join(thread, NULL) == 0);

	be_restarted();
	be_interrupted();

	/* An address that takes part of it, and memory that is none. */
	ask(NFQNL_CFG_CMD_PF_BIND);
	memset(&from, 0xff, sizeof from);
	CHECK(recvfrom(fd, buffer, sizeof buffer, 0, (void *)&from, &short_room) == ACK_BYTES);
	CHECK(short_room == sizeof from && from.nl_family == AF_NETLINK && from.nl_pid == 0xffffffff);
	ask(NFQNL_CFG_CMD_PF_BIND);
	CHECK(recvfrom(fd, outside, 64, 0, (void *)&from, &short_room) == -1 && errno == EFAULT);
}

int main(int count, char **arguments)
{
	struct nfqnl_msg_config_params params = {.copy_range = htonl(0xffff), .copy_mode = NFQNL_COPY_META};
	struct sockaddr_nl local = {.nl_family = AF_NETLINK};
	struct nfqnl_msg_verdict_hdr verdict = {.verdict = htonl(NF_ACCEPT)};

	(void)count;
	queue = atoi(arguments[1]);
	fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
	CHECK(fd >= 0 && bind(fd, (void *)&local, sizeof local) == 0);
	try_the_ways();
	ask(NFQNL_CFG_CMD_BIND);
	CHECK(receive(sizeof buffer, 0) == ACK_BYTES);
	send_message(NFQNL_MSG_CONFIG, 0, NFQA_CFG_PARAMS, &params, sizeof params);
	for (;;) {
		struct nlmsghdr *message = (void *)buffer;
		struct nfqnl_msg_packet_hdr *header;

		CHECK(receive(sizeof buffer, 0) > 0);
		CHECK(message->nlmsg_type == (NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_PACKET));
		header = (void *)(buffer + NLMSG_LENGTH(sizeof(struct nfgenmsg)) + NLA_HDRLEN);
		verdict.id = header->packet_id;
		send_message(NFQNL_MSG_VERDICT, 0, NFQA_VERDICT_HDR, &verdict, sizeof verdict);
	}
}
