/* Sockets that are neither streams nor datagrams, and families that are not IP. */
#include "attacker.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/vm_sockets.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>

static uint16_t checksum(const void *data, size_t size)
{
	uint32_t sum = 0;
	const uint8_t *bytes = data;
	for (size_t at = 0; at < size; at++)
		sum += at % 2 ? bytes[at] : bytes[at] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static void echo4(int type)
{
	struct {
		struct icmphdr header;
		char text[sizeof payload];
	} packet = { .header = { .type = ICMP_ECHO } };
	memcpy(packet.text, payload, payload_size);
	size_t size = sizeof packet.header + payload_size;
	packet.header.checksum = checksum(&packet, size);
	int fd = new_socket(AF_INET, type, IPPROTO_ICMP);
	CHECK(sendto(fd, &packet, size, 0, (void *)TO4));
	ended("sent");
}

static void echo6(int type)
{
	struct {
		struct icmp6_hdr header;
		char text[sizeof payload];
	} packet = { .header = { .icmp6_type = ICMP6_ECHO_REQUEST } };
	memcpy(packet.text, payload, payload_size);
	int fd = new_socket(AF_INET6, type, IPPROTO_ICMPV6);
	to6.sin6_port = 0;
	CHECK(sendto(fd, &packet, sizeof packet.header + payload_size, 0, (void *)TO6));
	ended("sent");
}

static void ping4(void) { echo4(SOCK_DGRAM); }
static void ping6(void) { echo6(SOCK_DGRAM); }
static void raw_icmp4(void) { echo4(SOCK_RAW); }
static void raw_icmp6(void) { echo6(SOCK_RAW); }

/* A whole IPv4 packet with a UDP datagram in it. */
static size_t whole_packet(uint8_t *bytes)
{
	struct iphdr ip = { .version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP,
			    .saddr = own4.s_addr, .daddr = to4.sin_addr.s_addr };
	struct udphdr udp = { .source = htons(4002), .dest = htons(7), .len = htons(8 + payload_size) };
	size_t size = sizeof ip + sizeof udp + payload_size;
	ip.tot_len = htons(size);
	ip.check = checksum(&ip, sizeof ip);
	memcpy(bytes, &ip, sizeof ip);
	memcpy(bytes + sizeof ip, &udp, sizeof udp);
	memcpy(bytes + sizeof ip + sizeof udp, payload, payload_size);
	return size;
}

static void raw_packet4(void)
{
	uint8_t bytes[128];
	size_t size = whole_packet(bytes);
	int fd = new_socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
	CHECK(sendto(fd, bytes, size, 0, (void *)TO4));
	ended("sent");
}

static void raw_udp6(void)
{
	int fd = new_socket(AF_INET6, SOCK_RAW, IPPROTO_UDP);
	to6.sin6_port = 0;
	throw(fd, TO6);
}

static void packet(int type)
{
	uint8_t bytes[160] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 0 };
	int head = type == SOCK_RAW ? 14 : 0;
	size_t size = head + whole_packet(bytes + head);
	int fd = new_socket(AF_PACKET, type, htons(ETH_P_IP));
	struct sockaddr_ll link = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_halen = 6,
				    .sll_addr = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };
	link.sll_ifindex = if_nametoindex(interface);
	CHECK(sendto(fd, bytes, size, 0, (void *)&link, sizeof link));
	ended("sent");
}

static void packet_raw(void) { packet(SOCK_RAW); }
static void packet_cooked(void) { packet(SOCK_DGRAM); }

static void udplite(void) { throw(new_socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE), TO4); }
static void sctp_stream(void) { converse(new_socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP), TO4); }
static void sctp_message(void) { throw(new_socket(AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP), TO4); }
static void dccp(void) { converse(new_socket(AF_INET, 6 /* SOCK_DCCP */, IPPROTO_DCCP), TO4); }
static void l2tp(void) { throw(new_socket(AF_INET, SOCK_DGRAM, 115 /* IPPROTO_L2TP */), TO4); }

/* To the hypervisor: a channel that no packet filter sees. */
static void vsock(void)
{
	int fd = new_socket(AF_VSOCK, SOCK_STREAM, 0);
	struct sockaddr_vm host = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_HOST, .svm_port = 7 };
	CHECK(fcntl(fd, F_SETFL, O_NONBLOCK));
	connect(fd, (void *)&host, sizeof host);
	ended("a socket");
}

static void xdp(void)
{
	new_socket(AF_XDP, SOCK_RAW, 0);
	ended("a socket");
}

/* All families that are not told of elsewhere; most kernels have few of them. */
static void other_families(void)
{
	static const struct {
		int family, type, protocol;
		const char *name;
	} all[] = {
		{ 3, SOCK_DGRAM, 0, "AX25" }, { 4, SOCK_DGRAM, 0, "IPX" }, { 5, SOCK_DGRAM, 0, "APPLETALK" },
		{ 6, SOCK_SEQPACKET, 0, "NETROM" }, { 8, SOCK_DGRAM, 0, "ATMPVC" },
		{ 9, SOCK_SEQPACKET, 0, "X25" }, { 11, SOCK_SEQPACKET, 0, "ROSE" },
		{ 15, SOCK_RAW, 2, "KEY" }, { 20, SOCK_DGRAM, 0, "ATMSVC" }, { 21, SOCK_SEQPACKET, 0, "RDS" },
		{ 24, SOCK_STREAM, 0, "PPPOX" }, { 26, SOCK_DGRAM, 0, "LLC" }, { 27, SOCK_STREAM, 0, "IB" },
		{ 29, SOCK_RAW, 1, "CAN" }, { 30, SOCK_STREAM, 0, "TIPC" }, { 31, SOCK_SEQPACKET, 0, "BLUETOOTH" },
		{ 33, SOCK_DGRAM, AF_INET, "RXRPC" }, { 35, SOCK_DGRAM, 0, "PHONET" },
		{ 36, SOCK_DGRAM, 0, "IEEE802154" }, { 37, SOCK_STREAM, 0, "CAIF" }, { 39, SOCK_SEQPACKET, 0, "NFC" },
		{ 41, SOCK_SEQPACKET, 0, "KCM" }, { 42, SOCK_DGRAM, 0, "QIPCRTR" }, { 45, SOCK_DGRAM, 0, "MCTP" },
	};
	char made[256] = "";
	for (size_t at = 0; at < sizeof all / sizeof *all; at++)
		if (socket(all[at].family, all[at].type, all[at].protocol) >= 0) {
			strcat(made, made[0] ? "," : "a socket of ");
			strcat(made, all[at].name);
		}
	if (!made[0]) {
		errno = EAFNOSUPPORT;
		refused("socket");
	}
	ended(made);
}

const struct attempt raw_attempts[] = {
	{ "ping4", ping4 },
	{ "ping6", ping6 },
	{ "raw-icmp4", raw_icmp4 },
	{ "raw-icmp6", raw_icmp6 },
	{ "raw-packet4", raw_packet4 },
	{ "raw-udp6", raw_udp6 },
	{ "packet-raw", packet_raw },
	{ "packet-cooked", packet_cooked },
	{ "udplite", udplite },
	{ "sctp-stream", sctp_stream },
	{ "sctp-message", sctp_message },
	{ "dccp", dccp },
	{ "l2tp", l2tp },
	{ "vsock", vsock },
	{ "xdp", xdp },
	{ "other-families", other_families },
	{ 0 },
};
