// The raw calls in C: a peer for the interop tests, and the measure for the
// benchmarks.
//
//	peer echo stream|seqpacket|dgram FD COUNT SIZE   send back what comes, COUNT times
//	peer ping stream|seqpacket FD COUNT SIZE         print nanoseconds a round trip
//	peer pingpong stream|seqpacket COUNT SIZE        both, with a child
//	peer send stream|seqpacket PATH TEXT             send a framed or bare message
//	peer sendfd stream|seqpacket PATH FILE           send a message and a descriptor
//	peer serve stream|seqpacket PATH                 receive one, print it, and answer
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) { perror(what); exit(1); }
static int is_stream(const char *kind) { return strcmp(kind, "stream") == 0; }

static int type_of(const char *kind) {
	if (is_stream(kind)) return SOCK_STREAM;
	return strcmp(kind, "dgram") == 0 ? SOCK_DGRAM : SOCK_SEQPACKET;
}

static void header(unsigned char *h, uint32_t n, int files) {
	h[0] = 0xB7, h[1] = 1, h[2] = 0, h[3] = files;
	h[4] = n, h[5] = n >> 8, h[6] = n >> 16, h[7] = n >> 24;
}

// read_message reads a frame with a buffer of its own, in one call where it can.
static char ahead[1 << 20];
static size_t have;

static ssize_t read_message(int fd, int stream, char *buf, size_t room) {
	if (!stream) return recv(fd, buf, room, 0);
	for (;;) {
		if (have >= 8) {
			uint32_t n = (unsigned char)ahead[4] | (unsigned char)ahead[5] << 8 | (unsigned char)ahead[6] << 16 | (uint32_t)(unsigned char)ahead[7] << 24;
			if (n > room) { fprintf(stderr, "a frame of %u bytes\n", n); exit(1); }
			if (have >= 8 + n) {
				memcpy(buf, ahead + 8, n);
				have -= 8 + n;
				memmove(ahead, ahead + 8 + n, have);
				return n;
			}
		}
		ssize_t k = read(fd, ahead + have, sizeof ahead - have);
		if (k <= 0) return -1;
		have += k;
	}
}

static void write_message(int fd, int stream, const char *buf, size_t n) {
	unsigned char h[8];
	struct iovec v[2] = {{h, 8}, {(void *)buf, n}};
	header(h, n, 0);
	struct msghdr m = {.msg_iov = stream ? v : v + 1, .msg_iovlen = stream ? 2 : 1};
	size_t want = n + (stream ? 8 : 0);
	while (want > 0) {
		ssize_t k = sendmsg(fd, &m, MSG_NOSIGNAL);
		if (k < 0) die("sendmsg");
		if (!stream) return;
		want -= k;
		for (int i = 0; i < 2; i++) {
			size_t c = (size_t)k < v[i].iov_len ? (size_t)k : v[i].iov_len;
			v[i].iov_base = (char *)v[i].iov_base + c, v[i].iov_len -= c, k -= c;
		}
	}
}

static void echo(int fd, int stream, long count, size_t size) {
	char *buf = malloc(size + 1);
	for (long i = 0; i < count; i++) {
		ssize_t n = read_message(fd, stream, buf, size);
		if (n < 0) die("read");
		write_message(fd, stream, buf, n);
	}
}

static int by_time(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void ping(int fd, int stream, long count, size_t size) {
	char *buf = calloc(1, size + 1);
	double *t = malloc(count * sizeof *t);
	for (long i = 0; i < count; i++) {
		struct timespec a, b;
		clock_gettime(CLOCK_MONOTONIC, &a);
		write_message(fd, stream, buf, size);
		if (read_message(fd, stream, buf, size) != (ssize_t)size) die("read");
		clock_gettime(CLOCK_MONOTONIC, &b);
		t[i] = (b.tv_sec - a.tv_sec) * 1e9 + (b.tv_nsec - a.tv_nsec);
	}
	qsort(t, count, sizeof *t, by_time);
	printf("%.0f\n", t[count / 2]);
}

static int at(const char *kind, const char *path, int serve) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	socklen_t n = offsetof(struct sockaddr_un, sun_path) + strlen(path);
	memcpy(a.sun_path, path, strlen(path));
	if (path[0] == '@') a.sun_path[0] = 0; else n++;
	int fd = socket(AF_UNIX, type_of(kind), 0);
	if (fd < 0) die("socket");
	if (!serve) { if (connect(fd, (void *)&a, n) < 0) die("connect"); return fd; }
	if (bind(fd, (void *)&a, n) < 0) die("bind");
	if (type_of(kind) != SOCK_DGRAM && listen(fd, 5) < 0) die("listen");
	puts("listening"), fflush(stdout);
	if (type_of(kind) == SOCK_DGRAM) return fd;
	if ((fd = accept(fd, 0, 0)) < 0) die("accept");
	return fd;
}

static void send_fd(int fd, int stream, int file) {
	unsigned char h[8];
	struct iovec v[2] = {{h, 8}, {"with a file", 11}};
	union { struct cmsghdr h; char b[CMSG_SPACE(sizeof(int))]; } c;
	memset(&c, 0, sizeof c);
	c.h.cmsg_len = CMSG_LEN(sizeof file), c.h.cmsg_level = SOL_SOCKET, c.h.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&c.h), &file, sizeof file);
	header(h, 11, 1);
	struct msghdr m = {.msg_iov = stream ? v : v + 1, .msg_iovlen = stream ? 2 : 1, .msg_control = &c, .msg_controllen = sizeof c};
	if (sendmsg(fd, &m, 0) < 0) die("sendmsg");
}

int main(int argc, char **argv) {
	if (argc < 4) return 2;
	const char *verb = argv[1], *kind = argv[2];
	int stream = is_stream(kind);
	char buf[70000];
	if (!strcmp(verb, "echo")) {
		echo(atoi(argv[3]), stream, atol(argv[4]), atol(argv[5]));
	} else if (!strcmp(verb, "ping")) {
		ping(atoi(argv[3]), stream, atol(argv[4]), atol(argv[5]));
	} else if (!strcmp(verb, "pingpong")) {
		int p[2];
		if (socketpair(AF_UNIX, type_of(kind), 0, p) < 0) die("socketpair");
		pid_t child = fork();
		if (child == 0) { echo(p[1], stream, atol(argv[3]), atol(argv[4])); exit(0); }
		ping(p[0], stream, atol(argv[3]), atol(argv[4]));
		waitpid(child, 0, 0);
	} else if (!strcmp(verb, "send")) {
		int fd = at(kind, argv[3], 0);
		write_message(fd, stream, argv[4], strlen(argv[4]));
		if (type_of(kind) == SOCK_DGRAM) return 0;
		ssize_t n = read_message(fd, stream, buf, sizeof buf);
		printf("%.*s\n", n < 0 ? 0 : (int)n, buf);
	} else if (!strcmp(verb, "sendfd")) {
		int file = open(argv[4], O_RDONLY);
		if (file < 0) die(argv[4]);
		send_fd(at(kind, argv[3], 0), stream, file);
	} else if (!strcmp(verb, "serve")) {
		int fd = at(kind, argv[3], 1);
		ssize_t n = read_message(fd, stream, buf, sizeof buf);
		printf("%.*s\n", n < 0 ? 0 : (int)n, buf), fflush(stdout);
		if (type_of(kind) != SOCK_DGRAM) write_message(fd, stream, "answer from C", 13);
		pause();
	} else {
		return 2;
	}
	return 0;
}
