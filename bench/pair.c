/* SPDX-License-Identifier: MIT */
/*
 * pair.c - the two processes of a trial: started, pinned, watched, ended.
 *
 * Theory:
 *	harness: fork rx, pin to one core    rx: listen, rx_ready = 1, work
 *	         wait for rx_ready
 *	         fork tx, pin to the other   tx: connect, tx_ready = 1, work
 *	         wait for tx_ready, warm up
 *	         look, sleep, look           = one window
 *	         kill both, wait for both
 *	Both are in the harness's process group (an interrupt from the keyboard ends all three) and
 *	die with it (PR_SET_PDEATHSIG).  An end that returns has failed and says why in shared
 *	memory.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define START_DEADLINE_S 10.0

/**
 * struct look - counters of a trial at one moment.
 */
struct look {
	double when;
	double rx_cpu_s;
	double tx_cpu_s;
	uint64_t rx_units;
	uint64_t rx_bytes;
	uint64_t tx_units;
	uint64_t tx_bytes;
	uint64_t rx_delay_ns;
	uint64_t tx_delay_ns;
	uint64_t preempted;
	double rx_steal_s;
	double tx_steal_s;
};

struct bench_shared *bench_shared_get(void)
{
	static struct bench_shared *sh;

	if (!sh) {
		void *mem = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

		if (mem != MAP_FAILED)
			sh = mem;
	}
	return sh;
}

static pid_t start_end(struct bench_pair *p, bench_end_fn fn, int cpu)
{
	pid_t parent = getpid(), pid;

	fflush(NULL);
	pid = fork();
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGPIPE, SIG_IGN);
	if (bench_pin(cpu))
		bench_fail(&p->side, -errno, "sched_setaffinity");
	if (p->side.set->nice && setpriority(PRIO_PROCESS, 0, p->side.set->nice))
		bench_fail(&p->side, -errno, "setpriority (--nice)");
	/* Page tables of shared memory are not inherited; MADV_POPULATE_WRITE is 23. */
	madvise(p->side.sh, sizeof(*p->side.sh), 23);
	fn(&p->side);
	_exit(1);
}

/* Waits until @flag is set; an end that is gone or a deadline that passed is a failure. */
static int wait_for(struct bench_pair *p, _Atomic uint32_t *flag, uint32_t value, double deadline_s)
{
	double end = bench_now_s() + deadline_s;

	while (atomic_load(flag) != value) {
		if (waitpid(p->rx_pid, NULL, WNOHANG) == p->rx_pid) {
			p->rx_pid = 0;
			return -ECHILD;
		}
		if (p->tx_pid && waitpid(p->tx_pid, NULL, WNOHANG) == p->tx_pid) {
			p->tx_pid = 0;
			return -ECHILD;
		}
		if (bench_now_s() > end) {
			bench_fail(&p->side, -ETIMEDOUT, "start");
			return -ETIMEDOUT;
		}
		bench_sleep_s(0.0005);
	}
	return 0;
}

int bench_pair_start(struct bench_pair *p, const struct bench_group *g,
		     const struct bench_contender *c, const struct bench_settings *set)
{
	struct bench_shared *sh = bench_shared_get();
	int res;

	memset(p, 0, sizeof(*p));
	p->rx_sock = -1;
	if (!sh)
		return -ENOMEM;
	memset(sh, 0, offsetof(struct bench_shared, sample_ns));
	p->side = (struct bench_side){ .sh = sh, .group = g, .contender = c, .set = set };
	p->rx_pid = start_end(p, c->rx, BENCH_RX_CPU);
	if (p->rx_pid < 0)
		return -errno;
	res = wait_for(p, &sh->rx_ready, 1, START_DEADLINE_S);
	if (res)
		return res;
	p->tx_pid = start_end(p, c->tx ? c->tx : g->tx, BENCH_TX_CPU);
	if (p->tx_pid < 0)
		return -errno;
	return wait_for(p, &sh->tx_ready, 1, START_DEADLINE_S);
}

static void look_at(struct bench_pair *p, struct look *ret)
{
	struct bench_shared *sh = p->side.sh;

	/* What takes long to read comes first, what must belong together last. */
	ret->rx_steal_s = bench_core_steal_s(BENCH_RX_CPU);
	ret->tx_steal_s = bench_core_steal_s(BENCH_TX_CPU);
	ret->preempted = bench_process_preempted(p->rx_pid) + bench_process_preempted(p->tx_pid);
	ret->rx_delay_ns = bench_process_delay_ns(p->rx_pid);
	ret->tx_delay_ns = bench_process_delay_ns(p->tx_pid);
	ret->when = bench_now_s();
	ret->rx_bytes = p->rx_sock >= 0 ? bench_tcp_received(p->rx_sock) :
					  atomic_load_explicit(&sh->rx_bytes, memory_order_relaxed);
	ret->rx_units = atomic_load_explicit(&sh->rx_units, memory_order_relaxed);
	ret->rx_cpu_s = bench_process_cpu_s(p->rx_pid);
	ret->tx_units = atomic_load_explicit(&sh->tx_units, memory_order_relaxed);
	ret->tx_bytes = atomic_load_explicit(&sh->tx_bytes, memory_order_relaxed);
	ret->tx_cpu_s = bench_process_cpu_s(p->tx_pid);
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

/*
 * One window of @seconds.  Return: 0; -ECHILD where an end has gone.
 */
int bench_pair_window(struct bench_pair *p, double seconds, struct bench_window *ret)
{
	struct look a, b;

	look_at(p, &a);
	atomic_store(&p->side.sh->measuring, 1);
	bench_sleep_s(seconds);
	atomic_store(&p->side.sh->measuring, 0);
	look_at(p, &b);
	ret->seconds = b.when - a.when;
	ret->rx_cpu_s = b.rx_cpu_s - a.rx_cpu_s;
	ret->tx_cpu_s = b.tx_cpu_s - a.tx_cpu_s;
	ret->rx_units = b.rx_units - a.rx_units;
	ret->rx_bytes = b.rx_bytes - a.rx_bytes;
	ret->tx_units = b.tx_units - a.tx_units;
	ret->tx_bytes = b.tx_bytes - a.tx_bytes;
	ret->delay = larger((double)(b.rx_delay_ns - a.rx_delay_ns),
			    (double)(b.tx_delay_ns - a.tx_delay_ns)) *
		     1e-9 / ret->seconds;
	ret->steal =
		larger(b.rx_steal_s - a.rx_steal_s, b.tx_steal_s - a.tx_steal_s) / ret->seconds;
	ret->preempted = (double)(b.preempted - a.preempted) / ret->seconds;
	if (waitpid(p->rx_pid, NULL, WNOHANG) == p->rx_pid) {
		p->rx_pid = 0;
		return -ECHILD;
	}
	if (waitpid(p->tx_pid, NULL, WNOHANG) == p->tx_pid) {
		p->tx_pid = 0;
		return -ECHILD;
	}
	return 0;
}

/* Gives the sending end a command and waits until it says that it is carried out. */
int bench_pair_command(struct bench_pair *p, enum bench_command command, uint32_t arg,
		       uint32_t rate, double deadline_s)
{
	struct bench_shared *sh = p->side.sh;
	uint32_t serial = atomic_load(&sh->command_serial) + 1;

	sh->command_arg = arg;
	sh->command_rate = rate;
	atomic_store(&sh->command, command);
	atomic_store(&sh->command_serial, serial);
	return wait_for(p, &sh->command_done, serial, deadline_s);
}

/* Makes the receiving end publish its memory figures, by a message of the sending end. */
int bench_pair_report(struct bench_pair *p, double deadline_s)
{
	struct bench_shared *sh = p->side.sh;
	uint64_t before = atomic_load(&sh->reports);
	double end = bench_now_s() + deadline_s;
	int res;

	res = bench_pair_command(p, BENCH_COMMAND_REPORT, 0, 0, deadline_s);
	while (!res && atomic_load(&sh->reports) == before) {
		if (bench_now_s() > end)
			return bench_fail(&p->side, -ETIMEDOUT, "report");
		bench_sleep_s(0.001);
	}
	return res;
}

static void end_process(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGKILL);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

/* Ends both processes; @why (256 bytes) receives the reason an end gave for failing, or "". */
void bench_pair_stop(struct bench_pair *p, char *why)
{
	if (p->rx_sock >= 0)
		close(p->rx_sock);
	p->rx_sock = -1;
	end_process(&p->tx_pid);
	end_process(&p->rx_pid);
	snprintf(why, 256, "%.255s", p->side.sh ? p->side.sh->why : "");
}

/* A whole trial with one window, for groups that need no more. */
int bench_pair_simple(const struct bench_group *g, const struct bench_contender *c,
		      const struct bench_settings *set, struct bench_window *ret, char *why)
{
	struct bench_pair p;
	int res;

	res = bench_pair_start(&p, g, c, set);
	if (!res) {
		bench_sleep_s(set->warmup);
		if (c->tool_bytes)
			p.rx_sock = bench_steal_tcp_socket(p.rx_pid);
		if (c->tool_bytes && p.rx_sock < 0)
			res = bench_fail(&p.side, -ENOENT, "pidfd_getfd: no data connection");
		else
			res = bench_pair_window(&p, set->seconds, ret);
	}
	bench_pair_stop(&p, why);
	if (res && !why[0])
		snprintf(why, 256, "an end stopped: %s", strerror(-res));
	return res;
}
