/*
 * What programs in the field do with libipq, one use for each name, which is the first argument. The second can be "tell", to be told
 * on standard output when packets may come, or how many handles are made and destroyed. Each exits with 0 if all was as it should be. The last packet is left without a verdict, so
 * that the run waits for the program to end by itself.
 */
#include <libipq.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/time.h>
#include <sys/wait.h>

#define PACKETS 10
#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "%s:%d: %s (%s, errno %d)\n", __FILE__, __LINE__, #condition, ipq_errstr(), errno); \
			exit(1); \
		} \
	} while (0)

static unsigned char buf[70000];
/* Whether to say when packets may come. */
static int tell;
/* How many handles are made. */
static long cycles;

static struct ipq_handle *attached(void)
{
	struct ipq_handle *h = ipq_create_handle(0, PF_INET);

	CHECK(h && ipq_set_mode(h, IPQ_COPY_PACKET, 0) > 0);
	if (tell) {
		puts("attached");
		fflush(stdout);
	}
	return h;
}

static ipq_id_t next_packet(struct ipq_handle *h)
{
	CHECK(ipq_read(h, buf, sizeof buf, 0) > 0 && ipq_message_type(buf) == IPQM_PACKET);
	return ipq_get_packet(buf)->packet_id;
}

static void accept_packet(struct ipq_handle *h, ipq_id_t id)
{
	CHECK(ipq_set_verdict(h, id, NF_ACCEPT, 0, NULL) > 0);
}

static void expect_error(struct ipq_handle *h, int error)
{
	CHECK(ipq_read(h, buf, sizeof buf, 0) > 0 && ipq_message_type(buf) == NLMSG_ERROR);
	CHECK(ipq_get_msgerr(buf) == error);
}

static void use_select(void)
{
	struct ipq_handle *h = attached();
	int i;

	for (i = 0; i < PACKETS; i++) {
		struct timeval patience = {5, 0};
		fd_set set;

		FD_ZERO(&set);
		FD_SET(h->fd, &set);
		CHECK(select(h->fd + 1, &set, NULL, NULL, &patience) == 1);
		CHECK(ipq_read(h, buf, sizeof buf, -1) > 0);
		if (i + 1 < PACKETS)
			accept_packet(h, ipq_get_packet(buf)->packet_id);
	}
}

static struct ipq_handle *shared;
static int ids[2];

static void *give_verdicts(void *unused)
{
	ipq_id_t id;

	/* The last error is each thread's own. */
	CHECK(strcmp(ipq_errstr(), "Unknown error") == 0);
	while (read(ids[0], &id, sizeof id) == sizeof id)
		accept_packet(shared, id);
	return unused;
}

static void use_threads(void)
{
	pthread_t thread;
	int i;

	shared = attached();
	CHECK(ipq_read(shared, buf, 1, 0) == -1 && strcmp(ipq_errstr(), "Receive buffer size invalid") == 0);
	CHECK(pipe(ids) == 0 && pthread_create(&thread, NULL, give_verdicts, NULL) == 0);
	for (i = 0; i < PACKETS; i++) {
		ipq_id_t id = next_packet(shared);

		if (i + 1 < PACKETS)
			CHECK(write(ids[1], &id, sizeof id) == sizeof id);
	}
	close(ids[1]);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(strcmp(ipq_errstr(), "Receive buffer size invalid") == 0);
}

/* More descriptors than an fd_set has room for. */
static void use_descriptors(void)
{
	struct rlimit limit;
	struct ipq_handle *h;
	int i;

	CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > 2 * FD_SETSIZE);
	while ((i = dup(0)) < FD_SETSIZE)
		CHECK(i >= 0);
	h = attached();
	CHECK(h->fd > FD_SETSIZE);
	for (i = 0; i < PACKETS; i++) {
		CHECK(ipq_read(h, buf, sizeof buf, 5000000) > 0);
		if (i + 1 < PACKETS)
			accept_packet(h, ipq_get_packet(buf)->packet_id);
	}
}

static void use_held(void)
{
	struct ipq_handle *h = attached();
	ipq_id_t held[PACKETS];
	int i;

	for (i = 0; i < PACKETS; i++)
		held[i] = next_packet(h);
	for (i = PACKETS - 1; i > 0; i--)
		accept_packet(h, held[i]);
}

static void use_twice(void)
{
	struct ipq_handle *h = attached();
	ipq_id_t held[PACKETS];
	int i;

	for (i = 0; i < PACKETS; i++)
		held[i] = next_packet(h);
	accept_packet(h, held[0]);
	accept_packet(h, held[0]);
	expect_error(h, ENOENT);
	CHECK(ipq_set_verdict(h, held[1], NF_STOLEN, 0, NULL) > 0);
	expect_error(h, EINVAL);
	CHECK(ipq_set_verdict(h, held[1], NF_STOP, 0, buf) > 0);
	h->peer.nl_pid = 4242;
	accept_packet(h, held[2]);
	CHECK(ipq_set_verdict(h, held[3], NF_ACCEPT, 7, NULL) > 0);
}

static void use_small_buffer(void)
{
	struct ipq_handle *h = attached();

	CHECK(ipq_read(h, buf, 19, 0) == -1 && strcmp(ipq_errstr(), "Receive buffer size invalid") == 0);
	CHECK(ipq_read(h, buf, 64, 0) == -1 && strcmp(ipq_errstr(), "Received message truncated") == 0);
	accept_packet(h, next_packet(h));
}

static void use_timeout(void)
{
	struct ipq_handle *h = attached();
	int i;

	for (i = 0; i < PACKETS; i++)
		next_packet(h);
	errno = 0;
	CHECK(ipq_read(h, buf, sizeof buf, 2000) == 0 && errno == 0 && strcmp(ipq_errstr(), "Timeout") == 0);
	CHECK(ipq_read(h, buf, sizeof buf, -1) == 0 && errno == 0 && strcmp(ipq_errstr(), "Timeout") == 0);
}

static void use_fork(void)
{
	struct ipq_handle *h = attached();
	int i, status;
	pid_t child = fork();

	if (child == 0) {
		for (i = 0; i < PACKETS / 2; i++)
			accept_packet(h, next_packet(h));
		CHECK(ipq_destroy_handle(h) == 0);
		_exit(0);
	}
	CHECK(waitpid(child, &status, 0) == child && status == 0);
	for (i = PACKETS / 2; i < PACKETS; i++) {
		ipq_id_t id = next_packet(h);

		if (i + 1 < PACKETS)
			accept_packet(h, id);
	}
}

/* As daemon(3) does: the one that was started is gone, and its child goes on. */
static void use_daemon(void)
{
	struct ipq_handle *h = attached();
	int i;

	if (fork() != 0)
		_exit(0);
	for (i = 0; i + 1 < PACKETS; i++)
		accept_packet(h, next_packet(h));
	next_packet(h);
	CHECK(ipq_destroy_handle(h) == 0);
}

static sigjmp_buf back;
static volatile sig_atomic_t jumping;

/* Has an alarm come every so many microseconds: one may come before the call that it is for. 0 ends them. */
static void alarms(long every)
{
	struct itimerval timer;

	memset(&timer, 0, sizeof timer);
	timer.it_value.tv_usec = timer.it_interval.tv_usec = every;
	CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

static void on_alarm(int signal)
{
	(void)signal;
	if (jumping) {
		jumping = 0;
		alarms(0);
		siglongjmp(back, 1);
	}
}

static void use_signals(void)
{
	struct ipq_handle *h = attached();
	struct sigaction action;
	volatile int i;

	memset(&action, 0, sizeof action);
	action.sa_handler = on_alarm;
	CHECK(sigaction(SIGALRM, &action, NULL) == 0);
	for (i = 0; i < PACKETS; i++)
		next_packet(h);
	alarms(10000);
	CHECK(ipq_read(h, buf, sizeof buf, 5000000) == 0 && errno == EINTR);
	CHECK(strcmp(ipq_errstr(), "Unknown error") == 0);
	CHECK(ipq_read(h, buf, sizeof buf, 0) == -1 && errno == EINTR);
	CHECK(strcmp(ipq_errstr(), "Failed to receive netlink message") == 0);
	alarms(0);
	for (i = 0; i < 3; i++) {
		if (sigsetjmp(back, 1) == 0) {
			jumping = 1;
			alarms(10000);
			ipq_read(h, buf, sizeof buf, i == 1 ? 5000000 : 0);
			CHECK(!"nothing was to come");
		}
	}
	CHECK(ipq_destroy_handle(h) == 0);
}

static void use_families(void)
{
	struct ipq_handle *h = attached();
	struct ipq_handle *six = ipq_create_handle(0, PF_INET6);

	CHECK(six && six->fd != h->fd && six->local.nl_pid == h->local.nl_pid);
	CHECK(h->local.nl_pid == (unsigned int)getpid() && h->local.nl_family == AF_NETLINK);
	errno = 0;
	CHECK(ipq_create_handle(0, PF_INET) == NULL && errno == EADDRINUSE);
	CHECK(strncmp(ipq_errstr(), "Unable to bind netlink socket", 29) == 0);
	accept_packet(h, next_packet(h));
	CHECK(ipq_destroy_handle(six) == 0 && ipq_destroy_handle(h) == 0);
	CHECK(ipq_destroy_handle(h) == -1 && errno == EBADF);
	CHECK(ipq_read(h, buf, sizeof buf, 0) == -1 && errno == EBADF);
}

/* Too slow for what comes, and goes on when it is told so. */
static void use_overrun(void)
{
	struct ipq_handle *h = attached();
	int overruns = 0;

	usleep(100000);
	for (;;) {
		ssize_t bytes = ipq_read(h, buf, sizeof buf, 500000);

		if (bytes == 0)
			break;
		if (bytes < 0) {
			CHECK(errno == ENOBUFS && strcmp(ipq_errstr(), "Failed to receive netlink message") == 0);
			overruns++;
		} else if (ipq_message_type(buf) == IPQM_PACKET) {
			accept_packet(h, ipq_get_packet(buf)->packet_id);
		}
	}
	CHECK(overruns > 0);
}

/* What the process has: open descriptors, and pages of memory. */
static void resources(long *descriptors, long *pages)
{
	DIR *open = opendir("/proc/self/fd");
	FILE *statm = fopen("/proc/self/statm", "r");

	CHECK(open && statm);
	for (*descriptors = 0; readdir(open); ++*descriptors)
		;
	CHECK(fscanf(statm, "%*d %ld", pages) == 1);
	CHECK(closedir(open) == 0 && fclose(statm) == 0);
}

static void create_and_destroy(long count)
{
	while (count--) {
		struct ipq_handle *h = ipq_create_handle(0, PF_INET);

		CHECK(h && ipq_destroy_handle(h) == 0);
	}
}

static void use_create_destroy(void)
{
	long descriptors[2], pages[2];

	create_and_destroy(500);
	resources(&descriptors[0], &pages[0]);
	create_and_destroy(cycles);
	resources(&descriptors[1], &pages[1]);
	CHECK(descriptors[0] == descriptors[1]);
#ifndef __SANITIZE_ADDRESS__
	/* The sanitizer keeps what was freed, to tell who uses it. */
	CHECK(pages[1] - pages[0] < 100);
#endif
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*use)(void);
	} uses[] = {
		{"select", use_select}, {"threads", use_threads}, {"descriptors", use_descriptors}, {"held", use_held}, {"twice", use_twice},
		{"small-buffer", use_small_buffer}, {"timeout", use_timeout}, {"fork", use_fork}, {"daemon", use_daemon}, {"signals", use_signals},
		{"families", use_families}, {"overrun", use_overrun}, {"create-destroy", use_create_destroy},
	};
	size_t i;

	tell = argc == 3 && strcmp(argv[2], "tell") == 0;
	cycles = argc == 3 ? atol(argv[2]) : 0;
	for (i = 0; argc >= 2 && i < sizeof uses / sizeof *uses; i++) {
		if (strcmp(argv[1], uses[i].name) == 0) {
			uses[i].use();
			return 0;
		}
	}
	return 2;
}
