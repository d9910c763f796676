/* Programs of 2001, each a way to meet a kernel of that time: they make their calls themselves, and say what they see.
 * Usage: era taken-over | full | dead */
#include <linux/netlink.h>
#include <linux/netfilter_ipv4/ip_queue.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
			exit(1); \
		} \
	} while (0)

#define ACCEPT 1

static unsigned char buf[4096];
static const struct nlmsghdr *header = (const struct nlmsghdr *)buf;

/* Whole lines, in the order of the processes' turns. */
static void say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	CHECK(putchar('\n') == '\n' && fflush(stdout) == 0);
}

static int opened(void)
{
	struct sockaddr_nl local;
	int fd = socket(AF_NETLINK, SOCK_RAW, 3);

	memset(&local, 0, sizeof local);
	local.nl_family = AF_NETLINK;
	local.nl_pid = (unsigned int)getpid();
	CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&local, sizeof local) == 0);
	return fd;
}

static void request(int fd, int type, int flags, const ipq_peer_msg_t *message)
{
	struct {
		struct nlmsghdr header;
		ipq_peer_msg_t body;
	} whole;
	struct sockaddr_nl kernel;

	memset(&kernel, 0, sizeof kernel);
	kernel.nl_family = AF_NETLINK;
	memset(&whole, 0, sizeof whole);
	whole.header.nlmsg_len = sizeof whole;
	whole.header.nlmsg_type = (unsigned short)type;
	whole.header.nlmsg_flags = (unsigned short)(NLM_F_REQUEST | flags);
	whole.header.nlmsg_pid = (unsigned int)getpid();
	whole.body = *message;
	CHECK(sendto(fd, &whole, sizeof whole, 0, (struct sockaddr *)&kernel, sizeof kernel) == (ssize_t)sizeof whole);
}

static void attach(int fd, int flags)
{
	ipq_peer_msg_t message;

	memset(&message, 0, sizeof message);
	message.msg.mode.value = IPQ_COPY_PACKET;
	request(fd, IPQM_MODE, flags, &message);
}

static void accept_packet(int fd, unsigned long id)
{
	ipq_peer_msg_t message;

	memset(&message, 0, sizeof message);
	message.msg.verdict.value = ACCEPT;
	message.msg.verdict.id = id;
	request(fd, IPQM_VERDICT, 0, &message);
}

/* The next message, for which it waits so many milliseconds; 0 if none comes. */
static ssize_t next(int fd, int wait)
{
	struct pollfd readable;

	readable.fd = fd;
	readable.events = POLLIN;
	return poll(&readable, 1, wait) == 1 ? recv(fd, buf, sizeof buf, 0) : 0;
}

/* The next message, a packet: its id. */
static unsigned long packet(int fd)
{
	const ipq_packet_msg_t *message = (const ipq_packet_msg_t *)NLMSG_DATA(header);

	CHECK(next(fd, 5000) > 0 && header->nlmsg_type == IPQM_PACKET);
	CHECK(message->data_len > 0 && header->nlmsg_len == NLMSG_ALIGN(NLMSG_LENGTH(sizeof *message) + message->data_len));
	return message->packet_id;
}

/* The next message, an error. */
static void tell_error(const char *who, int fd)
{
	ssize_t bytes = next(fd, 5000);

	CHECK(bytes > 0 && header->nlmsg_type == NLMSG_ERROR);
	say("%s: errno %d in %d bytes", who, -((const struct nlmsgerr *)NLMSG_DATA(header))->error, (int)bytes);
}

/* A line of the queue's text: the number that follows the label. */
static int figure(const char *label)
{
	char line[128];
	FILE *file = fopen("/proc/net/ip_queue", "r");
	int number = -1;

	CHECK(file != NULL);
	while (fgets(line, sizeof line, file) != NULL)
		if (strncmp(line, label, strlen(label)) == 0 && strchr(line, ':') != NULL)
			number = atoi(strchr(line, ':') + 1);
	CHECK(fclose(file) == 0);
	return number;
}

/* One process lets another have its turn, or waits for its own. */
static void pass_turn(const int turns[2])
{
	CHECK(write(turns[1], "", 1) == 1);
}

static void await_turn(const int turns[2])
{
	char turn;

	CHECK(read(turns[0], &turn, 1) == 1);
}

static pid_t second(void (*run)(void))
{
	pid_t child = fork();

	CHECK(child >= 0);
	if (child == 0) {
		run();
		exit(0);
	}
	return child;
}

static int to_second[2], to_first[2];

static void take_over(void)
{
	unsigned long id;
	int fd = opened();

	await_turn(to_second);
	attach(fd, NLM_F_ACK);
	tell_error("second", fd);
	id = packet(fd);
	say("second: a packet");
	pass_turn(to_first);
	await_turn(to_second);
	say("second: %s", next(fd, 100) == 0 ? "nothing more" : "something");
	accept_packet(fd, id);
	tell_error("second", fd);
	pass_turn(to_first);
	await_turn(to_second);
}

/* A program whose queue is taken over, and which takes it back with a verdict. */
static void taken_over(void)
{
	unsigned long id;
	int fd = opened(), status;
	pid_t child;

	CHECK(pipe(to_second) == 0 && pipe(to_first) == 0);
	child = second(take_over);
	attach(fd, 0);
	id = packet(fd);
	say("first: a packet");
	pass_turn(to_second);
	await_turn(to_first);
	say("first: the peer is %s, and %s", figure("Peer pid") == (int)child ? "the second" : "another",
	    next(fd, 100) == 0 ? "nothing comes" : "something comes");
	accept_packet(fd, id);
	tell_error("first", fd);
	say("first: the peer is %s", figure("Peer pid") == (int)getpid() ? "the first" : "another");
	id = packet(fd);
	say("first: a packet");
	pass_turn(to_second);
	await_turn(to_first);
	accept_packet(fd, id);
	tell_error("first", fd);
	pass_turn(to_second);
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	accept_packet(fd, packet(fd));
	say("first: a packet, accepted");
}

/* A program whose queue was full before it read anything. */
static void full(void)
{
	unsigned long ids[64];
	int fd = opened(), count = 0, at;

	attach(fd, 0);
	ids[count++] = packet(fd);
	/* Time enough for the rest. */
	CHECK(usleep(300000) == 0);
	while (next(fd, 0) > 0 && count < 64)
		ids[count++] = ((const ipq_packet_msg_t *)NLMSG_DATA(header))->packet_id;
	say("%d packets shown, %d queued, %d counted as dropped", count, figure("Queue length"), figure("Queue dropped"));
	for (at = 0; at < count; at++)
		accept_packet(fd, ids[at]);
	for (count = 0; next(fd, 300) > 0; count++)
		CHECK(header->nlmsg_type == NLMSG_ERROR &&
		      ((const struct nlmsgerr *)NLMSG_DATA(header))->error == -ENOENT);
	say("%d verdicts answered with ENOENT", count);
}

static void die(void)
{
	int fd = opened();

	attach(fd, 0);
	packet(fd);
	say("first: a packet");
}

/* A program whose predecessor has ended with a packet that it did not answer. */
static void dead(void)
{
	int status, fd, tries;
	pid_t child = second(die);

	CHECK(waitpid(child, &status, 0) == child && status == 0);
	say("second: the peer is %s", figure("Peer pid") == (int)child ? "still the first" : "another");
	for (tries = 0; figure("Peer died") != 1 && tries < 500; tries++)
		CHECK(usleep(10000) == 0);
	say("second: peer %d, died %d, %d queued", figure("Peer pid"), figure("Peer died"), figure("Queue length"));
	fd = opened();
	attach(fd, 0);
	accept_packet(fd, packet(fd));
	say("second: died %d; a packet, accepted", figure("Peer died"));
}

int main(int argc, char **argv)
{
	CHECK(argc == 2);
	/* It ends by itself, and says before what it saw last. */
	CHECK(signal(SIGTERM, SIG_IGN) != SIG_ERR);
	say("words of %d bits", 8 * (int)sizeof(long));
	if (strcmp(argv[1], "taken-over") == 0)
		taken_over();
	else if (strcmp(argv[1], "full") == 0)
		full();
	else if (strcmp(argv[1], "dead") == 0)
		dead();
	else
		return 2;
	return 0;
}
