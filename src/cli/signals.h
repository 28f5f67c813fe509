/* How the server is told to end, also as process 1 of a container, for which the kernel ignores
 * signals that nobody handles. */
#ifndef MR_CLI_SIGNALS_H
#define MR_CLI_SIGNALS_H

/* Blocks SIGTERM and SIGINT, also in all threads to come: they are read from the descriptor that is
 * returned, -1 with errno when there is none. And SIGCHLD: a Python engine reads it from one of its
 * own. SIGPIPE is ignored: a log that nobody reads must not end the server. */
int mr_signals_watch(void);

/* From now on a signal ends the process at once, with exit code 128 + its number. Call it on the
 * main thread. */
void mr_signals_take_next_literally(void);

#endif
