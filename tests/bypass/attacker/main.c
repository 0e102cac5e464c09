/* An agent that wants out. `attacker list` names all attempts; `attacker try …` makes them, one
 * process each, and prints `NAME<tab>HOW IT ENDED`; `attacker prepare COMMAND…` opens beforehand
 * what an agent might inherit; `attacker enter CGROUP USER COMMAND…` becomes the agent;
 * `attacker sever PIN` detaches a pinned link as a careless administrator would; `attacker storm …`
 * connects without an end. */
#include "attacker.h"

#include <grp.h>
#include <linux/bpf.h>
#include <poll.h>
#include <pwd.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>

struct sockaddr_in to4;
struct sockaddr_in6 to6, to_mapped;
char payload[48];
int payload_size;
struct in_addr own4, beside4;
struct in6_addr own6, beside6;
const char *interface, *outside;
int daemon_port;

static const struct attempt *const groups[] = {
	tcp_attempts, udp_attempts, header_attempts, raw_attempts,
	uring_attempts, local_attempts, escape_attempts,
};

_Noreturn void ended(const char *how)
{
	dprintf(STDOUT_FILENO, "%s\n", how);
	_exit(0);
}

_Noreturn void refused(const char *call)
{
	int saved = errno;
	const char *name = strerrorname_np(saved);
	dprintf(STDOUT_FILENO, "%s %.*s\n", name ? name : "E?", (int)strcspn(call, "("), call);
	_exit(0);
}

int new_socket(int family, int type, int protocol)
{
	int fd = socket(family, type, protocol);
	if (fd < 0)
		refused("socket");
	return fd;
}

void option(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof value) < 0)
		refused("setsockopt");
}

void await(int fd, const char *call)
{
	struct pollfd ready = { .fd = fd, .events = POLLOUT };
	if (poll(&ready, 1, 400) == 0)
		ended("unanswered");
	int error = 0;
	socklen_t length = sizeof error;
	CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length));
	if (error) {
		errno = error;
		refused(call);
	}
}

void open_stream(int fd, const void *address, socklen_t size)
{
	CHECK(fcntl(fd, F_SETFL, O_NONBLOCK));
	if (connect(fd, address, size) < 0 && errno != EINPROGRESS)
		refused("connect");
	await(fd, "connect");
}

_Noreturn void converse(int fd, const void *address, socklen_t size)
{
	open_stream(fd, address, size);
	send(fd, payload, payload_size, MSG_NOSIGNAL);
	ended("connected");
}

_Noreturn void throw(int fd, const void *address, socklen_t size)
{
	CHECK(sendto(fd, payload, payload_size, 0, address, size));
	ended("sent");
}

_Noreturn void throw_with(int fd, void *address, socklen_t size, int level, int type,
			  const void *data, size_t data_size)
{
	char control[256] __attribute__((aligned(8))) = { 0 };
	struct iovec part = { payload, payload_size };
	struct msghdr message = {
		.msg_name = address, .msg_namelen = size, .msg_iov = &part, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = CMSG_SPACE(data_size),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = level;
	header->cmsg_type = type;
	header->cmsg_len = CMSG_LEN(data_size);
	memcpy(CMSG_DATA(header), data, data_size);
	CHECK(sendmsg(fd, &message, 0));
	ended("sent");
}

/* The last byte of the address and the text are the attempt's own, so that a packet tells which
 * attempt it belongs to, by whatever way it went. */
static void aim(int round, int number)
{
	to4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(7) };
	to4.sin_addr.s_addr = htonl(0xc6120000u | round << 8 | number); /* 198.18.ROUND.NUMBER */
	to6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(7) };
	char text[64];
	snprintf(text, sizeof text, "2001:db8:%x::%x", round, number);
	inet_pton(AF_INET6, text, &to6.sin6_addr);
	to_mapped = to6;
	memset(&to_mapped.sin6_addr, 0, 10);
	memset(to_mapped.sin6_addr.s6_addr + 10, 0xff, 2);
	memcpy(to_mapped.sin6_addr.s6_addr + 12, &to4.sin_addr, 4);
	payload_size = snprintf(payload, sizeof payload, "bypass-%d-%d;", round, number);
}

struct sockaddr_in foreign(void)
{
	struct sockaddr_in source = { .sin_family = AF_INET, .sin_addr = to4.sin_addr };
	((uint8_t *)&source.sin_addr)[1] = 19;
	return source;
}

static void try_one(const struct attempt *attempt, int round, int number)
{
	int pipe_ends[2];
	if (pipe(pipe_ends) < 0)
		abort();
	pid_t child = fork();
	if (child == 0) {
		dup2(pipe_ends[1], STDOUT_FILENO);
		close(pipe_ends[0]);
		close(pipe_ends[1]);
		alarm(5);
		aim(round, number);
		attempt->make();
		ended("nothing");
	}
	close(pipe_ends[1]);
	char said[128] = "";
	/* A grandchild may outlive the child: what counts is the first line, or the child's end. */
	struct pollfd ready = { .fd = pipe_ends[0], .events = POLLIN };
	ssize_t size = poll(&ready, 1, 6000) > 0 ? read(pipe_ends[0], said, sizeof said - 1) : 0;
	close(pipe_ends[0]);
	int status;
	waitpid(child, &status, 0);
	if (size > 0)
		said[strcspn(said, "\n")] = 0;
	else if (WIFSIGNALED(status))
		snprintf(said, sizeof said, "killed by signal %d", WTERMSIG(status));
	printf("%s\t%s\n", attempt->name, said);
	fflush(stdout);
}

/* try ROUND INTERFACE OWN4 BESIDE4 OWN6 BESIDE6 PORT OUTSIDE [NAME…] */
static int try_all(int count, char **words)
{
	if (count < 8)
		return 2;
	int round = atoi(words[0]);
	interface = words[1];
	inet_pton(AF_INET, words[2], &own4);
	inet_pton(AF_INET, words[3], &beside4);
	inet_pton(AF_INET6, words[4], &own6);
	inet_pton(AF_INET6, words[5], &beside6);
	daemon_port = atoi(words[6]);
	outside = words[7];
	/* Whoever watches brings about the state in which it is to be tried, then lets go. */
	printf("ready\n");
	fflush(stdout);
	char gate;
	while (read(STDIN_FILENO, &gate, 1) > 0)
		;
	int number = 0;
	for (size_t group = 0; group < sizeof groups / sizeof *groups; group++)
		for (const struct attempt *attempt = groups[group]; attempt->name; attempt++) {
			number++;
			int wanted = count == 8;
			for (int word = 8; word < count; word++)
				wanted |= strcmp(words[word], attempt->name) == 0;
			if (wanted)
				try_one(attempt, round, number);
		}
	printf("end\n");
	return 0;
}

/* storm ADDRESS4 PORT4 ADDRESS6 PORT6 */
static int storm_at(char **words)
{
	aim(0, 0);
	inet_pton(AF_INET, words[0], &to4.sin_addr);
	to4.sin_port = htons(atoi(words[1]));
	inet_pton(AF_INET6, words[2], &to6.sin6_addr);
	to6.sin6_port = htons(atoi(words[3]));
	printf("ready\n");
	fflush(stdout);
	return storm();
}

static int list(void)
{
	int number = 0;
	for (size_t group = 0; group < sizeof groups / sizeof *groups; group++)
		for (const struct attempt *attempt = groups[group]; attempt->name; attempt++)
			printf("%s\t%d\n", attempt->name, ++number);
	return 0;
}

static void hold(int fd, int number)
{
	if (fd < 0 || dup2(fd, number) < 0) {
		perror("attacker: cannot prepare");
		exit(1);
	}
	close(fd);
}

static void become(int user)
{
	if (user && (setgroups(0, NULL) || setresgid(user, user, user) || setresuid(user, user, user))) {
		perror("attacker: cannot become the user");
		exit(1);
	}
}

/* prepare USER COMMAND…: the accomplice, who stays outside, is the same user as the agent. */
static int prepare(char **words)
{
	hold(socket(AF_INET, SOCK_STREAM, 0), HELD_TCP4);
	hold(socket(AF_INET, SOCK_DGRAM, 0), HELD_UDP4);
	hold(socket(AF_INET6, SOCK_DGRAM, 0), HELD_UDP6);
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
		return 1;
	pid_t accomplice = fork();
	if (accomplice == 0) {
		become(atoi(words[0]));
		/* As a process is that was this user from its start. */
		prctl(PR_SET_DUMPABLE, 1);
		close(pair[1]);
		become_accomplice(pair[0]);
		_exit(0);
	}
	close(pair[0]);
	hold(pair[1], ACCOMPLICE);
	char number[16];
	snprintf(number, sizeof number, "%d", accomplice);
	setenv("ATTACKER_BYSTANDER", number, 1);
	const char *file = getenv("ATTACKER_CGROUP_FILE");
	if (file)
		hold(open(file, O_WRONLY), CGROUP_FILE);
	/* A terminal that the agent shares with whoever started it. */
	setsid();
	int terminal = posix_openpt(O_RDWR | O_NOCTTY);
	grantpt(terminal);
	unlockpt(terminal);
	hold(open(ptsname(terminal), O_RDWR), TERMINAL);
	ioctl(TERMINAL, TIOCSCTTY, 0);
	fcntl(terminal, F_SETFD, 0);
	execvp(words[1], words + 1);
	perror(words[1]);
	return 1;
}

/* enter CGROUP USER COMMAND…: an empty CGROUP stays where it is. */
static int enter(char **words)
{
	if (*words[0]) {
		char path[512];
		snprintf(path, sizeof path, "%s/cgroup.procs", words[0]);
		int fd = open(path, O_WRONLY);
		if (fd < 0 || write(fd, "0", 1) != 1) {
			perror(path);
			return 1;
		}
		close(fd);
	}
	become(atoi(words[1]));
	execvp(words[2], words + 2);
	perror(words[2]);
	return 1;
}

static int sever(const char *pin)
{
	union bpf_attr object = { .pathname = (uintptr_t)pin };
	union bpf_attr detach = { 0 };
	detach.link_detach.link_fd = syscall(SYS_bpf, BPF_OBJ_GET, &object, sizeof object);
	if ((int)detach.link_detach.link_fd < 0 ||
	    syscall(SYS_bpf, BPF_LINK_DETACH, &detach, sizeof detach) < 0) {
		perror(pin);
		return 1;
	}
	return 0;
}

int main(int count, char **words)
{
	if (count >= 2 && !strcmp(words[1], "list"))
		return list();
	if (count >= 3 && !strcmp(words[1], "try"))
		return try_all(count - 2, words + 2);
	if (count >= 4 && !strcmp(words[1], "prepare"))
		return prepare(words + 2);
	if (count >= 5 && !strcmp(words[1], "enter"))
		return enter(words + 2);
	if (count == 3 && !strcmp(words[1], "sever"))
		return sever(words[2]);
	if (count == 6 && !strcmp(words[1], "storm"))
		return storm_at(words + 2);
	fprintf(stderr, "attacker: list | storm … | try … | prepare … | enter … | sever PIN\n");
	return 2;
}
