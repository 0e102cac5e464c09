/* Streams: every way to open one. */
#include "attacker.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30
#endif
#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif
#define AF_SMC_ 43

static int stream(int family) { return new_socket(family, SOCK_STREAM, IPPROTO_TCP); }

static void tcp4(void) { converse(stream(AF_INET), TO4); }
static void tcp6(void) { converse(stream(AF_INET6), TO6); }
static void tcp_mapped(void) { converse(stream(AF_INET6), TO_MAPPED); }

static void tcp_blocking(void)
{
	int fd = stream(AF_INET);
	struct timeval patience = { .tv_usec = 400000 };
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	if (connect(fd, (void *)TO4) < 0) {
		if (errno == EINPROGRESS || errno == EAGAIN)
			ended("unanswered");
		refused("connect");
	}
	write(fd, payload, payload_size);
	ended("connected");
}

static void fast_open(int fd, const void *address, socklen_t size)
{
	CHECK(fcntl(fd, F_SETFL, O_NONBLOCK));
	if (sendto(fd, payload, payload_size, MSG_FASTOPEN | MSG_NOSIGNAL, address, size) < 0 &&
	    errno != EINPROGRESS)
		refused("sendto");
	await(fd, "sendto");
	ended("connected");
}

static void tcp4_fastopen(void) { fast_open(stream(AF_INET), TO4); }
static void tcp6_fastopen(void) { fast_open(stream(AF_INET6), TO6); }

static void tcp_fastopen_connect(void)
{
	int fd = stream(AF_INET);
	option(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1);
	converse(fd, TO4);
}

/* The socket was connected to something else before, and disconnected. */
static void tcp_reconnect(void)
{
	int fd = stream(AF_INET);
	struct sockaddr_in first = to4;
	first.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	connect(fd, (void *)&first, sizeof first);
	connect(fd, &nowhere, sizeof nowhere);
	converse(fd, TO4);
}

static void tcp_bound(void)
{
	int fd = stream(AF_INET);
	struct sockaddr_in source = { .sin_family = AF_INET, .sin_addr = own4 };
	CHECK(bind(fd, (void *)&source, sizeof source));
	converse(fd, TO4);
}

static void tcp_device(void)
{
	int fd = stream(AF_INET);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, strlen(interface)));
	converse(fd, TO4);
}

static void tcp_mark(void)
{
	int fd = stream(AF_INET);
	option(fd, SOL_SOCKET, SO_MARK, 77);
	converse(fd, TO4);
}

static void foreign_source(int name)
{
	int fd = stream(AF_INET);
	option(fd, IPPROTO_IP, name, 1);
	struct sockaddr_in source = foreign();
	CHECK(bind(fd, (void *)&source, sizeof source));
	converse(fd, TO4);
}

static void tcp_transparent(void) { foreign_source(IP_TRANSPARENT); }
static void tcp_freebind(void) { foreign_source(IP_FREEBIND); }

/* A connection that is declared open without a handshake. */
static void tcp_repair(void)
{
	int fd = stream(AF_INET);
	option(fd, IPPROTO_TCP, TCP_REPAIR, 1);
	struct sockaddr_in source = { .sin_family = AF_INET, .sin_addr = own4, .sin_port = htons(4001) };
	CHECK(bind(fd, (void *)&source, sizeof source));
	CHECK(connect(fd, (void *)TO4));
	option(fd, IPPROTO_TCP, TCP_REPAIR, 0);
	CHECK(send(fd, payload, payload_size, MSG_NOSIGNAL));
	ended("sent");
}

static void multipath(int family, const void *address, socklen_t size)
{
	converse(new_socket(family, SOCK_STREAM, IPPROTO_MPTCP), address, size);
}

static void mptcp4(void) { multipath(AF_INET, TO4); }
static void mptcp6(void) { multipath(AF_INET6, TO6); }

static void mptcp_fastopen(void)
{
	fast_open(new_socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP), TO4);
}

/* Shared memory over RDMA; without such hardware it opens a TCP connection of its own. */
static void smc(void) { converse(new_socket(AF_SMC_, SOCK_STREAM, 0), TO4); }

/* Somebody out there keeps knocking at this port. */
static void tcp_listen(void)
{
	int fd = stream(AF_INET);
	option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(4000) };
	CHECK(bind(fd, (void *)&here, sizeof here));
	CHECK(listen(fd, 8));
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	if (poll(&ready, 1, 400) == 0)
		ended("unanswered");
	int guest = CHECK(accept(fd, NULL, NULL));
	CHECK(send(guest, payload, payload_size, MSG_NOSIGNAL));
	usleep(50000);
	ended("connected");
}

/* Both sides call each other at once: no listener is involved. */
static void tcp_simultaneous(void)
{
	int fd = stream(AF_INET);
	option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr = own4, .sin_port = htons(4000) };
	CHECK(bind(fd, (void *)&here, sizeof here));
	to4.sin_port = htons(4000);
	converse(fd, TO4);
}

/* After the handshake, by calls that copy from somewhere else. */
static int opened(void)
{
	int fd = stream(AF_INET);
	open_stream(fd, TO4);
	return fd;
}

static int payload_file(void)
{
	int file = CHECK(memfd_create("payload", 0));
	CHECK(write(file, payload, payload_size));
	lseek(file, 0, SEEK_SET);
	return file;
}

static void tcp_sendfile(void)
{
	int fd = opened();
	sendfile(fd, payload_file(), NULL, payload_size);
	ended("connected");
}

static void tcp_splice(void)
{
	int fd = opened(), ends[2];
	CHECK(pipe(ends));
	CHECK(write(ends[1], payload, payload_size));
	splice(ends[0], NULL, fd, NULL, payload_size, 0);
	ended("connected");
}

static void tcp_zerocopy(void)
{
	int fd = opened();
	option(fd, SOL_SOCKET, SO_ZEROCOPY, 1);
	send(fd, payload, payload_size, MSG_ZEROCOPY | MSG_NOSIGNAL);
	ended("connected");
}

/* The kernel's own TLS would hide what is said, from nobody but the wire. */
static void tcp_ktls(void)
{
	int fd = opened();
	/* Not every kernel has it; then this is a plain stream. */
	setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 4);
	send(fd, payload, payload_size, MSG_NOSIGNAL);
	ended("connected");
}

const struct attempt tcp_attempts[] = {
	{ "tcp4", tcp4 },
	{ "tcp6", tcp6 },
	{ "tcp-mapped", tcp_mapped },
	{ "tcp-blocking", tcp_blocking },
	{ "tcp4-fastopen", tcp4_fastopen },
	{ "tcp6-fastopen", tcp6_fastopen },
	{ "tcp-fastopen-connect", tcp_fastopen_connect },
	{ "tcp-reconnect", tcp_reconnect },
	{ "tcp-bound", tcp_bound },
	{ "tcp-device", tcp_device },
	{ "tcp-mark", tcp_mark },
	{ "tcp-transparent", tcp_transparent },
	{ "tcp-freebind", tcp_freebind },
	{ "tcp-repair", tcp_repair },
	{ "tcp-listen", tcp_listen },
	{ "tcp-simultaneous", tcp_simultaneous },
	{ "tcp-sendfile", tcp_sendfile },
	{ "tcp-splice", tcp_splice },
	{ "tcp-zerocopy", tcp_zerocopy },
	{ "tcp-ktls", tcp_ktls },
	{ "mptcp4", mptcp4 },
	{ "mptcp6", mptcp6 },
	{ "mptcp-fastopen", mptcp_fastopen },
	{ "smc", smc },
	{ 0 },
};
