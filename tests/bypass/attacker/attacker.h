/* What the files of the attacker share. One attempt is one function that runs in a process of its
 * own and ends it by telling how it ended: the call that was refused, or what worked. Whether
 * anything got out is not for it to say: the sniffer does. */
#ifndef ATTACKER_H
#define ATTACKER_H

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct attempt {
	const char *name;
	void (*make)(void);
};

/* Each file ends its list with an empty entry. */
extern const struct attempt tcp_attempts[], udp_attempts[], header_attempts[], raw_attempts[],
	uring_attempts[], local_attempts[], escape_attempts[];

/* Where this attempt is to get to: addresses that are its own, and what it has to say there. */
extern struct sockaddr_in to4;
extern struct sockaddr_in6 to6;
extern struct sockaddr_in6 to_mapped;
extern char payload[48];
extern int payload_size;

/* What surrounds it, from the command line. */
extern struct in_addr own4, beside4;     /* this host's address and its neighbour's */
extern struct in6_addr own6, beside6;
extern const char *interface;            /* the one that leads out */
extern int daemon_port;
extern const char *outside;              /* a cgroup that is not attached */

/* What was prepared before the cgroup was entered, as open descriptors. */
enum { HELD_TCP4 = 100, HELD_UDP4, HELD_UDP6, ACCOMPLICE, TERMINAL, CGROUP_FILE };

/* What the accomplice, who is outside, does when asked by one of these letters. */
#define ASK_UDP 'u'   /* give me a datagram socket */
#define ASK_TCP 't'   /* give me a stream socket */
#define ASK_USE 'g'   /* send by the socket that I give you */
#define ASK_SAY 's'   /* say it for me */

_Noreturn void refused(const char *call);
_Noreturn void ended(const char *how);

/* Ends the attempt with the call's name and errno when it fails. */
#define CHECK(call) ({ long result_ = (long)(call); if (result_ < 0) refused(#call); result_; })

int new_socket(int family, int type, int protocol);
void option(int fd, int level, int name, int value);
/* Somebody else's address, this attempt's own as well: 198.19.ROUND.NUMBER. */
struct sockaddr_in foreign(void);
/* Waits a moment for the answer to a connect that `call` began; ends when it is no or none. */
void await(int fd, const char *call);
void open_stream(int fd, const void *address, socklen_t size);
/* Opens a stream and says the payload. */
_Noreturn void converse(int fd, const void *address, socklen_t size);
/* Sends the payload as one datagram. */
_Noreturn void throw(int fd, const void *address, socklen_t size);
/* Sends it with one control message. */
_Noreturn void throw_with(int fd, void *address, socklen_t size, int level, int type,
			  const void *data, size_t data_size);
/* Sends a socket, or the letter alone, to the accomplice; returns what socket comes back, or -1. */
int ask_accomplice(char letter, int fd);
void become_accomplice(int fd);
int storm(void);

#define TO4 &to4, sizeof to4
#define TO6 &to6, sizeof to6
#define TO_MAPPED &to_mapped, sizeof to_mapped

#endif
