/* The same exchange in plain C: bench KIND ID COUNT SIZE ROLE. Through a queue the
 * asker sends type 1 and receives type 2, the answerer the other way round; with a
 * semaphore set the asker raises 0 and lowers 1. The asker prints the median round
 * trip in nanoseconds. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <time.h>

static struct { long type; char text[1 << 17]; } m;

static long now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int order(const void *a, const void *b) {
	long d = *(const long *)a - *(const long *)b;
	return d < 0 ? -1 : d > 0;
}

static int queue, id, size;

static int give(int to) {
	if (queue) {
		m.type = to + 1;
		return msgsnd(id, &m, size, 0);
	}
	struct sembuf up = {to, 1, 0};
	return semop(id, &up, 1);
}

static int take(int from) {
	if (queue) return msgrcv(id, &m, sizeof m.text, from + 1, 0) == size ? 0 : -1;
	struct sembuf down = {from, -1, 0};
	return semop(id, &down, 1);
}

int main(int argc, char **argv) {
	if (argc != 6) return 2;
	queue = !strcmp(argv[1], "queue");
	id = atoi(argv[2]);
	int count = atoi(argv[3]), asks = !strcmp(argv[5], "ask");
	size = atoi(argv[4]);
	long *took = calloc(count, sizeof *took);
	for (int i = 0; i < count; i++) {
		long began = now();
		if (asks ? give(0) || take(1) : take(0) || give(1)) {
			perror("bench");
			return 1;
		}
		took[i] = now() - began;
	}
	if (asks) {
		qsort(took, count, sizeof *took, order);
		printf("%ld\n", took[count / 2]);
	}
	return 0;
}
