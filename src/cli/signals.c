#include "cli/signals.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

static sigset_t watched_signals(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    return set;
}

static void end_at_once(int signal_number) {
    _exit(128 + signal_number);
}

/* By a handler, since as process 1 the default action would be to ignore it. */
void mr_signals_take_next_literally(void) {
    struct sigaction action = {.sa_handler = end_at_once};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigset_t set = watched_signals();
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

int mr_signals_watch(void) {
    sigset_t set = watched_signals(), blocked = set;
    sigaddset(&blocked, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC);
}
