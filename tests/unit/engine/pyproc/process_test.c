#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/pyproc/process.h"

static char *const envp[] = {"PATH=/usr/bin:/bin", NULL};

/* Run a shell script as a process; its output to its end in out. Returns its wait status. */
static int run(char *script, char *out, size_t capacity) {
    int pair[2], ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(pipe(ends), 0); /* not closed at exec: what a library may leave */
    char *const argv[] = {"sh", "-c", script, NULL};
    const struct mr_process_spec spec = {
        .path = "/bin/sh", .argv = argv, .envp = envp, .socket = pair[1], .output = ends[1]};
    pid_t pid;
    int pidfd;
    struct mr_error err = {0};
    assert_int_equal(mr_process_start(&spec, &pid, &pidfd, &err), MR_OK);
    close(ends[1]);
    close(pair[1]);
    size_t size = 0;
    ssize_t n;
    while ((n = read(ends[0], out + size, capacity - 1 - size)) > 0) size += (size_t)n;
    out[size] = '\0';
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    assert_int_equal(poll(&ended, 1, 10000), 1);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(pidfd);
    close(ends[0]);
    close(pair[0]);
    return status;
}

static void test_descriptors_and_signals(void **state) {
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    char out[4096];
    int status = run("ls -m /proc/$$/fd; readlink /proc/$$/fd/0 /proc/$$/fd/3 | sed 's/:.*//';"
                     "exec grep -E 'Sig(Blk|Ign)' /proc/self/status",
                     out, sizeof(out));
    assert_int_equal(status, 0);
    static const char expected[] = "0, 1, 2, 3\n/dev/null\nsocket\n"
                                   "SigBlk:\t0000000000000000\nSigIgn:\t";
    assert_memory_equal(out, expected, sizeof(expected) - 1);
    /* Signals 32 and 33 are libc's own: nobody can set what this process may have inherited. */
    unsigned long long ignored = strtoull(out + sizeof(expected) - 1, NULL, 16);
    assert_int_equal(ignored & ~(3ULL << 31), 0);
    sigset_t now;
    sigprocmask(SIG_UNBLOCK, &set, &now);
    assert_true(sigismember(&now, SIGTERM));
    assert_false(sigismember(&now, SIGCHLD));
    signal(SIGPIPE, SIG_DFL);
}

static void test_group(void **state) {
    (void)state;
    char out[256];
    /* Fields 1 and 5: process id and group. */
    assert_int_equal(run("cut -d' ' -f1,5 /proc/$$/stat", out, sizeof(out)), 0);
    int pid, group;
    assert_int_equal(sscanf(out, "%d %d", &pid, &group), 2);
    assert_int_equal(pid, group);
}

static void test_no_program(void **state) {
    (void)state;
    char *const argv[] = {"no", NULL};
    const struct mr_process_spec spec = {
        .path = "/no/such/python", .argv = argv, .envp = envp, .socket = 0, .output = 1};
    pid_t pid;
    int pidfd;
    struct mr_error err = {0};
    assert_int_equal(mr_process_start(&spec, &pid, &pidfd, &err), MR_E_IO);
    assert_string_equal(err.message,
                        "/no/such/python cannot be started: No such file or directory");
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left of it */
}

static void test_kill_group(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    char *const argv[] = {"sh", "-c", "sleep 100 & echo x; wait", NULL};
    const struct mr_process_spec spec = {
        .path = "/bin/sh", .argv = argv, .envp = envp, .socket = 0, .output = ends[1]};
    pid_t pid;
    int pidfd;
    struct mr_error err = {0};
    assert_int_equal(mr_process_start(&spec, &pid, &pidfd, &err), MR_OK);
    close(ends[1]);
    char byte;
    assert_int_equal(read(ends[0], &byte, 1), 1);
    assert_true(mr_process_open(pid, getpid()) >= 0);
    assert_int_equal(mr_process_open(pid, 1), -1); /* not its child */
    mr_process_kill_group(pid, pidfd);
    while (read(ends[0], &byte, 1) > 0) continue; /* its child held the pipe */
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(mr_process_open(pid, getpid()), -1);
    close(pidfd);
    close(ends[0]);
}

/* Nobody may make us kill what is not ours. */
static void test_numbers_that_mean_many(void **state) {
    (void)state;
    for (pid_t pid = -1; pid <= 1; pid++) {
        assert_int_equal(mr_process_open(pid, getpid()), -1);
        mr_process_kill_group(pid, -1);
    }
}

static void test_describe_end(void **state) {
    (void)state;
    static const struct {
        char *script;
        bool was_killed;
        const char *text;
    } cases[] = {
        {"exit 3", false, "ended with exit code 3"},
        {"exit 3", true, "ended with exit code 3"},
        {"kill -SEGV $$", false, "was ended by signal 11 (Segmentation fault)"},
        {"kill -KILL $$", false, "was ended by signal 9 (Killed), likely for lack of memory"},
        {"kill -KILL $$", true, "was ended by signal 9 (Killed)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char out[256], text[128];
        int status = run(cases[i].script, out, sizeof(out));
        mr_process_describe_end(status, cases[i].was_killed, text, sizeof(text));
        assert_string_equal(text, cases[i].text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_descriptors_and_signals),
        cmocka_unit_test(test_group),
        cmocka_unit_test(test_no_program),
        cmocka_unit_test(test_kill_group),
        cmocka_unit_test(test_numbers_that_mean_many),
        cmocka_unit_test(test_describe_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
