/*
 * sig - what SIGINT, SIGTERM, SIGHUP and SIGUSR1 do
 *
 * A filter dies of them, leaving no half-written file. A program that saves
 * its work first asks for notice instead; a second signal ends it at once.
 */
#ifndef BASE_SIG_H
#define BASE_SIG_H

/* Temporary files are removed, then the signal ends the process as ever. For
 * every program; also keeps SIGXFSZ from killing (the write fails instead), and
 * SIGUSR1, which is noted: who asks too early is answered later. */
void sig_init(void);

/* From now on the first SIGINT, SIGTERM or SIGHUP is only noted. */
void sig_notice(void);

/* The noted signal, 0: none yet. */
int sig_stopped(void);

/* Was there a SIGUSR1 since the last call? */
int sig_asked(void);

/* Ends the process by this signal, so that a shell sees why. */
_Noreturn void sig_die(int signal);

#endif
