/* Several inputs as one request: the same bytes as for one input that has all rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "arena_fixture.h"
#include "engine/pyproc/wire.h"

#define PARTS_FLAG 8
#define N_ROWS 21

/* The rows of one table, of which others have some. */
static int64_t numbers[N_ROWS];
static double doubles[N_ROWS], more[N_ROWS];
static int64_t offsets[N_ROWS + 1];
static char bytes[5 * N_ROWS];
static bool is_there[N_ROWS];

static void fill(void) {
    for (int i = 0; i < N_ROWS; i++) {
        numbers[i] = 1000 + i;
        doubles[i] = i / 7.0;
        more[i] = -i;
        is_there[i] = i % 3 != 1;
        offsets[i + 1] = offsets[i] + i % 5;
    }
    for (size_t i = 0; i < sizeof(bytes); i++) bytes[i] = (char)('a' + i % 26);
}

/* An input of rows first .. end; its validity starts at bit 0, its texts where they are. */
static struct mr_input *rows(int first, int end) {
    struct mr_input *input = mr_arena_zalloc(arena, sizeof(*input));
    struct mr_column *columns = mr_arena_zalloc(arena, 5 * sizeof(*columns));
    uint8_t *validity = mr_arena_zalloc(arena, N_ROWS / 8 + 1);
    for (int i = first; i < end; i++) {
        if (is_there[i]) validity[(i - first) / 8] |= (uint8_t)(1 << (i - first) % 8);
    }
    columns[0] = (struct mr_column){.dtype = MR_FLOAT64, .values = doubles + first};
    columns[1] = (struct mr_column){.dtype = MR_FLOAT64, .values = more + first};
    columns[2] = (struct mr_column){.dtype = MR_INT64, .values = numbers + first};
    columns[2].validity = validity;
    columns[2].n_nulls = 1;
    columns[3] = (struct mr_column){.dtype = MR_STRING, .offsets = offsets + first, .bytes = bytes};
    columns[4] = columns[3];
    columns[4].validity = validity;
    columns[4].n_nulls = 1;
    for (int i = 0; i < 5; i++) {
        columns[i].name = mr_str_from(&"a\0b\0c\0d\0e"[2 * i]);
        columns[i].is_named = true;
        columns[i].n_rows = end - first;
    }
    *input = (struct mr_input){.kind = MR_INPUT_TABLE,
                               .table = {.n_rows = end - first, .n_cols = 5, .columns = columns}};
    return input;
}

static char *write_all(const struct mr_input *const *inputs, size_t n, size_t *size) {
    const struct mr_wire_request_options options = {.is_nan_literal = true};
    struct mr_wire_request *request;
    assert_int_equal(mr_wire_plan_request(inputs, n, &options, arena, &request, size, NULL), MR_OK);
    char *payload = mr_arena_alloc(arena, *size);
    memset(payload, 0xEE, *size);
    mr_wire_write_request(request, payload);
    return payload;
}

static void assert_joined(const struct mr_input *const *inputs, size_t n,
                          const struct mr_input *whole) {
    size_t size, whole_size;
    char *joined = write_all(inputs, n, &size), *expected = write_all(&whole, 1, &whole_size);
    uint32_t flags;
    memcpy(&flags, joined + 4, sizeof(flags));
    assert_true(flags & PARTS_FLAG);
    flags &= ~(uint32_t)PARTS_FLAG;
    memcpy(joined + 4, &flags, sizeof(flags));
    assert_memory_equal(joined, expected, whole_size);
    assert_int_equal(size, (whole_size + 7) / 8 * 8 + n * sizeof(int64_t));
    for (size_t i = 0; i < n; i++) {
        int64_t n_rows;
        memcpy(&n_rows, joined + size - (n - i) * sizeof(n_rows), sizeof(n_rows));
        assert_int_equal(n_rows, mr_wire_n_rows(inputs[i]));
    }
}

static void test_tables(void **state) {
    (void)state;
    fill();
    const struct mr_input *const many[] = {rows(0, 1), rows(1, 9), rows(9, 10), rows(10, 21)};
    assert_joined(many, 4, rows(0, 21));
    const struct mr_input *const two[] = {rows(3, 11), rows(11, 12)};
    assert_joined(two, 2, rows(3, 12));
}

static void test_params_are_those_of_the_first(void **state) {
    (void)state;
    fill();
    const struct mr_param param = {mr_str_from("p"), mr_str_from("[1, 2]")};
    struct mr_input *inputs[] = {rows(0, 2), rows(2, 3)}, *whole = rows(0, 3);
    inputs[0]->params = whole->params = (struct mr_params){true, 1, 1, &param};
    inputs[1]->params = inputs[0]->params;
    assert_joined((const struct mr_input *const *)inputs, 2, whole);
}

static struct mr_input *tensor_rows(int64_t first, int64_t end) {
    struct mr_input *input = mr_arena_zalloc(arena, sizeof(*input));
    struct mr_tensor *tensor = mr_arena_zalloc(arena, sizeof(*tensor));
    int64_t *shape = mr_arena_array(arena, 3, sizeof(*shape));
    shape[0] = end - first;
    shape[1] = 1;
    shape[2] = 3;
    *tensor = (struct mr_tensor){.dtype = MR_FLOAT64,
                                 .n_dims = 3,
                                 .shape = shape,
                                 .n_values = 3 * shape[0],
                                 .values = doubles + 3 * first};
    *input = (struct mr_input){.kind = MR_INPUT_TENSOR, .tensors = tensor, .n_tensors = 1};
    return input;
}

static void test_tensors(void **state) {
    (void)state;
    fill();
    const struct mr_input *const inputs[] = {tensor_rows(0, 1), tensor_rows(1, 5),
                                             tensor_rows(5, 7)};
    assert_joined(inputs, 3, tensor_rows(0, 7));
}

#define TRACE "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01a=1,b=2"

/* It stands behind all else, and nothing else changes for it but a flag. */
static void test_trace(void **state) {
    (void)state;
    fill();
    const struct mr_input *input = rows(0, 3);
    size_t plain_size, size;
    char *plain = write_all(&input, 1, &plain_size);
    const struct mr_wire_request_options options = {.is_nan_literal = true,
                                                    .trace = mr_str_from(TRACE)};
    struct mr_wire_request *request;
    assert_int_equal(mr_wire_plan_request(&input, 1, &options, arena, &request, &size, NULL),
                     MR_OK);
    size_t at = (plain_size + 7) / 8 * 8;
    assert_int_equal(size, at + sizeof(TRACE) - 1);
    char *payload = mr_arena_alloc(arena, size);
    mr_wire_write_request(request, payload);
    assert_memory_equal(payload + at, TRACE, sizeof(TRACE) - 1);
    assert_int_equal(payload[4], plain[4] | 16);
    payload[4] = plain[4];
    assert_memory_equal(payload, plain, plain_size);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, arena_setup, arena_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_tables),
        TEST(test_params_are_those_of_the_first),
        TEST(test_tensors),
        TEST(test_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
