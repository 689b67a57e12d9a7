// A program in C that does with POSIX queues, semaphores and shared memory what
// it is told, a command a line, and answers each with a line: "ok …", or
// "err ERRNO". It calls the C library only.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static mqd_t queue = (mqd_t)-1;
static sem_t *sem;
static char *mem;

static void answer(int bad, const char *text) {
	if (bad)
		printf("err %d\n", errno);
	else if (text && *text)
		printf("ok %s\n", text);
	else
		printf("ok\n");
	fflush(stdout);
}

static struct timespec in(long ms) {
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

static int map(int fd) {
	struct stat st;
	if (fd < 0 || fstat(fd, &st))
		return -1;
	mem = mmap(0, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return mem == MAP_FAILED ? -1 : 0;
}

static void queues(char *verb, char *name, char *text, long n) {
	static char buf[1 << 17];
	if (!strcmp(verb, "qcreate")) {
		struct mq_attr a = {.mq_maxmsg = atol(text), .mq_msgsize = n};
		queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &a);
		answer(queue == (mqd_t)-1, 0);
	} else if (!strcmp(verb, "qopen")) {
		queue = mq_open(name, O_RDWR);
		answer(queue == (mqd_t)-1, 0);
	} else if (!strcmp(verb, "qattr")) {
		struct mq_attr a;
		int bad = mq_getattr(queue, &a);
		sprintf(buf, "%ld %ld %ld", a.mq_maxmsg, a.mq_msgsize, a.mq_curmsgs);
		answer(bad, buf);
	} else if (!strcmp(verb, "qsend")) {
		answer(mq_send(queue, text, strlen(text), n), 0);
	} else if (!strcmp(verb, "qreceive")) {
		unsigned prio;
		ssize_t r = mq_receive(queue, buf, sizeof buf - 64, &prio);
		if (r >= 0)
			sprintf(buf + r, " %u", prio);
		answer(r < 0, buf);
	} else if (!strcmp(verb, "qnotify")) {
		struct sigevent ev = {.sigev_notify = SIGEV_NONE};
		answer(mq_notify(queue, &ev), 0);
	} else if (!strcmp(verb, "qremove")) {
		answer(mq_unlink(name), 0);
	}
}

static void semaphores(char *verb, char *name, char *text) {
	long n = atol(text);
	if (!strcmp(verb, "screate")) {
		sem_t *s = sem_open(name, O_CREAT | O_EXCL, 0600, (unsigned)n);
		if (s != SEM_FAILED)
			sem = s;
		answer(s == SEM_FAILED, 0);
	} else if (!strcmp(verb, "sopen")) {
		sem_t *s = sem_open(name, 0);
		if (s != SEM_FAILED)
			sem = s;
		answer(s == SEM_FAILED, 0);
	} else if (!strcmp(verb, "sinit")) { // in shared memory
		sem = (sem_t *)(mem + n);
		answer(sem_init(sem, 1, 2), 0);
	} else if (!strcmp(verb, "sat")) {
		sem = (sem_t *)(mem + n);
		answer(0, 0);
	} else if (!strcmp(verb, "swait")) {
		answer(sem_wait(sem), 0);
	} else if (!strcmp(verb, "stry")) {
		answer(sem_trywait(sem), 0);
	} else if (!strcmp(verb, "stimed")) {
		struct timespec t = in(n);
		answer(sem_timedwait(sem, &t), 0);
	} else if (!strcmp(verb, "spost")) {
		answer(sem_post(sem), 0);
	} else if (!strcmp(verb, "smany")) { // take and give n times
		int bad = 0;
		for (long i = 0; i < n && !bad; i++)
			bad = sem_wait(sem) || sem_post(sem);
		answer(bad, 0);
	} else if (!strcmp(verb, "svalue")) {
		int v = -1;
		char out[32];
		int bad = sem_getvalue(sem, &v);
		sprintf(out, "%d", v);
		answer(bad, out);
	} else if (!strcmp(verb, "ssize")) {
		char out[32];
		sprintf(out, "%zu", sizeof(sem_t));
		answer(0, out);
	} else if (!strcmp(verb, "sremove")) {
		answer(sem_unlink(name), 0);
	}
}

static void memory(char *verb, char *name, char *text) {
	long n = atol(text);
	if (!strcmp(verb, "mcreate")) {
		int fd = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600);
		answer(fd < 0 || ftruncate(fd, n) || map(fd), 0);
	} else if (!strcmp(verb, "mopen")) {
		answer(map(shm_open(name, O_RDWR, 0)), 0);
	} else if (!strcmp(verb, "mwrite")) {
		strcpy(mem, text);
		answer(0, 0);
	} else if (!strcmp(verb, "mread")) {
		answer(0, mem);
	} else if (!strcmp(verb, "mremove")) {
		answer(shm_unlink(name), 0);
	} else if (!strcmp(verb, "mname")) { // what the name rules say: open, then unlink
		int fd = shm_open(name, O_CREAT | O_RDWR, 0600);
		answer(fd < 0, 0);
		if (fd >= 0) {
			close(fd);
			shm_unlink(name);
		}
	}
}

int main(void) {
	static char line[1 << 16];
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = 0;
		char *verb = strtok(line, " "), *name = strtok(0, " "), *text = strtok(0, " "), *more = strtok(0, " ");
		if (!verb)
			continue;
		if (!text)
			text = "";
		switch (verb[0]) {
		case 'q': queues(verb, name, text, more ? atol(more) : 0); break;
		case 's': semaphores(verb, name ? name : "", text); break;
		case 'm': memory(verb, name, text); break;
		}
	}
	return 0;
}
