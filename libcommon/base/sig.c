#include "base/sig.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"

static volatile sig_atomic_t stopped, asked, noticing;

static void end_by(int signal)
{
	struct sigaction a;

	memset(&a, 0, sizeof(a));
	a.sa_handler = SIG_DFL;
	sigaction(signal, &a, NULL);
	raise(signal);
}

static void on_stop(int signal)
{
	int saved = errno;

	if (noticing && !stopped) {
		stopped = signal;
	} else {
		io_cleanup();
		end_by(signal);
	}
	errno = saved;
}

static void on_ask(int signal)
{
	(void)signal;
	asked = 1;
}

static void handle(int signal, void (*fn)(int))
{
	struct sigaction a;

	memset(&a, 0, sizeof(a));
	a.sa_handler = fn;
	a.sa_flags = SA_RESTART;
	sigaction(signal, &a, NULL);
}

void sig_init(void)
{
	static const int stops[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction was;

	for (size_t i = 0; i < 3; i++) {
		/* What the parent has us ignore (nohup) stays ignored. */
		sigaction(stops[i], NULL, &was);
		if (was.sa_handler != SIG_IGN)
			handle(stops[i], on_stop);
	}
	handle(SIGXFSZ, SIG_IGN);
	handle(SIGUSR1, on_ask);
}

void sig_notice(void)
{
	noticing = 1;
}

int sig_stopped(void)
{
	return stopped;
}

int sig_asked(void)
{
	int was = asked;

	asked = 0;
	return was;
}

void sig_die(int signal)
{
	io_cleanup();
	end_by(signal);
	_exit(128 + signal);
}
