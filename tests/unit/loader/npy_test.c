#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "arena_fixture.h"
#include "loader/npy.h"

/* A file of format 1.0 with that header and data, in an allocation of exactly its size. */
static struct mr_str file_of(const char *header, const void *data, size_t size) {
    size_t length = strlen(header);
    char *file = mr_arena_alloc(arena, 10 + length + size);
    memcpy(file, "\x93NUMPY\1\0", 8);
    file[8] = (char)(length & 255);
    file[9] = (char)(length >> 8);
    memcpy(file + 10, header, length);
    if (size) memcpy(file + 10 + length, data, size);
    return (struct mr_str){file, 10 + length + size};
}

static mr_status read_npy(const char *header, const void *data, size_t size,
                          struct mr_ndarray *out) {
    return mr_npy_read(file_of(header, data, size), arena, out, NULL);
}

static void test_matrix(void **state) {
    (void)state;
    const double values[] = {1, 2, 3, 4, 5, 6};
    struct mr_ndarray array;
    assert_int_equal(
        read_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }          \n", values,
                 sizeof(values), &array),
        MR_OK);
    assert_true(array.is_known);
    assert_int_equal(array.dtype, MR_FLOAT64);
    assert_int_equal(array.n_dims, 2);
    assert_int_equal(array.shape[0], 2);
    assert_int_equal(array.shape[1], 3);
    assert_int_equal(array.n_values, 6);
    assert_memory_equal(array.values, values, sizeof(values));
    assert_true(mr_str_is(array.descr, "<f8"));
}

static void test_fortran_order(void **state) {
    (void)state;
    const int16_t stored[] = {1, 4, 2, 5, 3, 6};
    const int16_t wanted[] = {1, 2, 3, 4, 5, 6};
    struct mr_ndarray array;
    assert_int_equal(read_npy("{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }\n",
                              stored, sizeof(stored), &array),
                     MR_OK);
    assert_memory_equal(array.values, wanted, sizeof(wanted));
    /* a[i][j][k] = 100 i + 10 j + k of shape (2, 2, 3) */
    const uint8_t cube[] = {0, 100, 10, 110, 1, 101, 11, 111, 2, 102, 12, 112};
    const uint8_t in_c[] = {0, 1, 2, 10, 11, 12, 100, 101, 102, 110, 111, 112};
    assert_int_equal(read_npy("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2, 3), }\n",
                              cube, sizeof(cube), &array),
                     MR_OK);
    assert_memory_equal(array.values, in_c, sizeof(in_c));
}

static void test_big_endian(void **state) {
    (void)state;
    const unsigned char stored[] = {0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe};
    struct mr_ndarray array;
    assert_int_equal(read_npy("{'descr': '>i4', 'fortran_order': False, 'shape': (2,), }\n", stored,
                              sizeof(stored), &array),
                     MR_OK);
    assert_int_equal(((const int32_t *)array.values)[0], 1);
    assert_int_equal(((const int32_t *)array.values)[1], -2);
    const unsigned char text[] = {0, 0, 0, 'a', 0, 0, 0, 0xe9};
    assert_int_equal(read_npy("{'descr': '>U2', 'fortran_order': False, 'shape': (1,), }\n", text,
                              sizeof(text), &array),
                     MR_OK);
    assert_true(mr_str_is(((const struct mr_str *)array.values)[0], "a\xc3\xa9"));
}

static void test_scalars_and_empty_arrays(void **state) {
    (void)state;
    const double value = 2.5;
    struct mr_ndarray array;
    assert_int_equal(read_npy("{'descr': '<f8', 'fortran_order': False, 'shape': (), }\n", &value,
                              sizeof(value), &array),
                     MR_OK);
    assert_int_equal(array.n_dims, 0);
    assert_int_equal(array.n_values, 1);
    assert_int_equal(read_npy("{'descr': '<f8', 'fortran_order': True, "
                              "'shape': (9223372036854775807, 0, 9223372036854775807), }\n",
                              NULL, 0, &array),
                     MR_OK);
    assert_int_equal(array.n_values, 0);
}

static void test_bool_is_0_or_1(void **state) {
    (void)state;
    const unsigned char stored[] = {0, 1, 7};
    struct mr_ndarray array;
    assert_int_equal(read_npy("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }\n", stored,
                              sizeof(stored), &array),
                     MR_OK);
    assert_memory_equal(array.values, "\0\1\1", 3);
}

static void test_texts(void **state) {
    (void)state;
    const uint32_t stored[] = {'y', 'e', 's', 'n', 'o', 0, 0x1f600, 0, 'x', 0xd800, 0, 0};
    struct mr_ndarray array;
    assert_int_equal(read_npy("{'descr': '<U3', 'fortran_order': False, 'shape': (4,), }\n", stored,
                              sizeof(stored), &array),
                     MR_OK);
    const struct mr_str *texts = array.values;
    assert_int_equal(array.dtype, MR_STRING);
    assert_true(mr_str_is(texts[0], "yes"));
    assert_true(mr_str_is(texts[1], "no"));
    assert_int_equal(texts[2].size, 6);
    assert_memory_equal(texts[2].data, "\xf0\x9f\x98\x80\0x", 6);
    assert_true(mr_str_is(texts[3], "\xed\xa0\x80"));
    assert_int_equal(read_npy("{'descr': '|S2', 'fortran_order': False, 'shape': (2,), }\n",
                              "ab\xff\0", 4, &array),
                     MR_OK);
    texts = array.values;
    assert_int_equal(array.dtype, MR_BINARY);
    assert_true(mr_str_is(texts[0], "ab"));
    assert_true(mr_str_is(texts[1], "\xff"));
}

static void test_no_character(void **state) {
    (void)state;
    const uint32_t stored[] = {0x110000};
    struct mr_ndarray array;
    assert_int_equal(read_npy("{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }\n", stored,
                              sizeof(stored), &array),
                     MR_E_FORMAT);
}

static void test_unknown_dtypes_have_no_values(void **state) {
    (void)state;
    static const char *const headers[] = {
        "{'descr': '<c16', 'fortran_order': False, 'shape': (1,), }\n",
        "{'descr': '<M8[ns]', 'fortran_order': True, 'shape': (2,), }\n",
        "{'descr': [('left', '<i8'), ('v', '<f8', (2, ))], 'fortran_order': False, 'shape': (1,)}",
    };
    for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
        struct mr_ndarray array;
        assert_int_equal(read_npy(headers[i], "0123456789abcdef", 16, &array), MR_OK);
        assert_false(array.is_known);
        assert_null(array.values);
        assert_null(array.record);
    }
}

static void test_structured_dtype(void **state) {
    (void)state;
    struct mr_ndarray array;
    const char *items = "\1\0\0\0\0\0\0\0"
                        "\2\0\0\0"
                        "\0\0\0\x40"
                        "\0\5"
                        "\1\1\1"
                        "\3\0\0\0\0\0\0\0"
                        "\4\0\0\0"
                        "\0\0\x80\x40"
                        "\0\6"
                        "\2\2\2";
    assert_int_equal(read_npy("{'descr': [('left', '<i8'), ('feature', '<u4'), ('value', '<f4'), "
                              "('big', '>u2'), ('', '|V2'), ('leaf', '|u1')], "
                              "'fortran_order': False, 'shape': (2,)}",
                              items, 42, &array),
                     MR_OK);
    assert_false(array.is_known);
    assert_int_equal(array.record->n_fields, 5);
    assert_int_equal(array.record->item_bytes, 21);
    assert_memory_equal(array.values, items, 42);
    assert_int_equal(mr_ndarray_field(&array, "left", MR_INT64)->offset_bytes, 0);
    assert_int_equal(mr_ndarray_field(&array, "value", MR_FLOAT32)->offset_bytes, 12);
    assert_int_equal(mr_ndarray_field(&array, "leaf", MR_UINT8)->offset_bytes, 20);
    assert_null(mr_ndarray_field(&array, "leaf", MR_INT8));
    assert_null(mr_ndarray_field(&array, "big", MR_UINT16));
    assert_null(mr_ndarray_field(&array, "right", MR_INT64));
    assert_int_equal(read_npy("{'descr': [('left', '<i8')], 'fortran_order': False, 'shape': (2,)}",
                              items, 15, &array),
                     MR_E_FORMAT);
    /* Two items of two rows, column by column. */
    assert_int_equal(read_npy("{'descr': [('a', '|u1'), ('b', '|u1')], 'fortran_order': True, "
                              "'shape': (2, 2)}",
                              "abcdefgh", 8, &array),
                     MR_OK);
    assert_memory_equal(array.values, "abefcdgh", 8);
}

static void test_formats_2_and_3(void **state) {
    (void)state;
    const char header[] = "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }\n";
    char file[128] = "\x93NUMPY";
    for (char version = 2; version <= 3; version++) {
        file[6] = version;
        file[8] = (char)strlen(header);
        memcpy(file + 12, header, strlen(header));
        file[12 + strlen(header)] = 9;
        struct mr_ndarray array;
        struct mr_str text = {file, 12 + strlen(header) + 1};
        assert_int_equal(mr_npy_read(text, arena, &array, NULL), MR_OK);
        assert_int_equal(((const uint8_t *)array.values)[0], 9);
    }
    file[6] = 4;
    struct mr_ndarray array;
    assert_int_equal(mr_npy_read((struct mr_str){file, 100}, arena, &array, NULL),
                     MR_E_UNSUPPORTED);
}

static void test_pickled_objects_are_refused(void **state) {
    (void)state;
    struct mr_ndarray array;
    assert_int_equal(read_npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n",
                              "\x80\x04N.", 4, &array),
                     MR_E_UNSUPPORTED);
}

static void test_malformed_headers(void **state) {
    (void)state;
    static const char *const headers[] = {
        "",
        "{}",
        "{'descr': '<f8', 'fortran_order': False}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'more': 1}",
        "{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f8', 'fortran_order': 1, 'shape': (1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999999999,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (,)}",
        "{'descr': '<f\\x38', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f8, 'fortran_order': False, 'shape': (1,)}",
        "{'descr': [[[['<f8', 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,)} and more",
        "{'descr': '<f8' 'fortran_order': False 'shape': (1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4294967296)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2305843009213693953,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}",
        "{'descr': '<U999', 'fortran_order': False, 'shape': (1,)}",
    };
    const double values[] = {1, 2};
    for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++) {
        struct mr_ndarray array;
        struct mr_error err = {0};
        struct mr_str file = file_of(headers[i], values, sizeof(values));
        mr_status status = mr_npy_read(file, arena, &array, &err);
        if (status != MR_E_FORMAT) print_message("%s\n", headers[i]);
        assert_int_equal(status, MR_E_FORMAT);
        assert_true(err.message[0]);
    }
}

static void test_cut_anywhere(void **state) {
    (void)state;
    const double values[] = {1, 2};
    struct mr_str file = file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n",
                                 values, sizeof(values));
    for (size_t size = 0; size < file.size; size++) {
        char *copy = mr_arena_alloc(arena, size);
        memcpy(copy, file.data, size);
        struct mr_ndarray array;
        assert_int_equal(mr_npy_read((struct mr_str){copy, size}, arena, &array, NULL),
                         MR_E_FORMAT);
    }
}

static void test_arena_cap(void **state) {
    (void)state;
    double *values = mr_arena_zalloc(arena, 100000 * sizeof(*values));
    struct mr_str file = file_of("{'descr': '<f8', 'fortran_order': False, 'shape': (100000,), }\n",
                                 values, 100000 * sizeof(*values));
    struct mr_arena *small = mr_arena_new(100000, NULL);
    struct mr_ndarray array;
    assert_int_equal(mr_npy_read(file, small, &array, NULL), MR_E_TOO_LARGE);
    mr_arena_free(small);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),
        cmocka_unit_test(test_fortran_order),
        cmocka_unit_test(test_big_endian),
        cmocka_unit_test(test_scalars_and_empty_arrays),
        cmocka_unit_test(test_bool_is_0_or_1),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_no_character),
        cmocka_unit_test(test_unknown_dtypes_have_no_values),
        cmocka_unit_test(test_structured_dtype),
        cmocka_unit_test(test_formats_2_and_3),
        cmocka_unit_test(test_pickled_objects_are_refused),
        cmocka_unit_test(test_malformed_headers),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_arena_cap),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
