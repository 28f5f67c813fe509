#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <yyjson.h>

#include "arena_fixture.h"
#include "engine/sklearn/features.h"

static struct mr_error err;

static const struct mr_str fitted[] = {{"a", 1}, {"b", 1}};
static const struct mr_sk_feature_spec plain = {
    .estimator = "Ridge",
    .n_features = 2,
    .is_mix_of_names_forbidden = true,
    .is_duplicate_forbidden = true,
};
static const struct mr_sk_feature_spec named = {
    .estimator = "Ridge",
    .n_features = 2,
    .names = fitted,
    .is_mix_of_names_forbidden = true,
    .is_duplicate_forbidden = true,
};
static const struct mr_sk_feature_spec glm = {
    .estimator = "PoissonRegressor", .n_features = 2, .dtype = MR_SK_FLOATS};

static const double two[] = {1.5, -2};

static struct mr_column column(const char *name, mr_dtype dtype, const void *values) {
    return (struct mr_column){
        .name = mr_str_from(name), .is_named = true, .dtype = dtype, .n_rows = 2, .values = values};
}

static struct mr_input table(struct mr_column *columns, size_t n) {
    return (struct mr_input){.kind = MR_INPUT_TABLE,
                             .table = {.n_rows = 2, .n_cols = n, .columns = columns}};
}

static mr_status init(const struct mr_sk_feature_spec *spec, struct mr_input input,
                      struct mr_sk_features *x) {
    return mr_sk_features_init(spec, &input, arena, x, &err);
}

static void test_fitted_names(void **state) {
    (void)state;
    struct mr_sk_features x;
    struct mr_column columns[] = {column("a", MR_FLOAT64, two), column("b", MR_FLOAT64, two)};
    assert_int_equal(init(&named, table(columns, 2), &x), MR_OK);
    columns[1].name = mr_str_from("c");
    assert_int_equal(init(&named, table(columns, 2), &x), MR_E_BAD_REQUEST);
    assert_non_null(strstr(err.message, "fitted with \"b\" there, received \"c\""));
    columns[0].name = mr_str_from("b");
    columns[1].name = mr_str_from("a"); /* the order counts */
    assert_int_equal(init(&named, table(columns, 2), &x), MR_E_BAD_REQUEST);
    columns[0].is_named = columns[1].is_named = false; /* integers: only a warning in Python */
    assert_int_equal(init(&named, table(columns, 2), &x), MR_OK);
    columns[0].is_named = true;
    assert_int_equal(init(&plain, table(columns, 2), &x), MR_E_BAD_REQUEST);
    assert_non_null(strstr(err.message, "1 of 2 are strings"));
    struct mr_sk_feature_spec old = named; /* scikit-learn 1.1 */
    old.is_mix_of_names_forbidden = false;
    columns[1].name = mr_str_from("other");
    assert_int_equal(init(&old, table(columns, 2), &x), MR_OK);
}

static void test_duplicate_names(void **state) {
    (void)state;
    enum { N = 100 };
    struct mr_sk_features x;
    struct mr_column columns[N];
    char names[N][8];
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof(names[i]), "c%d", i);
        columns[i] = column(names[i], MR_FLOAT64, two);
    }
    struct mr_sk_feature_spec spec = plain;
    for (spec.n_features = 2; spec.n_features <= N; spec.n_features += 49) {
        struct mr_input input = table(columns, spec.n_features);
        assert_int_equal(init(&spec, input, &x), MR_OK);
        columns[spec.n_features - 1].name = mr_str_from("c0");
        assert_int_equal(init(&spec, input, &x), MR_E_BAD_REQUEST);
        assert_non_null(strstr(err.message, "two columns are called \"c0\""));
        spec.is_duplicate_forbidden = false; /* before scikit-learn 1.9 */
        assert_int_equal(init(&spec, input, &x), MR_OK);
        spec.is_duplicate_forbidden = true;
        columns[spec.n_features - 1].name = mr_str_from(names[spec.n_features - 1]);
    }
}

static void test_shapes(void **state) {
    (void)state;
    struct mr_sk_features x;
    struct mr_column columns[] = {column("x", MR_FLOAT64, two), column("y", MR_FLOAT64, two),
                                  column("z", MR_FLOAT64, two)};
    assert_int_equal(init(&plain, table(columns, 3), &x), MR_E_BAD_REQUEST);
    assert_int_equal(init(&plain, table(columns, 0), &x), MR_E_BAD_REQUEST);
    struct mr_input empty = table(columns, 2);
    empty.table.n_rows = 0;
    assert_int_equal(init(&plain, empty, &x), MR_E_BAD_REQUEST);
    const int64_t shape[] = {1, 2, 1};
    for (size_t n_dims = 0; n_dims <= 3; n_dims++) {
        struct mr_tensor tensor = {
            .dtype = MR_FLOAT64, .n_dims = n_dims, .shape = shape, .n_values = 2, .values = two};
        struct mr_input input = {.kind = MR_INPUT_TENSOR, .tensors = &tensor, .n_tensors = 1};
        assert_int_equal(init(&plain, input, &x), n_dims == 2 ? MR_OK : MR_E_BAD_REQUEST);
    }
    struct mr_input dict = {.kind = MR_INPUT_TENSORS, .n_tensors = 2};
    assert_int_equal(init(&plain, dict, &x), MR_E_BAD_REQUEST);
    struct mr_input raw = {.kind = MR_INPUT_RAW, .raw_reason = "a Parquet file"};
    assert_int_equal(init(&plain, raw, &x), MR_E_BAD_REQUEST);
    assert_non_null(strstr(err.message, "a Parquet file"));
}

/* Whether numpy would keep products with float32 coefficients in float32. */
static void test_width(void **state) {
    (void)state;
    static const struct {
        mr_dtype a, b;
        bool is_narrow, is_narrow_for_glm;
    } cases[] = {
        {MR_FLOAT64, MR_FLOAT32, false, false}, {MR_FLOAT32, MR_FLOAT32, true, true},
        {MR_FLOAT32, MR_INT32, false, false},   {MR_FLOAT32, MR_INT16, true, true},
        {MR_FLOAT32, MR_BOOL, true, true},      {MR_BOOL, MR_BOOL, true, false},
        {MR_INT8, MR_UINT8, true, false},       {MR_INT16, MR_UINT16, false, false},
        {MR_INT8, MR_UINT16, false, false},     {MR_INT64, MR_INT64, false, false},
        {MR_UINT64, MR_FLOAT32, false, false},  {MR_FLOAT16, MR_FLOAT16, true, false},
        {MR_STRING, MR_FLOAT32, false, false},  {MR_OBJECT, MR_FLOAT32, false, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct mr_sk_features x;
        struct mr_column columns[] = {column("x", cases[i].a, two), column("y", cases[i].b, two)};
        assert_int_equal(init(&plain, table(columns, 2), &x), MR_OK);
        assert_int_equal(x.width == MR_SK_NARROW, cases[i].is_narrow);
        assert_int_equal(init(&glm, table(columns, 2), &x), MR_OK);
        assert_int_equal(x.width == MR_SK_NARROW, cases[i].is_narrow_for_glm);
    }
}

static void test_datetimes(void **state) {
    (void)state;
    const int64_t times[] = {1, INT64_MIN};
    struct mr_sk_features x;
    struct mr_column columns[] = {column("t", MR_DATETIME, times), column("u", MR_DATETIME, times)};
    assert_int_equal(init(&plain, table(columns, 2), &x), MR_E_BAD_REQUEST);
    assert_int_equal(init(&glm, table(columns, 2), &x), MR_OK);
    double row[2];
    assert_int_equal(mr_sk_features_row(&x, 1, row, &err), MR_OK);
    assert_true(row[0] == -9223372036854775808.0); /* NaT, as numpy casts it */
    columns[1] = column("u", MR_FLOAT64, two);
    assert_int_equal(init(&glm, table(columns, 2), &x), MR_E_BAD_REQUEST);
}

/* Reads column 0 in both ways, and says whether both got `wanted` (NAN: both refused). */
static void assert_reads(const struct mr_column *values, int64_t row, double wanted) {
    struct mr_sk_features x;
    struct mr_column columns[] = {*values, column("y", MR_FLOAT64, two)};
    double pair[2] = {0}, scratch[2];
    const double *run = NULL;
    assert_int_equal(init(&plain, table(columns, 2), &x), MR_OK);
    mr_status by_row = mr_sk_features_row(&x, row, pair, &err);
    err.message[0] = '\0';
    mr_status by_column = mr_sk_features_column(&x, 0, row, 1, scratch, &run, &err);
    if (isnan(wanted)) {
        assert_int_equal(by_row, MR_E_BAD_REQUEST);
        assert_int_equal(by_column, MR_E_BAD_REQUEST);
        char place[32];
        snprintf(place, sizeof(place), "column \"x\", row %d", (int)row);
        assert_non_null(strstr(err.message, place));
        return;
    }
    assert_int_equal(by_row, MR_OK);
    assert_int_equal(by_column, MR_OK);
    assert_true(pair[0] == wanted && run[0] == wanted);
}

static void test_numbers(void **state) {
    (void)state;
    static const uint8_t bools[] = {0, 1};
    static const int8_t i8[] = {-128, 127};
    static const int16_t i16[] = {-32768, 3};
    static const int32_t i32[] = {INT32_MIN, 3};
    static const int64_t i64[] = {INT64_MIN, (INT64_C(1) << 53) + 1};
    static const uint8_t u8[] = {255, 1};
    static const uint16_t u16[] = {65535, 1};
    static const uint32_t u32[] = {UINT32_MAX, 1};
    static const uint64_t u64[] = {UINT64_MAX, 1};
    static const uint16_t half[] = {0x3e00, 0x8001}; /* 1.5, -2^-24 */
    static const float f32[] = {0.1f, -INFINITY};
    static const double f64[] = {1e308, NAN};
    static const struct {
        mr_dtype dtype;
        const void *values;
        double wanted[2];
    } cases[] = {
        {MR_BOOL, bools, {0, 1}},
        {MR_INT8, i8, {-128, 127}},
        {MR_INT16, i16, {-32768, 3}},
        {MR_INT32, i32, {-2147483648.0, 3}},
        {MR_INT64, i64, {-9223372036854775808.0, 9007199254740992.0}},
        {MR_UINT8, u8, {255, 1}},
        {MR_UINT16, u16, {65535, 1}},
        {MR_UINT32, u32, {4294967295.0, 1}},
        {MR_UINT64, u64, {18446744073709551616.0, 1}},
        {MR_FLOAT16, half, {1.5, -0x1p-24}},
        {MR_FLOAT32, f32, {0.1f, NAN}},
        {MR_FLOAT64, f64, {1e308, NAN}},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct mr_column x = column("x", cases[i].dtype, cases[i].values);
        for (int64_t row = 0; row < 2; row++) assert_reads(&x, row, cases[i].wanted[row]);
    }
    const uint8_t validity[] = {1};
    struct mr_column optional = column("x", MR_INT64, i64);
    optional.validity = validity;
    assert_reads(&optional, 0, -9223372036854775808.0);
    assert_reads(&optional, 1, NAN);
}

/* float(str) and float(bytes) of Python. */
static void test_texts(void **state) {
    (void)state;
    static const struct {
        const char *text;
        double as_str, as_bytes;
    } cases[] = {
        {"5.25", 5.25, 5.25}, {" 1_0\n", 10, 10}, {"-1e3", -1000, -1000}, {"", NAN, NAN},
        {"abc", NAN, NAN},    {"nan", NAN, NAN},  {"inf", NAN, NAN},      {"1e400", NAN, NAN},
        {"0x10", NAN, NAN},   {"1 2", NAN, NAN},  {"\xd9\xa3", 3, NAN}, /* an Arabic digit */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int64_t size = (int64_t)strlen(cases[i].text);
        const int64_t offsets[] = {0, size, size};
        struct mr_column x = column("x", MR_STRING, NULL);
        x.bytes = cases[i].text;
        x.offsets = offsets;
        assert_reads(&x, 0, cases[i].as_str);
        x.dtype = MR_BINARY;
        assert_reads(&x, 0, cases[i].as_bytes);
        const uint8_t validity[] = {0};
        x.validity = validity;
        assert_reads(&x, 0, NAN);
    }
}

static void test_objects(void **state) {
    (void)state;
    static const char json[] = "[1, 2.5, \"3\", true, null, [4], {\"a\": 5}, \"x\", -6, NaN]";
    static const double wanted[] = {1, 2.5, 3, 1, NAN, NAN, NAN, NAN, -6, NAN};
    yyjson_doc *doc = yyjson_read(json, sizeof(json) - 1, YYJSON_READ_ALLOW_INF_AND_NAN);
    for (size_t i = 0; i < 10; i++) {
        yyjson_val *cells[] = {yyjson_arr_get(yyjson_doc_get_root(doc), i), NULL};
        struct mr_column x = column("x", MR_OBJECT, cells);
        assert_reads(&x, 0, wanted[i]);
        assert_reads(&x, 1, NAN); /* a record without the key */
    }
    yyjson_doc_free(doc);
    static const char big[] = "[1000000000000000000000000000000]";
    doc = yyjson_read(big, sizeof(big) - 1, YYJSON_READ_BIGNUM_AS_RAW);
    yyjson_val *cells[] = {yyjson_arr_get_first(yyjson_doc_get_root(doc)), NULL};
    struct mr_column x = column("x", MR_OBJECT, cells);
    assert_reads(&x, 0, 1e30);
    yyjson_doc_free(doc);
}

static void test_tensors_of_texts(void **state) {
    (void)state;
    const struct mr_str texts[] = {{"1", 1}, {"2.5", 3}, {"x", 1}, {"4", 1}};
    const int64_t shape[] = {2, 2};
    struct mr_tensor tensor = {
        .dtype = MR_STRING, .n_dims = 2, .shape = shape, .n_values = 4, .values = texts};
    struct mr_input input = {.kind = MR_INPUT_TENSOR, .tensors = &tensor, .n_tensors = 1};
    struct mr_sk_features x;
    assert_int_equal(init(&plain, input, &x), MR_E_BAD_REQUEST); /* dtype="numeric" */
    assert_int_equal(init(&glm, input, &x), MR_OK);              /* dtype=[float64, float32] */
    double row[2];
    assert_int_equal(mr_sk_features_row(&x, 0, row, &err), MR_OK);
    assert_true(row[0] == 1 && row[1] == 2.5);
    assert_int_equal(mr_sk_features_row(&x, 1, row, &err), MR_E_BAD_REQUEST);
    assert_non_null(strstr(err.message, "row 1, feature 0"));
}

/* A bad value anywhere in a long run is found, and named. */
static void test_long_columns(void **state) {
    (void)state;
    enum { N = 1000 };
    double values[N], scratch[N];
    const double *run;
    for (int i = 0; i < N; i++) values[i] = i % 2 ? 1e308 : -1e308;
    struct mr_column columns[] = {column("x", MR_FLOAT64, values), column("y", MR_FLOAT64, values)};
    struct mr_input input = table(columns, 2);
    input.table.n_rows = N;
    struct mr_sk_features x;
    assert_int_equal(init(&plain, input, &x), MR_OK);
    assert_int_equal(mr_sk_features_column(&x, 0, 7, N - 7, scratch, &run, &err), MR_OK);
    assert_ptr_equal(run, values + 7); /* in place */
    const double bad[] = {NAN, INFINITY, -INFINITY, -NAN};
    for (int i = 0; i < N; i += 37) {
        double kept = values[i];
        values[i] = bad[i % 4];
        assert_int_equal(mr_sk_features_column(&x, 1, 0, N, scratch, &run, &err), MR_E_BAD_REQUEST);
        char place[32];
        snprintf(place, sizeof(place), "\"y\", row %d:", i);
        assert_non_null(strstr(err.message, place));
        values[i] = kept;
    }
}

/* float32 of an integer: rounded once, or twice where numpy has a float64 array in between. */
static void test_float32_rounding(void **state) {
    (void)state;
    static const int64_t i64[] = {(INT64_C(1) << 60) + (INT64_C(1) << 36) + 1, 3};
    static const uint64_t u64[] = {1, 2};
    static const uint8_t bools[] = {1, 0};
    const double once = 0x1p60 + 0x1p37, twice = 0x1p60;
    const struct {
        mr_dtype dtype;
        const void *values;
        double wanted, wanted_later;
    } others[] = {
        {MR_INT64, i64, once, once},
        {MR_BOOL, bools, once, once},
        {MR_FLOAT64, two, twice, twice},
        {MR_UINT64, u64, twice, twice},
    };
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++) {
        struct mr_column columns[] = {column("x", MR_INT64, i64),
                                      column("y", others[i].dtype, others[i].values)};
        for (int is_later = 0; is_later < 2; is_later++) {
            struct mr_sk_feature_spec spec = {
                .estimator = "Tree",
                .n_features = 2,
                .dtype = is_later ? MR_SK_FLOAT32_LATER : MR_SK_FLOAT32,
            };
            double wanted = is_later ? others[i].wanted_later : others[i].wanted;
            struct mr_sk_features x;
            double row[2], scratch[2];
            const double *run;
            assert_int_equal(init(&spec, table(columns, 2), &x), MR_OK);
            assert_int_equal(mr_sk_features_row(&x, 0, row, &err), MR_OK);
            assert_true(row[0] == wanted);
            assert_int_equal(mr_sk_features_column(&x, 0, 0, 2, scratch, &run, &err), MR_OK);
            assert_true(run[0] == wanted && run[1] == 3);
        }
    }
    static const double tenth[] = {0.1, 1e-46};
    struct mr_column columns[] = {column("x", MR_FLOAT64, tenth), column("y", MR_FLOAT64, two)};
    struct mr_sk_feature_spec spec = {.estimator = "Tree", .n_features = 2, .dtype = MR_SK_FLOAT32};
    struct mr_sk_features x;
    double scratch[2];
    const double *run;
    assert_int_equal(init(&spec, table(columns, 2), &x), MR_OK);
    assert_int_equal(mr_sk_features_column(&x, 0, 0, 2, scratch, &run, &err), MR_OK);
    assert_true(run[0] == (double)0.1f && run[1] == 0);
}

/* Whether a value passes, read by row and by column. */
static bool passes(const struct mr_sk_feature_spec *spec, struct mr_column x_column) {
    struct mr_column columns[] = {x_column, column("y", MR_FLOAT64, two)};
    struct mr_sk_features x;
    double row[2], scratch[2];
    const double *run;
    assert_int_equal(init(spec, table(columns, 2), &x), MR_OK);
    mr_status by_row = mr_sk_features_row(&x, 0, row, &err);
    mr_status by_column = mr_sk_features_column(&x, 0, 0, 1, scratch, &run, &err);
    assert_int_equal(by_row, by_column);
    return by_row == MR_OK;
}

static void test_what_may_pass(void **state) {
    (void)state;
    static const double values[][2] = {{NAN, 0}, {-INFINITY, 0}, {1e39, 0}, {1, 0}};
    static const char *const wanted[] = {
        [MR_SK_FINITE] = "000100",
        [MR_SK_FINITE_OR_NAN] = "100111",
        [MR_SK_FINITE_OR_LATE] = "000110",
        [MR_SK_ANY] = "111111",
    };
    static const char json[] = "[null]";
    yyjson_doc *doc = yyjson_read(json, sizeof(json) - 1, 0);
    yyjson_val *none[] = {yyjson_arr_get_first(yyjson_doc_get_root(doc)), NULL};
    for (int finite = MR_SK_FINITE; finite <= MR_SK_ANY; finite++) {
        struct mr_sk_feature_spec spec = {.estimator = "Tree",
                                          .n_features = 2,
                                          .dtype = MR_SK_FLOAT32_LATER,
                                          .finite = (mr_sk_finite)finite};
        for (int i = 0; i < 4; i++) {
            assert_int_equal(passes(&spec, column("x", MR_FLOAT64, values[i])),
                             wanted[finite][i] == '1');
        }
        assert_int_equal(passes(&spec, column("x", MR_OBJECT, none)), wanted[finite][4] == '1');
        assert_int_equal(passes(&spec, column("x", MR_OBJECT, none + 1)), wanted[finite][5] == '1');
    }
    yyjson_doc_free(doc);
    const bool is_unused[] = {true, false};
    struct mr_sk_feature_spec spec = {
        .estimator = "Tree", .n_features = 2, .is_unused = is_unused, .dtype = MR_SK_FLOAT32};
    struct mr_column columns[] = {column("x", MR_FLOAT64, values[0]), column("y", MR_FLOAT64, two)};
    struct mr_sk_features x;
    double row[2];
    assert_int_equal(init(&spec, table(columns, 2), &x), MR_OK);
    assert_int_equal(mr_sk_features_row(&x, 0, row, &err), MR_OK);
    assert_true(row[0] == 0 && row[1] == 1.5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fitted_names),
        cmocka_unit_test(test_duplicate_names),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_width),
        cmocka_unit_test(test_datetimes),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_objects),
        cmocka_unit_test(test_tensors_of_texts),
        cmocka_unit_test(test_long_columns),
        cmocka_unit_test(test_float32_rounding),
        cmocka_unit_test(test_what_may_pass),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
