#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/buf.h"

/* Counts what is outstanding; fails the allocation number fail_at (from 0). */
struct counter {
    int n_allocations, n_outstanding, fail_at;
};

static void *counted_allocate(void *ctx, size_t size) {
    struct counter *counter = ctx;
    if (counter->n_allocations++ == counter->fail_at) return NULL;
    counter->n_outstanding++;
    return malloc(size);
}

static void counted_release(void *ctx, void *block, size_t size) {
    (void)size;
    ((struct counter *)ctx)->n_outstanding--;
    free(block);
}

static void test_alignment_and_reset(void **state) {
    (void)state;
    struct mr_arena *arena = mr_arena_new(0, NULL);
    for (int round = 0; round < 3; round++) {
        for (size_t size = 0; size < 20000; size = size * 2 + 1) {
            char *data = mr_arena_alloc(arena, size);
            assert_non_null(data);
            assert_int_equal((uintptr_t)data % (size >= 4096 ? 64 : 16), 0);
            memset(data, 0xAB, size);
        }
        mr_arena_reset(arena);
    }
    mr_arena_free(arena);
}

static void test_cap(void **state) {
    (void)state;
    struct mr_arena *arena = mr_arena_new(100000, NULL);
    struct mr_error err;
    assert_null(mr_arena_alloc(arena, 100001));
    assert_int_equal(mr_arena_fail(arena, &err), MR_E_TOO_LARGE);
    assert_null(mr_arena_array(arena, SIZE_MAX, 2));
    assert_int_equal(mr_arena_fail(arena, &err), MR_E_NO_MEMORY);
    assert_non_null(mr_arena_alloc(arena, 50000));
    assert_null(mr_arena_alloc(arena, 60000));
    mr_arena_reset(arena);
    assert_non_null(mr_arena_alloc(arena, 60000));
    mr_arena_free(arena);
}

/* A large allocation grows in place of itself, whoever provides the memory. */
static void test_growing(void **state) {
    (void)state;
    struct counter counter = {.fail_at = -1};
    struct mr_allocator counting = {counted_allocate, counted_release, &counter};
    for (int round = 0; round < 2; round++) {
        struct mr_arena *arena = mr_arena_new(0, round ? &counting : NULL);
        size_t size = 5000;
        unsigned char *data = mr_arena_alloc(arena, size);
        for (size_t i = 0; i < size; i++) data[i] = (unsigned char)(i * 7);
        while (size < 40000000) {
            size_t wanted = size + size / 2;
            data = mr_arena_realloc(arena, data, size, wanted);
            assert_non_null(data);
            assert_int_equal((uintptr_t)data % 64, 0);
            assert_true(mr_arena_bytes(arena) < wanted + 4096);
            size = wanted;
        }
        for (size_t i = 0; i < 5000; i++) assert_int_equal(data[i], (unsigned char)(i * 7));
        assert_ptr_equal(mr_arena_realloc(arena, data, size, 5000), data);
        data = mr_arena_realloc(arena, data, 5000, 6000); /* less than the block still has */
        for (size_t i = 0; i < 5000; i++) assert_int_equal(data[i], (unsigned char)(i * 7));
        char *other = mr_arena_alloc(arena, 5000);
        unsigned char *moved = mr_arena_realloc(arena, data, 6000, 7000);
        assert_ptr_not_equal(moved, data);
        memset(other, 1, 5000);
        assert_int_equal(moved[4999], (unsigned char)(4999 * 7));
        mr_arena_free(arena);
    }
    assert_int_equal(counter.n_outstanding, 0);
}

static void test_growing_stops_at_the_cap(void **state) {
    (void)state;
    struct mr_arena *arena = mr_arena_new(100000, NULL);
    struct mr_error err;
    char *data = mr_arena_alloc(arena, 50000);
    data[49999] = 'x';
    assert_null(mr_arena_realloc(arena, data, 50000, 100000));
    assert_int_equal(mr_arena_fail(arena, &err), MR_E_TOO_LARGE);
    assert_null(mr_arena_realloc(arena, data, 50000, SIZE_MAX));
    assert_int_equal(mr_arena_fail(arena, &err), MR_E_NO_MEMORY);
    assert_int_equal(data[49999], 'x');
    assert_non_null(mr_arena_realloc(arena, data, 50000, 90000));
    mr_arena_free(arena);
}

static void test_failure_leaks_nothing(void **state) {
    (void)state;
    for (int fail_at = 0; fail_at < 12; fail_at++) {
        struct counter counter = {.fail_at = fail_at};
        struct mr_allocator allocator = {counted_allocate, counted_release, &counter};
        struct mr_arena *arena = mr_arena_new(0, &allocator);
        struct mr_buf buf;
        mr_buf_init(&buf, arena);
        for (int i = 0; arena && i < 30000; i++) mr_buf_int(&buf, i);
        assert_true(!arena || fail_at >= counter.n_allocations ||
                    mr_buf_status(&buf, NULL) == MR_E_NO_MEMORY);
        mr_arena_free(arena);
        assert_int_equal(counter.n_outstanding, 0);
    }
}

static void test_buf(void **state) {
    (void)state;
    struct mr_arena *arena = mr_arena_new(0, NULL);
    struct mr_buf buf;
    mr_buf_init(&buf, arena);
    mr_buf_text(&buf, "a");
    mr_buf_format(&buf, "%d-%s", 7, "x");
    mr_buf_double(&buf, 1.5);
    mr_buf_int(&buf, -3);
    assert_int_equal(mr_buf_status(&buf, NULL), MR_OK);
    assert_true(mr_str_is(mr_buf_str(&buf), "a7-x1.5-3"));
    mr_arena_free(arena);
}

static void test_limit_changes(void **state) {
    (void)state;
    struct mr_arena *arena = mr_arena_new(0, NULL);
    assert_non_null(mr_arena_alloc(arena, 100000));
    mr_arena_limit(arena, 150000);
    assert_null(mr_arena_alloc(arena, 100000));
    assert_int_equal(mr_arena_fail(arena, NULL), MR_E_TOO_LARGE);
    mr_arena_limit(arena, 50000); /* what is held stays */
    assert_null(mr_arena_alloc(arena, 5000));
    mr_arena_reset(arena);
    assert_non_null(mr_arena_alloc(arena, 5000));
    mr_arena_limit(arena, 0);
    assert_non_null(mr_arena_alloc(arena, 100000));
    mr_arena_free(arena);
}

static void test_discard_others(void **state) {
    (void)state;
    const size_t size = 3 << 20;
    struct mr_arena *arena = mr_arena_new(0, NULL);
    char *text = mr_arena_strdup(arena, mr_str_from("small"));
    char *blocks[3], *medium = mr_arena_alloc(arena, 5000);
    for (int i = 0; i < 3; i++) {
        blocks[i] = mr_arena_alloc(arena, size);
        assert_non_null(blocks[i]);
        memset(blocks[i], 'a' + i, size);
    }
    memset(medium, 'm', 5000);
    mr_arena_discard_others(arena, blocks[1] + size - 1);
    assert_string_equal(text, "small");
    for (size_t i = 0; i < 5000; i++) assert_int_equal(medium[i], 'm');
    for (size_t i = 0; i < size; i++) assert_int_equal(blocks[1][i], 'b');
    /* Pages that have gone read as zeros. */
    assert_int_equal(blocks[0][size / 2] + blocks[2][size / 2], 0);
    mr_arena_discard_others(arena, NULL);
    assert_int_equal(blocks[1][size / 2], 0);
    mr_arena_reset(arena);
    mr_arena_free(arena);
}

static void test_room(void **state) {
    (void)state;
    struct mr_arena *arena = mr_arena_new(1 << 20, NULL);
    assert_int_equal(mr_arena_room(arena), 1 << 20);
    assert_non_null(mr_arena_alloc(arena, 100000));
    assert_int_equal(mr_arena_room(arena), (1 << 20) - mr_arena_bytes(arena));
    mr_arena_limit(arena, 1000);
    assert_int_equal(mr_arena_room(arena), 0);
    mr_arena_limit(arena, 0);
    assert_true(mr_arena_room(arena) == SIZE_MAX);
    mr_arena_free(arena);
}

/* Large arenas hand out the same memory from larger blocks. */
static void test_large(void **state) {
    (void)state;
    struct mr_arena *arena = mr_arena_new_large((size_t)64 << 20);
    assert_non_null(arena);
    for (size_t i = 0; i < 20000; i++) {
        unsigned char *bytes = mr_arena_zalloc(arena, 1000);
        assert_non_null(bytes);
        assert_int_equal((uintptr_t)bytes % 16, 0);
        assert_int_equal(bytes[999], 0);
    }
    char *text = mr_arena_alloc(arena, 5000);
    assert_non_null(text);
    memset(text, 'x', 5000);
    text = mr_arena_realloc(arena, text, 5000, (size_t)8 << 20);
    assert_non_null(text);
    assert_int_equal(text[4999], 'x');
    assert_null(mr_arena_alloc(arena, (size_t)64 << 20));
    struct mr_error err = {0};
    assert_int_equal(mr_arena_fail(arena, &err), MR_E_TOO_LARGE);
    mr_arena_free(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alignment_and_reset),
        cmocka_unit_test(test_cap),
        cmocka_unit_test(test_growing),
        cmocka_unit_test(test_growing_stops_at_the_cap),
        cmocka_unit_test(test_limit_changes),
        cmocka_unit_test(test_failure_leaks_nothing),
        cmocka_unit_test(test_discard_others),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_buf),
        cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
