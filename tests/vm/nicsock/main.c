/* SPDX-License-Identifier: MIT */
/*
 * main.c - weir-nicsock: sockets that a NIC steers, opened and closed step by step.
 *
 * Theory: a script looks at the NIC between the steps. Each step says what it did, and the next one
 * begins when a line comes on standard input; the engine runs meanwhile. Only the public
 * interface is used, as by any program.
 *
 *	weir-nicsock IFACE listen ADDR           listener; its first connection; closes in that
 *	order weir-nicsock IFACE connect ADDR
 *	weir-nicsock IFACE udp ADDR
 *	weir-nicsock IFACE port LOCAL REMOTE Q   connects from a port that leads to queue Q, no rule
 *	weir-nicsock - serve ADDR BYTES          plain sockets: sends so many bytes to whoever comes
 */
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weir/weir.h>

static struct weir_engine *engine;
static struct weir_nic *nic;
static struct weir_sock *listener, *connection;
static unsigned long long received_bytes;
static unsigned closed_count;

__attribute__((noreturn)) static void die(const char *what, const struct weir_error *err)
{
	printf("failed: %s\n", what);
	weir_error_print(stdout, err);
	exit(1);
}

static void on_received(struct weir_sock *s, struct weir_slice *v, unsigned n, void *user)
{
	(void)s;
	(void)user;
	for (unsigned i = 0; i < n; i++)
		received_bytes += v[i].len;
	printf("received %llu\n", received_bytes);
}

static void on_accepted(struct weir_sock *from, struct weir_sock *s, void *user)
{
	(void)from;
	(void)user;
	connection = s;
	printf("accepted\n");
}

static void on_ended(struct weir_sock *s, int res, void *user)
{
	(void)s;
	(void)user;
	printf("ended %d\n", res); /* it stays open until the script says so */
}

static void on_closed(struct weir_sock *s, void *user)
{
	(void)s;
	(void)user;
	closed_count++;
}

static const struct weir_sock_ops ops = {
	.accepted = on_accepted, .received = on_received, .ended = on_ended, .closed = on_closed
};

static void round_of_engine(void)
{
	int r = weir_engine_dispatch(engine, 20000);

	if (r < 0)
		die("weir_engine_dispatch", &(struct weir_error){ .code = r });
}

static void next_line(void)
{
	struct pollfd in = { .fd = 0, .events = POLLIN };
	char c = 0;

	while (c != '\n') {
		round_of_engine();
		if (poll(&in, 1, 0) == 1 && read(0, &c, 1) != 1)
			exit(1); /* the script is gone */
	}
}

static void close_one(struct weir_sock *s, const char *what)
{
	unsigned before = closed_count;

	if (s)
		weir_sock_close(s);
	while (s && closed_count == before)
		round_of_engine();
	printf("%s closed\n", what);
}

static struct weir_sock_opts with_nic(void)
{
	return (struct weir_sock_opts){ .size = sizeof(struct weir_sock_opts), .nic = nic };
}

static void do_listen(const char *address)
{
	struct weir_sock_opts o = with_nic();
	struct weir_error err;

	if (weir_listen(engine, address, &ops, NULL, &o, &listener, &err))
		die("listen", &err);
	printf("listening\n");
	next_line();
	close_one(listener, "listener");
	next_line();
	close_one(connection, "connection");
}

static void do_connect(const char *address, const char *local, bool by_rule)
{
	struct weir_sock_opts o = with_nic();
	struct weir_error err;

	if (!by_rule)
		o.nic = NULL;
	o.local = local;
	if (weir_connect(engine, address, &ops, NULL, &o, &connection, &err))
		die("connect", &err);
	printf("connecting\n");
	next_line();
	close_one(connection, "connection");
}

static void do_udp(const char *address)
{
	struct weir_sock_opts o = with_nic();
	struct weir_error err;

	if (weir_udp_open(engine, address, &ops, NULL, &o, &connection, &err))
		die("udp", &err);
	printf("bound\n");
	next_line();
	close_one(connection, "socket");
}

static void do_port(const char *ifname, const char *local, const char *remote, const char *queue)
{
	const struct weir_nic_info *info;
	struct weir_addr l, r;
	struct weir_error err;
	char text[128];
	uint16_t port = 0;

	if (weir_nic_info_read(&info, ifname, &err) || weir_addr_parse(local, &l, &err) ||
	    weir_addr_parse(remote, &r, &err) ||
	    weir_nic_source_port(info, &l, &r, IPPROTO_TCP, (unsigned)atoi(queue), &port, &err))
		die("port", &err);
	weir_nic_info_free(info);
	((struct sockaddr_in *)&l.storage)->sin_port = htons(port);
	printf("port %u\n", port);
	do_connect(remote, weir_addr_format(&l.sa, text, sizeof(text)), false);
}

/* Without the library: the other end. */
static int do_serve(const char *address, const char *bytes)
{
	static char data[65536];
	struct weir_addr a;
	int fd, one = 1;

	if (weir_addr_parse(address, &a, NULL))
		return 2;
	fd = socket(a.sa.sa_family, SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, &a.sa, a.len) || listen(fd, 8))
		return 1;
	printf("listening\n");
	for (;;) {
		size_t left = strtoul(bytes, NULL, 10);
		int c = accept(fd, NULL, NULL);

		if (c < 0)
			return 1;
		while (left) {
			ssize_t n = write(c, data, left < sizeof(data) ? left : sizeof(data));

			if (n <= 0)
				break;
			left -= (size_t)n;
		}
		close(c);
	}
}

static void open_nic(const char *ifname)
{
	struct weir_nic_opts o = { .size = sizeof(o),
				   .flags = WEIR_NIC_FOR_ZCRX,
				   .ifname = ifname,
				   .queue_first = 3,
				   .name = "nicsock" };
	struct weir_error err;

	if (weir_nic_open(&nic, &o, &err))
		die("weir_nic_open", &err);
}

int main(int argc, char **argv)
{
	struct weir_error err;
	bool by_port;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc == 5 && !strcmp(argv[2], "serve"))
		return do_serve(argv[3], argv[4]);
	by_port = argc == 6 && !strcmp(argv[2], "port");
	if (!by_port && argc != 4)
		return 2;
	if (weir_engine_open(&engine, NULL, &err))
		die("weir_engine_open", &err);
	if (!by_port)
		open_nic(argv[1]);
	/* The sockets have references of their own: the NIC is closed with the last of them. */
	if (by_port)
		do_port(argv[1], argv[3], argv[4], argv[5]);
	else if (!strcmp(argv[2], "listen"))
		do_listen(argv[3]);
	else if (!strcmp(argv[2], "connect"))
		do_connect(argv[3], NULL, true);
	else if (!strcmp(argv[2], "udp"))
		do_udp(argv[3]);
	if (!by_port)
		next_line();
	weir_engine_close(engine);
	if (weir_nic_close(nic, &err))
		die("weir_nic_close", &err);
	return 0;
}
