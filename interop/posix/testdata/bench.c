// Round trips between two processes with nothing but the C library:
//
//	bench mq  THERE BACK SIZE COUNT ping|echo
//	bench sem THERE BACK 0    COUNT ping|echo
//
// ping writes the median and the 99th percentile, in nanoseconds.
#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static long now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int compare(const void *a, const void *b) {
	long x = *(long *)a, y = *(long *)b;
	return (x > y) - (x < y);
}

static void fail(const char *what) {
	perror(what);
	exit(1);
}

int main(int argc, char **argv) {
	if (argc != 7)
		return 2;
	int queues = !strcmp(argv[1], "mq"), ping = !strcmp(argv[6], "ping");
	const char *out = argv[ping ? 2 : 3], *in = argv[ping ? 3 : 2];
	long size = atol(argv[4]), count = atol(argv[5]);
	char *buf = calloc(1, size + 1);
	long *took = calloc(count, sizeof *took);
	mqd_t qout = 0, qin = 0;
	sem_t *sout = 0, *sin = 0;
	if (queues) {
		qout = mq_open(out, O_WRONLY);
		qin = mq_open(in, O_RDONLY);
		if (qout < 0 || qin < 0)
			fail("mq_open");
	} else {
		sout = sem_open(out, 0);
		sin = sem_open(in, 0);
		if (sout == SEM_FAILED || sin == SEM_FAILED)
			fail("sem_open");
	}
	for (long i = 0; i < count; i++) {
		long began = now();
		if (queues) {
			if (ping && mq_send(qout, buf, size, 0))
				fail("mq_send");
			if (mq_receive(qin, buf, size, 0) < 0)
				fail("mq_receive");
			if (!ping && mq_send(qout, buf, size, 0))
				fail("mq_send");
		} else {
			if (ping && sem_post(sout))
				fail("sem_post");
			if (sem_wait(sin))
				fail("sem_wait");
			if (!ping && sem_post(sout))
				fail("sem_post");
		}
		took[i] = now() - began;
	}
	if (ping) {
		qsort(took, count, sizeof *took, compare);
		printf("%ld %ld\n", took[count / 2], took[count * 99 / 100]);
	}
	return 0;
}
