/* Ways to use an ip_queue socket, each by system calls of this program's own: argv[1] names one. It accepts every packet, and ends with
 * status 0 when it has given argv[2] verdicts. With a third argument, that is the descriptor of a socket which another process has
 * opened. */
#define _GNU_SOURCE
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
			_exit(1); \
		} \
	} while (0)
#define MOST 8

struct mode { struct nlmsghdr header; unsigned char value; unsigned long range; unsigned long unused; };
struct verdict { struct nlmsghdr header; unsigned int value; unsigned long id; unsigned long length; };

extern char **environ;
static int fd, count;
static unsigned int port_id;
static const char *how;
static unsigned char buffers[MOST][70000];
static volatile sig_atomic_t signals;

static int is(const char *name) { return strcmp(how, name) == 0; }

static void fill_header(struct nlmsghdr *header, unsigned int length, int type)
{
	header->nlmsg_len = length;
	header->nlmsg_type = (unsigned short)type;
	header->nlmsg_flags = NLM_F_REQUEST;
	header->nlmsg_pid = port_id;
}

static void find_port_id(void)
{
	struct sockaddr_nl local;
	socklen_t length = sizeof local;

	CHECK(getsockname(fd, (struct sockaddr *)&local, &length) == 0 && local.nl_pid != 0);
	port_id = local.nl_pid;
}

static void send_out(void *message, size_t length)
{
	struct iovec parts[2];
	struct mmsghdr many;
	ssize_t sent;

	parts[0].iov_base = message;
	parts[0].iov_len = sizeof(struct nlmsghdr);
	parts[1].iov_base = (char *)message + sizeof(struct nlmsghdr);
	parts[1].iov_len = length - sizeof(struct nlmsghdr);
	memset(&many, 0, sizeof many);
	many.msg_hdr.msg_iov = parts;
	many.msg_hdr.msg_iovlen = 2;
	if (is("write"))
		sent = write(fd, message, length);
	else if (is("vectors"))
		sent = writev(fd, parts, 2);
	else if (is("messages"))
		sent = sendmsg(fd, &many.msg_hdr, MSG_NOSIGNAL);
	else if (is("many"))
		sent = sendmmsg(fd, &many, 1, MSG_DONTWAIT) == 1 ? (ssize_t)many.msg_len : -1;
	else
		sent = send(fd, message, length, 0);
	CHECK(sent == (ssize_t)length);
}

static void open_queue(void)
{
	struct mode mode;
	struct sockaddr_nl kernel, peer;
	socklen_t length = sizeof peer;
	struct timeval time = {0, 100000};
	int on = 1;

	fd = socket(AF_NETLINK, SOCK_RAW | (is("drain") ? SOCK_NONBLOCK | SOCK_CLOEXEC : 0), 3);
	CHECK(fd >= 0);
	memset(&kernel, 0, sizeof kernel);
	kernel.nl_family = AF_NETLINK;
	CHECK(bind(fd, (struct sockaddr *)&kernel, sizeof kernel) == 0);
	find_port_id();
	if (is("connected"))
		CHECK(connect(fd, (struct sockaddr *)&kernel, sizeof kernel) == 0);
	CHECK(getpeername(fd, (struct sockaddr *)&peer, &length) == 0 && length == sizeof peer);
	CHECK(peer.nl_family == AF_NETLINK && peer.nl_pid == 0);
	if (is("time-out"))
		CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) == 0);
	if (is("fionbio"))
		CHECK(ioctl(fd, FIONBIO, &on) == 0 && (fcntl(fd, F_GETFL) & O_NONBLOCK));
	memset(&mode, 0, sizeof mode);
	mode.value = 2;
	fill_header(&mode.header, sizeof mode, 17);
	send_out(&mode, sizeof mode);
}

/* Waits until there is something to read. */
static void await(void)
{
	struct pollfd one = {fd, POLLIN, 0};
	struct epoll_event event;
	struct timespec long_time = {30, 0};
	static int events = -1;
	sigset_t none;
	fd_set readable;

	sigemptyset(&none);
	FD_ZERO(&readable);
	FD_SET(fd, &readable);
	if (is("ppoll"))
		CHECK(ppoll(&one, 1, &long_time, &none) == 1 && one.revents == POLLIN);
	else if (is("pselect"))
		CHECK(pselect(fd + 1, &readable, NULL, NULL, &long_time, &none) == 1);
	else if (is("epoll") || is("edge")) {
		if (events < 0) {
			memset(&event, 0, sizeof event);
			event.events = EPOLLIN | (is("edge") ? EPOLLET : 0);
			CHECK((events = epoll_create1(EPOLL_CLOEXEC)) >= 0 && epoll_ctl(events, EPOLL_CTL_ADD, fd, &event) == 0);
		}
		CHECK(epoll_wait(events, &event, 1, 30000) == 1);
	} else
		CHECK(poll(&one, 1, 30000) == 1 && one.revents == POLLIN);
}

/* Receives at least one message; returns how many. 0: there is none now. */
static int receive(void)
{
	struct iovec parts[MOST];
	struct mmsghdr many[MOST];
	ssize_t length;
	int index;

	memset(many, 0, sizeof many);
	for (index = 0; index < MOST; index++) {
		parts[index].iov_base = buffers[index];
		parts[index].iov_len = sizeof buffers[index];
		many[index].msg_hdr.msg_iov = &parts[index];
		many[index].msg_hdr.msg_iovlen = 1;
	}
	if (is("many")) {
		index = recvmmsg(fd, many, MOST, MSG_WAITFORONE, NULL);
		CHECK(index > 0);
		return index;
	}
	if (is("poll") || is("ppoll") || is("pselect") || is("epoll"))
		await();
	if (is("edge") || is("drain") || is("fionbio")) {
		length = recv(fd, buffers[0], sizeof buffers[0], is("edge") ? MSG_DONTWAIT : 0);
		if (length < 0 && errno == EAGAIN) {
			await();
			return 0;
		}
	} else if (is("write"))
		length = read(fd, buffers[0], sizeof buffers[0]);
	else if (is("vectors"))
		length = readv(fd, parts, 1);
	else if (is("messages")) {
		length = recvmsg(fd, &many[0].msg_hdr, 0);
		CHECK(!(many[0].msg_hdr.msg_flags & MSG_TRUNC));
	} else if (is("peek")) {
		ssize_t whole = recv(fd, buffers[0], 16, MSG_PEEK | MSG_TRUNC);

		CHECK(whole > 16);
		length = recv(fd, buffers[0], sizeof buffers[0], 0);
		CHECK(length == whole);
	} else
		length = recv(fd, buffers[0], sizeof buffers[0], 0);
	if (length < 0 && errno == EINTR && is("alarm"))
		return 0;
	if (length < 0 && errno == EAGAIN && is("time-out"))
		return 0;
	CHECK(length > (ssize_t)sizeof(struct nlmsghdr));
	return 1;
}

static void *give_verdict(void *buffer)
{
	struct verdict verdict;

	CHECK(((struct nlmsghdr *)buffer)->nlmsg_type == 19);
	memset(&verdict, 0, sizeof verdict);
	verdict.value = 1;
	memcpy(&verdict.id, (char *)buffer + sizeof(struct nlmsghdr), sizeof verdict.id);
	fill_header(&verdict.header, sizeof verdict, 18);
	send_out(&verdict, sizeof verdict);
	return NULL;
}

static int serve(void)
{
	int done = 0, index;

	while (done < count) {
		int received = receive();

		for (index = 0; index < received; index++, done++) {
			pthread_t thread;

			if (is("threads")) {
				CHECK(pthread_create(&thread, NULL, give_verdict, buffers[index]) == 0);
				CHECK(pthread_join(thread, NULL) == 0);
			} else
				give_verdict(buffers[index]);
		}
	}
	CHECK(!is("alarm") || signals > 0);
	return 0;
}

static void *serve_in_thread(void *unused)
{
	serve();
	return unused;
}

static void on_alarm(int unused)
{
	(void)unused;
	signals++;
}

static int end_of(pid_t child)
{
	int status;

	CHECK(waitpid(child, &status, 0) == child);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Another process gets the socket in a message. */
static int pass(void)
{
	int pair[2];
	char control[CMSG_SPACE(sizeof(int))] = "";
	struct iovec part = {"x", 1};
	struct msghdr message;
	struct cmsghdr *header;
	pid_t child;

	memset(&message, 0, sizeof message);
	message.msg_iov = &part;
	message.msg_iovlen = 1;
	message.msg_control = control;
	message.msg_controllen = sizeof control;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && (child = fork()) >= 0);
	header = CMSG_FIRSTHDR(&message);
	if (child == 0) {
		char byte[1];

		part.iov_base = byte;
		CHECK(recvmsg(pair[1], &message, 0) == 1);
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
		find_port_id();
		_exit(serve());
	}
	open_queue();
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof fd);
	CHECK(sendmsg(pair[0], &message, 0) == 1 && close(fd) == 0);
	return end_of(child);
}

/* Another program gets the socket. */
static int hand_over(void)
{
	char number[16], packets[16];
	char *arguments[5];
	pid_t child;

	snprintf(number, sizeof number, "%d", fd);
	snprintf(packets, sizeof packets, "%d", count);
	arguments[0] = arguments[1] = "plain";
	arguments[2] = packets;
	arguments[3] = number;
	arguments[4] = NULL;
	if (is("spawn"))
		CHECK(posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ) == 0);
	else if ((child = vfork()) == 0) {
		execve("/proc/self/exe", arguments, environ);
		_exit(9);
	}
	CHECK(child > 0 && close(fd) == 0);
	return end_of(child);
}

/* Sockets that are no queue's are as they are anywhere. */
static void use_others(void)
{
	struct { struct nlmsghdr header; struct rtgenmsg message; } request;
	struct sockaddr_nl local;
	socklen_t length = sizeof local;
	int other, pair[2], value = 0;
	char byte = 0;

	CHECK((other = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE)) >= 0);
	CHECK(getsockname(other, (struct sockaddr *)&local, &length) == 0 && local.nl_family == AF_NETLINK);
	memset(&request, 0, sizeof request);
	fill_header(&request.header, sizeof request, RTM_GETLINK);
	request.header.nlmsg_flags |= NLM_F_DUMP;
	CHECK(send(other, &request, sizeof request, 0) == sizeof request);
	CHECK(recv(other, buffers[0], sizeof buffers[0], 0) > 0);
	CHECK(((struct nlmsghdr *)buffers[0])->nlmsg_type != NLMSG_ERROR && close(other) == 0);
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	length = sizeof value;
	CHECK(getsockopt(pair[0], SOL_SOCKET, SO_DOMAIN, &value, &length) == 0 && value == AF_UNIX);
	CHECK(send(pair[0], &byte, 1, 0) == 1 && recv(pair[1], &byte, 1, 0) == 1);
	CHECK(close(pair[0]) == 0 && close(pair[1]) == 0);
}

int main(int argc, char **argv)
{
	struct itimerval often = {{0, 500}, {0, 500}};
	struct sigaction action;
	pthread_t thread;
	pid_t child;
	int other;

	how = argc > 1 ? argv[1] : "plain";
	count = argc > 2 ? atoi(argv[2]) : 1;
	if (argc > 3) {
		fd = atoi(argv[3]);
		find_port_id();
		return serve();
	}
	if (is("pass"))
		return pass();
	if (is("close-range"))
		CHECK(syscall(436, 3, ~0U, 0) == 0 || errno == ENOSYS);
	if (is("double-fork")) {
		CHECK((child = fork()) >= 0);
		if (child > 0)
			return end_of(child);
		CHECK(setsid() > 0 && (child = fork()) >= 0);
		if (child > 0)
			_exit(0);
	}
	if (is("others"))
		use_others();
	open_queue();
	if (is("dup2")) {
		CHECK(dup2(fd, 500) == 500 && close(fd) == 0);
		fd = 500;
	}
	if (is("several")) {
		/* Others of the same queue that never listen, and one that comes and goes. */
		other = socket(AF_NETLINK, SOCK_RAW, 13);
		CHECK(other >= 0 && socket(AF_NETLINK, SOCK_RAW, 3) >= 0 && close(other) == 0);
	}
	if (is("alarm")) {
		memset(&action, 0, sizeof action);
		action.sa_handler = on_alarm;
		CHECK(sigaction(SIGALRM, &action, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
		usleep(2000);
	}
	if (is("vfork") || is("spawn"))
		return hand_over();
	if (is("reader")) {
		CHECK(pthread_create(&thread, NULL, serve_in_thread, NULL) == 0 && pthread_join(thread, NULL) == 0);
		return 0;
	}
	return serve();
}
