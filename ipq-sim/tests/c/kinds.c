/* A program on a raw ip_queue socket, with code of its own for everything. argv[1] says how it lives. It accepts every packet, and
 * ends with status 0 when it has given argv[2] verdicts (0: at the end of the queue). */
#define _GNU_SOURCE
#include <linux/netlink.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_statx
#define SYS_statx 332
#endif
#ifndef SO_PROTOCOL
#define SO_PROTOCOL 38
#define SO_DOMAIN 39
#endif

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s (errno %d)\n", __FILE__, __LINE__, #condition, errno); \
			_exit(1); \
		} \
	} while (0)

static int fd;

struct mode { struct nlmsghdr header; unsigned char value; unsigned long range; unsigned long unused; };
struct verdict { struct nlmsghdr header; unsigned int value; unsigned long id; unsigned long length; };

static int option(int level, int name)
{
	int value = -1;
	socklen_t length = sizeof value;

	CHECK(getsockopt(fd, level, name, &value, &length) == 0 && length == sizeof value);
	return value;
}

static unsigned int port(void)
{
	struct sockaddr_nl local;
	socklen_t length = sizeof local;

	memset(&local, 0xff, sizeof local);
	CHECK(getsockname(fd, (struct sockaddr *)&local, &length) == 0);
	CHECK(length == sizeof local && local.nl_family == AF_NETLINK);
	return local.nl_pid;
}

/* The number of the call on every machine. C libraries from before 2020 do not name it. */
#define OPENAT2 437

static int proc_pid(void)
{
	char text[512] = "";
	unsigned long long extended[32];
	struct stat status;
	unsigned long long how[3] = { O_CLOEXEC };
	int file = open("/proc/net/ip_queue", O_RDONLY), pid = -1;

	CHECK(file >= 0 && read(file, text, sizeof text - 1) > 0 && fcntl(file, F_GETFD) == 0 && close(file) == 0);
	file = syscall(OPENAT2, -100, "/proc/net/ip_queue", how, sizeof how);
	CHECK(file >= 0 && fcntl(file, F_GETFD) == FD_CLOEXEC && close(file) == 0);
	how[0] = 0;
	file = syscall(OPENAT2, -100, "/proc/net/ip_queue", how, sizeof how);
	CHECK(file >= 0 && fcntl(file, F_GETFD) == 0 && close(file) == 0);
	CHECK(stat("/proc/net/ip_queue", &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 0444));
	CHECK(lstat("/proc/net/ip6_queue", &status) == 0 && stat("/proc/net/ip_que", &status) == -1 && errno == ENOENT);
	CHECK(syscall(SYS_statx, -100, "/proc/net/ip_queue", 0, 0x7ff, extended) == 0 && (((unsigned short *)extended)[14] & S_IFREG));
	CHECK(syscall(SYS_statx, -100, "/proc/net/ip_queue", 0, 0x7ff, NULL) == -1 && errno == EFAULT);
	CHECK(access("/proc/net/ip6_queue", R_OK) == 0 && access("/proc/net/ip_que", F_OK) == -1);
	CHECK(sscanf(text, "Peer PID : %d", &pid) == 1);
	return pid;
}

static void open_queue(void)
{
	struct sockaddr_nl local;
	int value = 65536, other;

	CHECK(socket(AF_NETLINK, SOCK_STREAM, 3) == -1 && errno == ESOCKTNOSUPPORT);
	CHECK(socket(AF_NETLINK, SOCK_RAW, 12) == -1 && errno == EPROTONOSUPPORT);
	fd = socket(AF_NETLINK, SOCK_RAW, 3);
	CHECK(fd >= 0 && port() == 0);
	CHECK(option(SOL_SOCKET, SO_TYPE) == SOCK_RAW && option(SOL_SOCKET, SO_ERROR) == 0);
	CHECK(option(SOL_SOCKET, SO_DOMAIN) == AF_NETLINK && option(SOL_SOCKET, SO_PROTOCOL) == 3);
	CHECK(option(SOL_SOCKET, SO_RCVBUF) == 196608);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, sizeof value) == 0);
	CHECK(option(SOL_SOCKET, SO_RCVBUF) == 131072);
	memset(&local, 0, sizeof local);
	CHECK(bind(fd, (struct sockaddr *)&local, 4) == -1 && errno == EINVAL);
	local.nl_family = AF_NETLINK;
	local.nl_pid = (unsigned int)getpid();
	CHECK(bind(fd, (struct sockaddr *)&local, sizeof local) == 0 && port() == (unsigned int)getpid());
	other = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 3);
	CHECK(bind(other, (struct sockaddr *)&local, sizeof local) == -1 && errno == EADDRINUSE && close(other) == 0);
	/* What is no queue's socket is left alone. */
	other = socket(AF_INET, SOCK_DGRAM, 0);
	if (other >= 0) {
		socklen_t length = sizeof value;
		CHECK(getsockopt(other, SOL_SOCKET, SO_TYPE, &value, &length) == 0 && value == SOCK_DGRAM);
		CHECK(close(other) == 0);
	}
}

static void send_to_kernel(void *message, unsigned int length, int type)
{
	struct nlmsghdr *header = message;
	struct sockaddr_nl kernel;

	memset(&kernel, 0, sizeof kernel);
	kernel.nl_family = AF_NETLINK;
	header->nlmsg_len = length;
	header->nlmsg_type = (unsigned short)type;
	header->nlmsg_flags = NLM_F_REQUEST;
	header->nlmsg_pid = port();
	CHECK(sendto(fd, message, length, 0, (struct sockaddr *)&kernel, sizeof kernel) == (ssize_t)length);
}

static void set_mode(void)
{
	struct mode mode;

	memset(&mode, 0, sizeof mode);
	mode.value = 2;
	CHECK(proc_pid() == 0);
	send_to_kernel(&mode, sizeof mode, 17);
	CHECK(proc_pid() == (int)port());
}

static int serve(int count)
{
	static unsigned char buffer[70000];
	unsigned int own = port();
	int done = 0;

	while (count == 0 || done < count) {
		struct sockaddr_nl from;
		socklen_t length = sizeof from;
		struct verdict verdict;
		ssize_t bytes = recvfrom(fd, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &length);

		if (bytes == 0)
			return 0;
		CHECK(bytes > 0 && length == sizeof from && from.nl_pid == 0);
		CHECK(((struct nlmsghdr *)buffer)->nlmsg_type == 19);
		memset(&verdict, 0, sizeof verdict);
		verdict.value = 1;
		memcpy(&verdict.id, buffer + sizeof(struct nlmsghdr), sizeof verdict.id);
		verdict.header.nlmsg_pid = own;
		verdict.header.nlmsg_len = sizeof verdict;
		verdict.header.nlmsg_type = 18;
		verdict.header.nlmsg_flags = NLM_F_REQUEST;
		CHECK(send(fd, &verdict, sizeof verdict, 0) == (ssize_t)sizeof verdict);
		done++;
	}
	return 0;
}

static void drop_privileges(void)
{
	CHECK(setgroups(0, NULL) == 0);
	CHECK(prctl(PR_CAPBSET_DROP, 12, 0, 0, 0) == 0);
	CHECK(setresgid(65533, 65533, 65533) == 0 && setresuid(65533, 65533, 65533) == 0);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "plain";
	int count = argc > 2 ? atoi(argv[2]) : 0, other;

	if (!strcmp(how, "clearenv"))
		clearenv();
	if (!strcmp(how, "close-all"))
		for (other = 3; other < 1024; other++)
			close(other);
	if (!strcmp(how, "daemon"))
		CHECK(daemon(1, 1) == 0);
	if (!strcmp(how, "chroot"))
		CHECK(chroot("/var") == 0 && chdir("/") == 0);
	if (!strcmp(how, "hidden"))
		CHECK(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
	if (!strcmp(how, "drop"))
		drop_privileges();
	open_queue();
	set_mode();
	if (!strcmp(how, "daemon-after"))
		CHECK(daemon(1, 1) == 0);
	if (!strcmp(how, "drop-after"))
		drop_privileges();
	if (!strcmp(how, "worker")) {
		int status;
		pid_t worker = fork();

		if (worker == 0) {
			CHECK(port() == (unsigned int)getppid());
			_exit(serve(count));
		}
		CHECK(waitpid(worker, &status, 0) == worker);
		return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	}
	if (!strcmp(how, "copy")) {
		other = dup(fd);
		CHECK(other >= 0 && close(fd) == 0);
		fd = other;
	}
	if (!strcmp(how, "select")) {
		fd_set readable;
		struct timeval time = {5, 0};

		FD_ZERO(&readable);
		FD_SET(fd, &readable);
		CHECK(select(fd + 1, &readable, NULL, NULL, &time) == 1);
	}
	return serve(count);
}
