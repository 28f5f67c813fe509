#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/pyproc/reaper.h"

#define N_THREADS 4
#define N_ROUNDS 50

static char *const envp[] = {"PATH=/usr/bin:/bin", NULL};

static void start(char *script, struct mr_child *out) {
    char *const argv[] = {"sh", "-c", script, NULL};
    const struct mr_process_spec spec = {
        .path = "/bin/sh", .argv = argv, .envp = envp, .socket = 0, .output = 1};
    struct mr_error err = {0};
    if (mr_reaper_start(&spec, out, &err) != MR_OK) fail_msg("%s", err.message);
}

/* As a pool does: reap when the child's own descriptor says that it has ended. */
static int wait_status_of(const struct mr_child *child) {
    struct pollfd ended = {.fd = child->pidfd, .events = POLLIN};
    int status = -1;
    if (poll(&ended, 1, 10000) != 1) return -1;
    mr_reaper_reap();
    return mr_reaper_status(child, &status) ? status : -2;
}

static void *start_many(void *arg) {
    int number = (int)(intptr_t)arg;
    char script[32];
    snprintf(script, sizeof(script), "exit %d", number + 1);
    intptr_t n_wrong = 0;
    for (int i = 0; i < N_ROUNDS; i++) {
        struct mr_child child;
        start(script, &child);
        int status = wait_status_of(&child);
        n_wrong += !WIFEXITED(status) || WEXITSTATUS(status) != number + 1;
        mr_reaper_release(&child);
    }
    return (void *)n_wrong;
}

/* Whoever reaps a child, the one who holds it learns how it ended. */
static void test_many_threads(void **state) {
    (void)state;
    pthread_t threads[N_THREADS];
    for (intptr_t i = 0; i < N_THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, start_many, (void *)i), 0);
    }
    for (int i = 0; i < N_THREADS; i++) {
        void *n_wrong;
        pthread_join(threads[i], &n_wrong);
        assert_ptr_equal(n_wrong, NULL);
    }
    assert_false(mr_reaper_is_busy());
    assert_false(mr_reaper_reap());
}

static void test_kill(void **state) {
    (void)state;
    struct mr_child child, other;
    start("exec sleep 100", &child);
    start("exec sleep 100", &other);
    assert_true(mr_reaper_reap());
    int status;
    assert_false(mr_reaper_status(&child, &status));
    mr_reaper_kill(&child);
    assert_int_equal(wait_status_of(&child), SIGKILL);
    mr_reaper_kill(&child); /* its number may be another's: nothing happens */
    assert_false(mr_reaper_status(&other, &status));
    mr_reaper_release(&child);
    assert_true(mr_reaper_is_busy());
    assert_int_equal(child.pidfd, -1);
    mr_reaper_kill(&child);
    mr_reaper_release(&child);
    mr_reaper_kill(&other);
    assert_int_equal(wait_status_of(&other), SIGKILL);
    mr_reaper_release(&other);
}

/* Nobody holds it any more, but it does not stay a zombie. */
static void test_released_while_it_lives(void **state) {
    (void)state;
    struct mr_child child;
    start("exec sleep 100", &child);
    pid_t pid = child.pid;
    int children = mr_reaper_open();
    assert_true(children >= 0);
    mr_reaper_release(&child);
    kill(pid, SIGKILL);
    struct pollfd ended = {.fd = children, .events = POLLIN};
    assert_int_equal(poll(&ended, 1, 10000), 1);
    mr_reaper_on_readable(children);
    assert_int_equal(poll(&ended, 1, 0), 0);
    assert_false(mr_reaper_reap());
    close(children);
}

static void test_adopt(void **state) {
    (void)state;
    struct mr_child child, adopted = MR_CHILD_NONE;
    start("exec sleep 100", &child);
    assert_false(mr_reaper_adopt(child.pid, 1, &adopted)); /* not its child */
    assert_false(mr_reaper_adopt(-1, getpid(), &adopted));
    assert_int_equal(adopted.pidfd, -1);
    pid_t pid = child.pid;
    mr_reaper_release(&child);
    assert_true(mr_reaper_adopt(pid, getpid(), &adopted));
    mr_reaper_kill(&adopted);
    assert_int_equal(wait_status_of(&adopted), SIGKILL);
    mr_reaper_release(&adopted);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_threads),
        cmocka_unit_test(test_kill),
        cmocka_unit_test(test_released_while_it_lives),
        cmocka_unit_test(test_adopt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
