/* Every allocation that decoding and enforcing a request makes fails once: each time a clean
 * status, and nothing is left behind (nghttp2's tests/failmalloc_test.c is the model for this). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "arena_fixture.h"
#include "codec/decode.h"
#include "schema/enforce.h"
#include "table_text.h"

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

#define WIDE                                                                                       \
    "\"c1\",\"c2\",\"c3\",\"c4\",\"c5\",\"c6\",\"c7\",\"c8\",\"c9\",\"d1\",\"d2\",\"d3\",\"d4\","  \
    "\"d5\",\"d6\""

static const struct {
    const char *columns, *body;
} cases[] = {
    {"a:double b:long?", "{\"dataframe_split\":{\"columns\":[\"a\"],\"data\":[[1],[2.5]]}}"},
    {"a:double b:string",
     "{\"dataframe_split\":{\"columns\":[\"b\",\"x\",\"a\"],\"data\":[[\"x\",1,2]]}}"},
    {"a:double", "{\"dataframe_split\":{\"columns\":[\"a\",\"a\"],\"data\":[[1,2]]}}"},
    {"a:double", "{\"dataframe_split\":{\"columns\":[\"a\"],\"data\":{\"a\":[1,[],2]}}}"},
    {":double", "{\"dataframe_split\":{\"columns\":[10,11,12],\"data\":[[1,2,3]]}}"},
    {"", "{\"dataframe_split\":{\"data\":[[1,2,3,4,5,6,7,8,9,10,11,[12]],[\"x\"]]}}"},
    {"a:double d6:double", "{\"dataframe_split\":{\"columns\":[\"a\"," WIDE ",\"e\",\"f\"],"
                           "\"data\":[[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]]}}"},
    {"a:double b:string", "{\"dataframe_records\":[{\"a\":1,\"b\":\"x\"},{\"b\":null,\"a\":2}]}"},
    {"", "{\"dataframe_records\":[{\"a\":NaN,\"b\":\"\\ud83d\\ude00\"},{\"c\":[1]}]}"},
    {"a:string", "{\"dataframe_records\":[{\"a\":\"\\ud800\"}]}"},
    {"a:binary b:datetime c:boolean d:float e:integer",
     "{\"dataframe_records\":[{\"a\":\"aGk=\",\"b\":\"2024-01-02T03:04Z\",\"c\":1,\"d\":2,\"e\":3}]"
     "}"},
    {"a:double", "{\"dataframe_records\":[{\"a\":nan}]}"},
    {"a:double", "{\"messages\":[]}"},
};

static struct mr_error err;

/* MR_E_NO_MEMORY when there was not even an arena. */
static mr_status decode(size_t i, const struct mr_signature *signature, size_t unit,
                        struct mr_arena *memory) {
    size_t size = strlen(cases[i].body) * unit;
    err.status = MR_OK;
    char *body = memory ? mr_arena_zalloc(memory, size + 16) : NULL;
    if (!body) return MR_E_NO_MEMORY;
    for (size_t k = 0; k < size / unit; k++) body[k * unit] = cases[i].body[k];
    struct mr_decoded decoded;
    MR_TRY(mr_json_decode(body, size, size + 16, signature, memory, &decoded, &err));
    return mr_enforce_inputs(signature, &decoded.input, memory, &err);
}

static void test_each_allocation_fails(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct mr_signature signature = signature_of(cases[i].columns, arena);
        for (size_t unit = 1; unit <= 2; unit++) {
            mr_status expected = decode(i, &signature, unit, arena);
            int n_allocations = 0;
            for (int fail_at = 0; fail_at <= n_allocations; fail_at++) {
                struct counter counter = {.fail_at = fail_at};
                struct mr_allocator failing = {counted_allocate, counted_release, &counter};
                struct mr_arena *memory = mr_arena_new(0, &failing);
                mr_status status = decode(i, &signature, unit, memory);
                n_allocations = counter.n_allocations;
                bool has_failed = fail_at < n_allocations;
                if (status != (has_failed ? MR_E_NO_MEMORY : expected)) {
                    fail_msg("%s: allocation %d of %d: status %d, %s", cases[i].body, fail_at,
                             n_allocations, (int)status, err.message);
                }
                if (memory && has_failed && err.status)
                    assert_int_equal(err.status, MR_E_NO_MEMORY);
                mr_arena_free(memory);
                assert_int_equal(counter.n_outstanding, 0);
            }
        }
    }
}

/* A cap on memory is an answer too, whichever allocation meets it. */
static void test_each_cap(void **state) {
    (void)state;
    struct mr_signature signature = signature_of("a:double", arena);
    char body[20000] = "{\"dataframe_records\":[{\"a\":1}";
    while (strlen(body) < sizeof(body) - 20)
        memcpy(body + strlen(body), ",{\"a\":1,\"b\":[2]}", 17);
    memcpy(body + strlen(body), "]}", 3);
    size_t size = strlen(body);
    bool has_passed = false;
    for (size_t cap = 10000; !has_passed; cap += 5000) {
        struct mr_arena *memory = mr_arena_new(cap, NULL);
        struct mr_decoded decoded;
        mr_status status = mr_json_decode(body, size, size, &signature, memory, &decoded, &err);
        assert_true(status == MR_OK || status == MR_E_TOO_LARGE);
        assert_true(mr_arena_bytes(memory) <= cap);
        has_passed = status == MR_OK;
        if (has_passed) assert_true(cap > 100000);
        mr_arena_free(memory);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation_fails),
        cmocka_unit_test(test_each_cap),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
