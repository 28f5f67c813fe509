#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdatomic.h>
#include <time.h>

#include "api/pipeline.h"

/* Numbers from 0 on; each block is one. Blocks take different times, so that threads overtake. */
struct numbers {
    int64_t n; /* how many there are */
    int64_t read_fails_at, work_fails_at, finish_fails_at;
    int64_t next;     /* to be read */
    int64_t finished; /* so far, in order */
    atomic_int n_in_read, n_in_finish, n_in_work, max_in_work;
    int n_ticks;
};

static mr_status read_number(void *ctx, struct mr_block *block, bool *is_end,
                             struct mr_error *err) {
    struct numbers *numbers = ctx;
    assert_int_equal(atomic_fetch_add(&numbers->n_in_read, 1), 0);
    assert_int_equal(block->size, 0);
    block->first = numbers->next++;
    *is_end = block->first == numbers->n;
    mr_status status = mr_block_reserve(block, (size_t)block->first % 5000, err);
    if (block->first == numbers->read_fails_at) status = mr_fail(err, MR_E_IO, "read");
    atomic_fetch_sub(&numbers->n_in_read, 1);
    return status;
}

static mr_status work(void *ctx, struct mr_block *block, struct mr_error *err) {
    struct numbers *numbers = ctx;
    int n = atomic_fetch_add(&numbers->n_in_work, 1) + 1;
    if (n > atomic_load(&numbers->max_in_work)) atomic_store(&numbers->max_in_work, n);
    struct timespec pause = {.tv_nsec = block->first * 7919 % 13 * 20000};
    nanosleep(&pause, NULL);
    int64_t *result = mr_arena_alloc(block->arena, sizeof(*result));
    assert_non_null(result);
    *result = block->first * 2;
    block->result = result;
    atomic_fetch_sub(&numbers->n_in_work, 1);
    return block->first == numbers->work_fails_at ? mr_fail(err, MR_E_BAD_REQUEST, "work") : MR_OK;
}

static mr_status finish(void *ctx, struct mr_block *block, struct mr_error *err) {
    struct numbers *numbers = ctx;
    assert_int_equal(atomic_fetch_add(&numbers->n_in_finish, 1), 0);
    assert_int_equal(block->first, numbers->finished);
    assert_int_equal(*(int64_t *)block->result, block->first * 2);
    numbers->finished++;
    atomic_fetch_sub(&numbers->n_in_finish, 1);
    return block->first == numbers->finish_fails_at ? mr_fail(err, MR_E_IO, "finish") : MR_OK;
}

static void tick(void *ctx) {
    ((struct numbers *)ctx)->n_ticks++;
}

static struct numbers numbers_to(int64_t n, int64_t read_fails_at, int64_t work_fails_at,
                                 int64_t finish_fails_at) {
    return (struct numbers){.n = n,
                            .read_fails_at = read_fails_at,
                            .work_fails_at = work_fails_at,
                            .finish_fails_at = finish_fails_at};
}

static mr_status run(struct numbers *numbers, unsigned n_threads, struct mr_error *err) {
    const struct mr_pipeline pipeline = {.read = read_number,
                                         .work = work,
                                         .finish = finish,
                                         .ctx = numbers,
                                         .tick = tick,
                                         .tick_ctx = numbers};
    return mr_pipeline_run(&pipeline, n_threads, err);
}

static void test_order(void **state) {
    (void)state;
    for (unsigned n_threads = 1; n_threads <= 8; n_threads *= 2) {
        for (int64_t n = 0; n < 300; n = n * 3 + 1) {
            struct numbers numbers = numbers_to(n, -1, -1, -1);
            assert_int_equal(run(&numbers, n_threads, NULL), MR_OK);
            assert_int_equal(numbers.finished, n);
            assert_true(atomic_load(&numbers.max_in_work) <= (int)n_threads);
        }
    }
}

/* The first failure in the order of the blocks is reported, and all before it is finished. */
static void test_failures(void **state) {
    (void)state;
    for (unsigned n_threads = 1; n_threads <= 8; n_threads *= 2) {
        for (int64_t at = 0; at < 60; at += 7) {
            struct mr_error err = {0};
            struct numbers numbers = numbers_to(100, at, -1, -1);
            assert_int_equal(run(&numbers, n_threads, &err), MR_E_IO);
            assert_string_equal(err.message, "read");
            assert_int_equal(numbers.finished, at);

            numbers = numbers_to(100, at + 20, at, -1);
            assert_int_equal(run(&numbers, n_threads, &err), MR_E_BAD_REQUEST);
            assert_string_equal(err.message, "work");
            assert_int_equal(numbers.finished, at);

            numbers = numbers_to(100, -1, at + 1, at);
            assert_int_equal(run(&numbers, n_threads, &err), MR_E_IO);
            assert_string_equal(err.message, "finish");
            assert_int_equal(numbers.finished, at + 1);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
