/* A peer that knows System V IPC from C, and nothing of Isthmus. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <unistd.h>

#include <asm/msgbuf.h>
#undef shmid64_ds
#include <asm/sembuf.h>
#include <asm/shmbuf.h>

union semun { int val; struct semid_ds *buf; unsigned short *array; };
struct text { long type; char text[65536]; };

static void check(int bad, const char *what) {
	if (bad) {
		fprintf(stderr, "%s: %s\n", what, strerror(errno));
		exit(1);
	}
}

static void say(const char *s) { puts(s); fflush(stdout); }
static void hold(void) { char line[16]; (void)!fgets(line, sizeof line, stdin); }

#define AT(T, f) printf(#T "." #f " %zu\n", offsetof(struct T, f))

static void layout(void) {
	AT(ipc64_perm, uid); AT(ipc64_perm, mode); AT(ipc64_perm, seq);
	AT(msqid64_ds, msg_stime); AT(msqid64_ds, msg_ctime); AT(msqid64_ds, msg_cbytes);
	AT(msqid64_ds, msg_qbytes); AT(msqid64_ds, msg_lspid);
	AT(shmid64_ds, shm_segsz); AT(shmid64_ds, shm_ctime); AT(shmid64_ds, shm_cpid); AT(shmid64_ds, shm_nattch);
	AT(semid64_ds, sem_otime); AT(semid64_ds, sem_ctime); AT(semid64_ds, sem_nsems);
	printf("sizes %zu %zu %zu %zu %zu\n", sizeof(struct ipc64_perm), sizeof(struct msqid64_ds),
	       sizeof(struct shmid64_ds), sizeof(struct semid64_ds), sizeof(struct sembuf));
}

/* The creation of semctl(2) and Stevens. */
static int get_set(key_t key, int n, int value) {
	int id = semget(key, n, IPC_CREAT | IPC_EXCL | 0600);
	if (id >= 0) {
		unsigned short values[32];
		for (int i = 0; i < n; i++) values[i] = value;
		union semun arg = {.array = values};
		check(semctl(id, 0, SETALL, arg) < 0, "SETALL");
		struct sembuf ops[] = {{0, 1, 0}, {0, -1, 0}};
		check(semop(id, ops, 2) < 0, "semop");
		return id;
	}
	check(errno != EEXIST, "semget");
	id = semget(key, n, 0);
	check(id < 0, "semget");
	for (;;) {
		struct semid_ds ds;
		union semun arg = {.buf = &ds};
		check(semctl(id, 0, IPC_STAT, arg) < 0, "IPC_STAT");
		if (ds.sem_otime != 0) return id;
		usleep(100);
	}
}

int main(int argc, char **argv) {
	const char *verb = argv[1];
	if (!strcmp(verb, "layout")) { layout(); return 0; }
	if (!strcmp(verb, "ftok")) { /* PATH ID… */
		for (int i = 2; i + 1 < argc; i += 2) printf("%d\n", (int)ftok(argv[i], atoi(argv[i + 1])));
		return 0;
	}
	key_t key = (key_t)strtol(argv[2], 0, 0);
	static struct text m;
	if (!strcmp(verb, "msgsnd")) { /* KEY TYPE TEXT */
		int id = msgget(key, IPC_CREAT | 0600);
		check(id < 0, "msgget");
		m.type = atol(argv[3]);
		strcpy(m.text, argv[4]);
		check(msgsnd(id, &m, strlen(argv[4]), 0) < 0, "msgsnd");
	} else if (!strcmp(verb, "msgrcv")) { /* KEY TYPE FLAGS SIZE */
		int id = msgget(key, IPC_CREAT | 0600);
		check(id < 0, "msgget");
		say("ready");
		ssize_t n = msgrcv(id, &m, atol(argv[5]), atol(argv[3]), atoi(argv[4]));
		check(n < 0, "msgrcv");
		printf("%ld %.*s\n", m.type, (int)n, m.text);
	} else if (!strcmp(verb, "echo")) { /* KEY: type 1 comes back as type 2 */
		int id = msgget(key, IPC_CREAT | 0600);
		check(id < 0, "msgget");
		say("ready");
		for (;;) {
			ssize_t n = msgrcv(id, &m, sizeof m.text, 1, 0);
			if (n < 0 && (errno == EIDRM || errno == EINVAL)) return 0;
			check(n < 0, "msgrcv");
			m.type = 2;
			check(msgsnd(id, &m, n, 0) < 0, "msgsnd");
		}
	} else if (!strcmp(verb, "semget")) { /* KEY N VALUE */
		printf("%d\n", get_set(key, atoi(argv[3]), atoi(argv[4])));
	} else if (!strcmp(verb, "semop")) { /* KEY INDEX DELTA FLAGS */
		int id = semget(key, 0, 0);
		check(id < 0, "semget");
		struct sembuf op = {atoi(argv[3]), atoi(argv[4]), atoi(argv[5])};
		say("ready");
		check(semop(id, &op, 1) < 0, "semop");
		say("done");
		hold();
	} else if (!strcmp(verb, "shmat")) { /* KEY SIZE TEXT: show what is there, write TEXT */
		int id = shmget(key, atol(argv[3]), IPC_CREAT | 0600);
		check(id < 0, "shmget");
		char *shared = shmat(id, NULL, 0);
		check(shared == (char *)-1, "shmat");
		printf("%s\n", shared);
		strcpy(shared, argv[4]);
		say("written");
		hold();
	}
	return 0;
}
