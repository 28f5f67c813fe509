#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena_fixture.h"
#include "base/buf.h"
#include "failing_allocator.h"
#include "loader/pickle.h"

static struct mr_error err;

/* A literal with NULs in it, as arguments. */
#define BYTES(literal) literal, sizeof(literal) - 1

/* Parses a copy of exactly that size, so that a sanitizer sees a read past its end. */
static mr_status parse(const char *data, size_t size, const struct mr_object **root) {
    char *copy = malloc(size ? size : 1);
    assert_non_null(copy);
    memcpy(copy, data, size);
    struct mr_pickle pickle = {0};
    err = (struct mr_error){0};
    mr_status status = mr_pickle_parse((struct mr_str){copy, size}, arena, &pickle, &err);
    free(copy);
    *root = pickle.root;
    return status;
}

static const struct mr_object *read_root(const char *data, size_t size) {
    const struct mr_object *root;
    if (parse(data, size, &root) != MR_OK) fail_msg("%s", err.message);
    return root;
}

static void assert_fails(mr_status wanted, const char *part, const char *data, size_t size) {
    const struct mr_object *root;
    assert_int_equal(parse(data, size, &root), wanted);
    if (!strstr(err.message, part)) fail_msg("\"%s\" is not in \"%s\"", part, err.message);
}

#define ROOT(literal) read_root(BYTES(literal))
#define FAILS(status, part, literal) assert_fails(status, part, BYTES(literal))

/* Values ------------------------------------------------------------------------------------- */

static void assert_int(const struct mr_object *object, int64_t value) {
    assert_int_equal(object->kind, MR_OBJECT_INT);
    assert_int_equal(object->integer, value);
    assert_true(mr_object_is(object, "builtins", "int"));
}

static void test_integers(void **state) {
    (void)state;
    assert_int(ROOT("K\xff."), 255);
    assert_int(ROOT("M\xff\xff."), 65535);
    assert_int(ROOT("J\xfe\xff\xff\xff."), -2);
    assert_int(ROOT("I-17\n."), -17);
    assert_int(ROOT("L9223372036854775807L\n."), INT64_MAX);
    assert_int(ROOT("\x8a\x00."), 0);
    assert_int(ROOT("\x8a\x01\xff."), -1);
    assert_int(ROOT("\x8a\x02\xff\x00."), 255);
    assert_int(ROOT("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80."), INT64_MIN);
    assert_int(ROOT("\x8a\x09\xff\xff\xff\xff\xff\xff\xff\x7f\x00."), INT64_MAX);
    assert_int(ROOT("\x8b\x03\x00\x00\x00\x00\x00\x01."), 65536);
    assert_true(ROOT("I01\n.")->boolean);
    assert_int_equal(ROOT("I00\n.")->kind, MR_OBJECT_BOOL);
}

/* Integers beyond int64 are floats, correctly rounded. */
static void test_large_integers(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        double value;
    } cases[] = {
        {BYTES("\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00."), 0x1p63},
        {BYTES("\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\x00."), 0x1p64},
        {BYTES("\x8a\x09\xff\xff\xff\xff\xff\xff\xff\x7f\xff."), -0x1p63}, /* -2**63 - 1 */
        {BYTES("\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\xff."), -0x1p64},
        {BYTES("\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x00\x80."), -0x1p71},
        {BYTES("\x8a\x09\x00\x08\x00\x00\x00\x00\x00\x80\x00."), 0x1p63 + 2048},
        {BYTES("\x8a\x09\x00\x04\x00\x00\x00\x00\x00\x80\x00."), 0x1p63}, /* ties to even */
        {BYTES("\x8a\x0a\x01\x00\x04\x00\x00\x00\x00\x00\x80\x00."), (0x1p63 + 2048) * 256},
        {BYTES("L18446744073709551616L\n."), 0x1p64},
        {BYTES("I-9223372036854775809\n."), -0x1p63},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct mr_object *object = read_root(cases[i].bytes, cases[i].size);
        assert_int_equal(object->kind, MR_OBJECT_FLOAT);
        assert_true(mr_object_is(object, "builtins", "int"));
        if (object->real != cases[i].value) fail_msg("%zu: %a", i, object->real);
    }
    char data[256] = "\x8a\xc8"; /* 200 bytes: beyond double */
    data[2 + 198] = 1;
    data[2 + 200] = '.';
    assert_true(isinf(read_root(data, 203)->real));
}

static void test_floats(void **state) {
    (void)state;
    assert_true(ROOT("G\x3f\xf8\x00\x00\x00\x00\x00\x00.")->real == 1.5);
    assert_true(ROOT("F-2.5e3\n.")->real == -2500);
    assert_true(isnan(ROOT("Fnan\n.")->real));
    assert_true(mr_object_is(ROOT("F1\n."), "builtins", "float"));
}

static void assert_text(const struct mr_object *object, const char *text) {
    if (!mr_object_is_str(object, text)) {
        fail_msg("%.*s is not %s", MR_STR_ARGS(object->text), text);
    }
    assert_int_equal(object->text.data[object->text.size], '\0');
}

static void test_texts(void **state) {
    (void)state;
    assert_text(ROOT("\x8c\x03\xc3\xa9x."), "\xc3\xa9x");
    assert_text(ROOT("X\x02\x00\x00\x00hi."), "hi");
    assert_text(ROOT("\x8d\x02\x00\x00\x00\x00\x00\x00\x00hi."), "hi");
    assert_text(ROOT("\x8c\x03\xed\xa0\x80."), "\xed\xa0\x80"); /* a surrogate */
    assert_text(ROOT("Va\\u00e9\xe9\\U0001f600\\n\\\\u\n."),
                "a\xc3\xa9\xc3\xa9\xf0\x9f\x98\x80\\n\\\\u");
    assert_text(ROOT("V\\\n."), "\\");
    assert_text(ROOT("S'it'\n."), "it");
    assert_text(ROOT("U\x02hi."), "hi");
    assert_text(ROOT("T\x02\x00\x00\x00hi."), "hi");
    const struct mr_object *bytes = ROOT("C\x03\x00\xff..more"); /* nobody reads behind STOP */
    assert_int_equal(bytes->kind, MR_OBJECT_BYTES);
    assert_memory_equal(bytes->text.data, "\x00\xff.", 4);
    assert_true(mr_object_is(bytes, "builtins", "bytes"));
    assert_int_equal(ROOT("B\x01\x00\x00\x00x.")->text.size, 1);
    assert_int_equal(ROOT("\x8e\x01\x00\x00\x00\x00\x00\x00\x00x.")->text.size, 1);
    assert_true(
        mr_object_is(ROOT("\x96\x01\x00\x00\x00\x00\x00\x00\x00x."), "builtins", "bytearray"));
}

static void test_containers(void **state) {
    (void)state;
    const struct mr_object *list = ROOT("](K\x01K\002eNa.");
    assert_int_equal(list->kind, MR_OBJECT_LIST);
    assert_int_equal(list->list.n, 3);
    assert_int(list->list.items[1], 2);
    assert_int_equal(list->list.items[2]->kind, MR_OBJECT_NONE);
    assert_int_equal(ROOT("(K\x01K\x02l.")->list.n, 2);
    assert_int_equal(ROOT(").")->kind, MR_OBJECT_TUPLE);
    assert_int_equal(ROOT("K\x01\x85.")->list.n, 1);
    assert_int_equal(ROOT("\x88\x89\x86.")->list.n, 2);
    assert_int_equal(ROOT("NNN\x87.")->list.n, 3);
    assert_int_equal(ROOT("(NNNNt.")->list.n, 4);
    assert_int_equal(ROOT("(t.")->list.n, 0);
    const struct mr_object *set = ROOT("\x8f(K\x01K\x02\x90.");
    assert_int_equal(set->kind, MR_OBJECT_SET);
    assert_int_equal(set->list.n, 2);
    assert_true(mr_object_is(ROOT("(K\x01\x91."), "builtins", "frozenset"));
    const struct mr_object *dict = ROOT("}\x8c\001aK\x01s(\x8c\001bK\x02\x8c\001aK\x03u.");
    assert_int_equal(dict->dict.n, 3);
    assert_int(mr_object_item(dict, "a"), 3);
    assert_int(mr_object_item(dict, "b"), 2);
    assert_int(mr_object_item(ROOT("(\x8c\001aK\005d."), "a"), 5);
}

static void test_many_items(void **state) {
    (void)state;
    struct mr_buf buf;
    mr_buf_init(&buf, arena);
    mr_buf_text(&buf, "](");
    for (unsigned i = 0; i < 1000; i++) mr_buf_format(&buf, "I%u\n", i);
    mr_buf_char(&buf, 'e');
    for (unsigned i = 1000; i < 3000; i++) mr_buf_format(&buf, "I%u\na", i);
    mr_buf_char(&buf, '.');
    const struct mr_object *list = read_root(buf.data, buf.size);
    assert_int_equal(list->list.n, 3000);
    for (int i = 0; i < 3000; i++) assert_int(list->list.items[i], i);
}

static void test_stack_and_memo(void **state) {
    (void)state;
    assert_int(ROOT("K\x01K\0020."), 1);
    assert_int_equal(ROOT("](0(N1.")->list.n, 0); /* POP takes a mark too, POP_MARK all above */
    const struct mr_object *pair = ROOT("]2\x86.");
    assert_ptr_equal(pair->list.items[0], pair->list.items[1]);
    pair = ROOT("]\x94h\x00\x86\x94h\x01\x86.");
    assert_int_equal(pair->list.items[1]->kind, MR_OBJECT_TUPLE);
    assert_ptr_equal(pair->list.items[0], pair->list.items[1]);
    assert_int(ROOT("K\x07q\0000j\x00\x00\x00\x00."), 7);
    assert_int(ROOT("K\x07r\x00\x00\x00\0000h\x00."), 7);
    assert_int(ROOT("K\x07p0\n0g0\n."), 7);
    const struct mr_object *cycle = ROOT("]\x94h\000a.");
    assert_ptr_equal(cycle->list.items[0], cycle);
    assert_int(ROOT("\x80\x04\x95\x03\x00\x00\x00\x00\x00\x00\x00K\x03."), 3);
}

/* Classes ------------------------------------------------------------------------------------ */

static void test_instances(void **state) {
    (void)state;
    const struct mr_object *ridge = ROOT(
        "csklearn.linear_model._ridge\nRidge\n)\x81}\x8c\005alphaK\x02sb.");
    assert_int_equal(ridge->kind, MR_OBJECT_INSTANCE);
    assert_true(mr_object_is(ridge, "sklearn.linear_model._ridge", "Ridge"));
    assert_null(ridge->instance.args);
    assert_int(mr_object_attr(ridge, "alpha"), 2);
    const struct mr_object *same = ROOT("ccopy_reg\n_reconstructor\n(csklearn.x\nRidge\n"
                                        "c__builtin__\nobject\nNtR.");
    assert_true(mr_object_is(same, "sklearn.x", "Ridge"));
    assert_null(same->instance.args);
    const struct mr_object *tree = ROOT("\x8c\x12sklearn.tree._tree\x8c\x04Tree\x93K\x04K\x02\x86"
                                        "R}b.");
    assert_int(tree->instance.args->list.items[0], 4);
    assert_int_equal(tree->instance.state->kind, MR_OBJECT_DICT);
    const struct mr_object *loss = ROOT("csklearn._loss._loss\n__pyx_unpickle_CyHalfGammaLoss\n"
                                        "(csklearn._loss._loss\nCyHalfGammaLoss\nK\x01NtR.");
    assert_true(mr_object_is(loss, "sklearn._loss._loss", "CyHalfGammaLoss"));
    assert_int_equal(loss->instance.args->list.n, 3);
    assert_int_equal(ROOT("c_loss\nCyPinballLoss\n.")->kind, MR_OBJECT_GLOBAL);
    const struct mr_object *bunch = ROOT("csklearn.utils._bunch\nBunch\n)\x81\x8c\x01xK\x01s}b.");
    assert_int_equal(bunch->kind, MR_OBJECT_DICT);
    assert_true(mr_object_is(bunch, "sklearn.utils._bunch", "Bunch"));
    assert_int(mr_object_item(bunch, "x"), 1);
    assert_true(mr_object_is(ROOT("(isklearn.a\nB\n."), "sklearn.a", "B"));
    assert_int(ROOT("(csklearn.a\nB\nK\x05o.")->instance.args->list.items[0], 5);
    assert_true(mr_object_is(ROOT("csklearn.a\nB\n)}\x92."), "sklearn.a", "B"));
    assert_true(mr_object_is(ROOT("cnumpy.random._pickle\n__randomstate_ctor\n)R}b."),
                             "numpy.random.mtrand", "RandomState"));
}

static void test_calls_that_make_data(void **state) {
    (void)state;
    const struct mr_object *set = ROOT("c__builtin__\nset\n((K\x01K\x02ltR.");
    assert_int_equal(set->kind, MR_OBJECT_SET);
    assert_int_equal(set->list.n, 2);
    assert_true(mr_object_is(ROOT("\x80\003cbuiltins\nfrozenset\n)R."), "builtins", "frozenset"));
    const struct mr_object *ordered = ROOT("ccollections\nOrderedDict\n)RK\x01K\x02s.");
    assert_true(mr_object_is(ordered, "collections", "OrderedDict"));
    assert_int_equal(ordered->dict.n, 1);
    assert_int_equal(ROOT("ccollections\ndefaultdict\ncbuiltins\nlist\n\x85R.")->kind,
                     MR_OBJECT_DICT);
    const struct mr_object *bytes = ROOT("c_codecs\nencode\n(Va\\u00ff\nVlatin1\ntR.");
    assert_int_equal(bytes->kind, MR_OBJECT_BYTES);
    assert_memory_equal(bytes->text.data, "a\xff", 3);
    assert_memory_equal(ROOT("cbuiltins\nbytearray\nC\x01x\x85R.")->text.data, "x", 2);
    assert_int_equal(ROOT("cbuiltins\nbytes\n)R.")->text.size, 0);
}

static void test_other_names_need_python(void **state) {
    (void)state;
    FAILS(MR_E_UNSUPPORTED, "byte 0 of the pickle: it needs Python: it uses os.system",
          "cos\nsystem\n(S'true'\ntR.");
    FAILS(MR_E_UNSUPPORTED, "builtins.eval", "\x80\x04\x8c\010builtins\x8c\004eval\x93.");
    FAILS(MR_E_UNSUPPORTED, "builtins.eval", "c__builtin__\neval\n.");
    FAILS(MR_E_UNSUPPORTED, "__builtin__.list", "\x80\004c__builtin__\nlist\n.");
    FAILS(MR_E_UNSUPPORTED, "sklearnex.a.B", "csklearnex.a\nB\n.");
    FAILS(MR_E_UNSUPPORTED, "__main__.Model", "(i__main__\nModel\n.");
    FAILS(MR_E_UNSUPPORTED, "cloudpickle.cloudpickle._make_skeleton_class",
          "ccloudpickle.cloudpickle\n_make_skeleton_class\n.");
    FAILS(MR_E_UNSUPPORTED, "_loss.x", "c_loss\nx\n.");
    FAILS(MR_E_UNSUPPORTED, "persistent", "P1\n.");
    FAILS(MR_E_UNSUPPORTED, "persistent", "NQ.");
    FAILS(MR_E_UNSUPPORTED, "extensions", "\x82\x01.");
    FAILS(MR_E_UNSUPPORTED, "extensions", "\x84\x01\x00\x00\x00.");
    FAILS(MR_E_UNSUPPORTED, "buffers", "\x97.");
    FAILS(MR_E_UNSUPPORTED, "buffers", "N\x98.");
    FAILS(MR_E_UNSUPPORTED, "protocol 6", "\x80\x06N.");
    FAILS(MR_E_UNSUPPORTED, "named arguments", "csklearn.a\nB\n)}\x8c\x01xNs\x92.");
    FAILS(MR_E_UNSUPPORTED, "adds items", "csklearn.a\nB\n)\x81Na.");
    FAILS(MR_E_UNSUPPORTED, "calls an object of sklearn.a.B", "csklearn.a\nB\n)\x81)R.");
    FAILS(MR_E_UNSUPPORTED, "state of sklearn.a.B again", "csklearn.a\nB\n)\x81}b}b.");
    FAILS(MR_E_UNSUPPORTED, "state of list", "]}b.");
    FAILS(MR_E_UNSUPPORTED, "state of sklearn.a.B", "csklearn.a\nB\n}b.");
    FAILS(MR_E_UNSUPPORTED, "not derived from object",
          "ccopy_reg\n_reconstructor\n(csklearn.a\nB\nc__builtin__\nlist\n]tR.");
    FAILS(MR_E_UNSUPPORTED, "dict from arguments", "ccollections\nOrderedDict\n]\x85R.");
}

/* Arrays ------------------------------------------------------------------------------------- */

#define DTYPE(code, order, rest)                                                                   \
    "cnumpy\ndtype\n(U\x02" code "\x89\x88tR(K\x03U\x01" order rest "tb"
#define PLAIN(code, order) DTYPE(code, order, "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00")
#define ARRAY(shape, dtype, is_fortran, data)                                                      \
    "cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01"                         \
    "btR(K\x01" shape dtype is_fortran data "tb"

static const struct mr_ndarray *array_of(const struct mr_object *object) {
    assert_int_equal(object->kind, MR_OBJECT_ARRAY);
    return &object->array;
}

static void test_arrays(void **state) {
    (void)state;
    const struct mr_object *object = ROOT(
        ARRAY("(K\x02tq\x00", PLAIN("f4", "<"), "\x89", "C\x08\x00\x00\x80?\x00\x00\x00@") ".");
    const struct mr_ndarray *array = array_of(object);
    assert_true(mr_object_is(object, "numpy", "ndarray"));
    assert_true(array->is_known && array->dtype == MR_FLOAT32 && array->n_dims == 1);
    assert_true(((const float *)array->values)[1] == 2);
    assert_true(mr_str_is(array->descr, "<f4"));
    array = array_of(ROOT(ARRAY("(K\x02t", PLAIN("i2", ">"), "\x89", "C\x04\x01\x02\x03\x04") "."));
    assert_memory_equal(array->values, "\x02\x01\x04\x03", 4);
    array = array_of(ROOT(ARRAY("(K\x02K\x03t", PLAIN("u1", "|"), "\x88", "C\006adbecf") "."));
    assert_memory_equal(array->values, "abcdef", 6);
    array = array_of(ROOT(ARRAY("(K\x03t", PLAIN("b1", "|"), "\x89", "C\x03\x00\x01\x07") "."));
    assert_memory_equal(array->values, "\x00\x01\x01", 3);
    array = array_of(ROOT(ARRAY("(K\x01K\x02t", PLAIN("O8", "|"), "\x88", "(NK\x07l") "."));
    assert_int_equal(array->dtype, MR_OBJECT);
    assert_int(((const struct mr_object *const *)array->values)[1], 7);
    array = array_of(ROOT(ARRAY("(K\x02t", DTYPE("U1", "<", "NNNK\x04K\x04K\x08"), "\x89",
                                "C\x08\xe9\x00\x00\x00\x00\x00\x00\x00") "."));
    assert_true(mr_str_is(((const struct mr_str *)array->values)[0], "\xc3\xa9"));
    array = array_of(
        ROOT(ARRAY("(K\x01t", DTYPE("V2", "|", "NNNK\x02K\x01K\x00"), "\x89", "C\x02xy") "."));
    assert_true(!array->is_known && !array->record && !array->values);
}

/* Two bytes' worth of names and offsets: a at 0 and b, big-endian, at 1. */
static void test_structured_array(void **state) {
    (void)state;
    const struct mr_ndarray *array = array_of(
        ROOT(ARRAY("(K\x02t",
                   DTYPE("V3", "|",
                         "N(U\001aU\001bt}(U\001a" PLAIN("u1", "|") "K\x00\x86U\001b" PLAIN(
                             "i2", ">") "K\x01\x86uK\x03K\x01K\x00"),
                   "\x89", "C\006abcdef") "."));
    assert_false(array->is_known);
    assert_int_equal(array->record->item_bytes, 3);
    assert_memory_equal(array->values, "abcdef", 6);
    assert_int_equal(mr_ndarray_field(array, "a", MR_UINT8)->offset_bytes, 0);
    assert_null(mr_ndarray_field(array, "b", MR_INT16)); /* not native */
    /* A field that lies outside: no fields, and no values. */
    array = array_of(ROOT(
        ARRAY("(K\x02t",
              DTYPE("V3", "|", "N(U\001at}U\001a" PLAIN("i2", "<") "K\x02\x86sK\x03K\x01K\x00"),
              "\x89", "C\006abcdef") "."));
    assert_true(!array->record && !array->values);
}

static void test_scalars_and_buffers(void **state) {
    (void)state;
    const struct mr_object *scalar = ROOT(
        "cnumpy._core.multiarray\nscalar\n(" PLAIN("i4", "<") "C\x04\x05\x00\x00\x00tR.");
    assert_true(mr_object_is(scalar, "numpy", "int32"));
    assert_int_equal(array_of(scalar)->n_dims, 0);
    assert_int_equal(((const int32_t *)scalar->array.values)[0], 5);
    const struct mr_object *buffer = ROOT(
        "cnumpy.core.numeric\n_frombuffer\n(\x96\x06\x00\x00\x00\x00\x00\x00\000adbecf" PLAIN(
            "u1", "|") "(K\x02K\x03tU\001FtR.");
    assert_true(mr_object_is(buffer, "numpy", "ndarray"));
    assert_memory_equal(array_of(buffer)->values, "abcdef", 6);
    FAILS(MR_E_UNSUPPORTED, "lies in memory",
          "cnumpy._core.numeric\n_frombuffer\n(C\x01x" PLAIN("u1", "|") "(K\x01tU\x01K(K\x00ttR.");
}

static void test_malformed_arrays(void **state) {
    (void)state;
    FAILS(MR_E_FORMAT, "8 bytes comes with 4",
          ARRAY("(K\x02t", PLAIN("f4", "<"), "\x89", "C\x04\x00\x00\x80?") ".");
    FAILS(MR_E_FORMAT, "shape",
          ARRAY("(J\xff\xff\xff\xfft", PLAIN("f4", "<"), "\x89", "C\x00") ".");
    FAILS(MR_E_FORMAT, "shape", ARRAY("N", PLAIN("f4", "<"), "\x89", "C\x00") ".");
    FAILS(MR_E_FORMAT, "overflows",
          ARRAY("(\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x09t", PLAIN("f4", "<"), "\x89",
                "C\x00") ".");
    FAILS(MR_E_FORMAT, "as numpy writes it", ARRAY("(K\x01t", PLAIN("f4", "<"), "\x89", "(Nl") ".");
    FAILS(MR_E_FORMAT, "2 objects comes with 1",
          ARRAY("(K\x02t", PLAIN("O8", "|"), "\x89", "(Nl") ".");
    FAILS(MR_E_FORMAT, "of the pickle: text 0 has U+110000",
          ARRAY("(K\x01t", DTYPE("U1", "<", "NNNK\x04K\x04K\x08"), "\x89",
                "C\x04\x00\x00\x11\x00") ".");
    FAILS(MR_E_FORMAT, "other arguments", "cnumpy.core.multiarray\n_reconstruct\n)R.");
}

/* joblib ------------------------------------------------------------------------------------- */

#define WRAPPER(shape, order, dtype, more)                                                         \
    "\x80\x03"                                                                                     \
    "cjoblib.numpy_pickle\nNumpyArrayWrapper\n)\x81}("                                             \
    "X\x08\x00\x00\x00subclasscnumpy\nndarray\nX\x05\x00\x00\x00shape" shape                       \
    "X\x05\x00\x00\x00orderX\x01\x00\x00\x00" order "X\x05\x00\x00\x00"                            \
    "dtype" dtype more "ub"
#define PADDED "X\x1b\x00\x00\x00numpy_array_alignment_bytesK\x10"

static void test_joblib_arrays(void **state) {
    (void)state;
    const struct mr_object *list = ROOT(
        "]" WRAPPER("(K\x02K\x02t", "F", PLAIN("u1", "|"), PADDED) "\x02\xff\377acbdaK\005a.");
    assert_memory_equal(array_of(list->list.items[0])->values, "abcd", 4);
    assert_int(list->list.items[1], 5);
    const struct mr_object *old = ROOT(WRAPPER("(K\x02t", "C", PLAIN("u1", "|"), "") "ab.");
    assert_memory_equal(array_of(old)->values, "ab", 2);
    assert_true(mr_object_is(old, "numpy", "ndarray"));
    const struct mr_object *objects = ROOT(
        WRAPPER("(K\x01t", "C", PLAIN("O8", "|"), PADDED) "\x80\x03" ARRAY(
            "(K\x01t", PLAIN("O8", "|"), "\x89", "(K\x09l") ".0K\x01.");
    assert_int(objects, 1);
    objects = ROOT(WRAPPER("(K\x01t", "C", PLAIN("O8", "|"), PADDED) "\x80\x03" ARRAY(
        "(K\x01t", PLAIN("O8", "|"), "\x89", "(K\x09l") "..");
    assert_int(((const struct mr_object *const *)array_of(objects)->values)[0], 9);
    FAILS(MR_E_FORMAT, "bytes should follow",
          WRAPPER("(J\x00\x00\x00\x7ft", "C", PLAIN("f8", "<"), PADDED) "\000ab.");
    FAILS(MR_E_UNSUPPORTED, "dtype", WRAPPER("(K\x01t", "C", PLAIN("c8", "<"), PADDED) "\000ab.");
}

/* Damage ------------------------------------------------------------------------------------- */

static void test_malformed(void **state) {
    (void)state;
    FAILS(MR_E_FORMAT, "ends at byte 0", "");
    FAILS(MR_E_FORMAT, "ends at byte 1", "N");
    FAILS(MR_E_FORMAT, "ends at byte 2", "I1");
    FAILS(MR_E_FORMAT, "the stack has 0", ".");
    FAILS(MR_E_FORMAT, "the stack has 0", "N(.");
    FAILS(MR_E_FORMAT, "byte 1 of the pickle: it takes 2 objects, the stack has 1", "N\x86.");
    FAILS(MR_E_FORMAT, "the stack has 0",
          "N(0"
          "00.");
    FAILS(MR_E_FORMAT, "no mark", "Nt.");
    FAILS(MR_E_FORMAT, "no opcode", "\xff");
    FAILS(MR_E_FORMAT, "memo 1 is not set", "N\x94h\x01.");
    FAILS(MR_E_FORMAT, "memo 4294967295 is too far", "Nr\xff\xff\xff\xff.");
    FAILS(MR_E_FORMAT, "no place of the memo", "Np-1\n.");
    FAILS(MR_E_FORMAT, "no place of the memo", "g99999999999999999999\n.");
    FAILS(MR_E_FORMAT, "no UTF-8", "\x8c\x01\xff.");
    FAILS(MR_E_FORMAT, "no ASCII", "U\x01\xff.");
    FAILS(MR_E_FORMAT, "no quotes", "S'x\n.");
    FAILS(MR_E_UNSUPPORTED, "escapes", "S'\\x41'\n.");
    FAILS(MR_E_FORMAT, "escape", "V\\u12\n.");
    FAILS(MR_E_FORMAT, "escape", "V\\U00110000\n.");
    FAILS(MR_E_FORMAT, "no integer", "Ix\n.");
    FAILS(MR_E_FORMAT, "no number", "Fx\n.");
    FAILS(MR_E_FORMAT, "negative", "\x8b\xff\xff\xff\xff.");
    FAILS(MR_E_FORMAT, "9223372036854775807 bytes should follow",
          "\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.");
    FAILS(MR_E_FORMAT, "bytes should follow", "\x8d\xff\xff\xff\xff\xff\xff\xff\xff.");
    FAILS(MR_E_FORMAT, "frame", "\x95\x05\x00\x00\x00\x00\x00\x00\x00N.");
    FAILS(MR_E_FORMAT, "no value", "}(Nu.");
    FAILS(MR_E_FORMAT, "no value", "(Nd.");
    FAILS(MR_E_FORMAT, "no text", "NN\x93.");
    FAILS(MR_E_FORMAT, "no class", "N)\x81.");
    FAILS(MR_E_FORMAT, "no class", "(o.");
    FAILS(MR_E_FORMAT, "arguments", "cbuiltins\nset\nN\x85R.");
    FAILS(MR_E_FORMAT, "Latin-1", "c_codecs\nencode\n(V\\u0100\nVlatin1\ntR.");
}

/* A megabyte that ten thousand arrays are made of, 40 bytes each. */
static void test_memory_is_bounded(void **state) {
    (void)state;
    struct mr_buf buf;
    mr_buf_init(&buf, arena);
    mr_buf_append(&buf, BYTES("\x80\x04(" PLAIN("u1", "|") "\224B\x00\x00\x10\x00"));
    memset(mr_buf_reserve(&buf, 1 << 20), 7, 1 << 20);
    buf.size += 1 << 20;
    mr_buf_append(&buf, BYTES("\224cnumpy.core.numeric\n_frombuffer\n\x94"
                              "J\x00\x00\x10\x00\x85\x94\x8c\001C\x94"));
    for (int i = 0; i < 10000; i++) mr_buf_append(&buf, BYTES("h\x02(h\x01h\x00h\x03h\x04tR"));
    mr_buf_append(&buf, BYTES("t."));
    const struct mr_object *root;
    struct mr_arena *whole = arena;
    arena = mr_arena_new(0, NULL);
    assert_int_equal(parse(buf.data, buf.size, &root), MR_E_TOO_LARGE);
    assert_true(mr_arena_bytes(arena) < 512 * buf.size);
    mr_arena_free(arena);
    arena = whole;
    assert_non_null(strstr(err.message, "bytes of memory"));
}

static void test_no_such_file(void **state) {
    (void)state;
    struct mr_pickle pickle;
    assert_int_equal(mr_pickle_load("tests/data/none.pkl", arena, &pickle, &err), MR_E_IO);
    assert_int_equal(mr_pickle_load("tests", arena, &pickle, &err), MR_E_IO);
}

/* Each allocation of a load fails once. */
static void test_out_of_memory(void **state) {
    (void)state;
    static const char data[] = "](" ARRAY("(K\x01t", PLAIN("O8", "|"), "\x89", "(K\x09l")
        ARRAY("(K\x02t", DTYPE("U1", "<", "NNNK\x04K\x04K\x08"), "\x88",
              "C\010a\0\0\0b\0\0\0") "Vx\n\x94}NNs\x8f(N\220e.";
    struct failing_allocator allocator = {0};
    mr_status status = MR_E_NO_MEMORY;
    while (status != MR_OK) {
        struct mr_pickle pickle;
        allocator.n_calls = 0;
        struct mr_arena *failing = failing_arena(&allocator);
        if (failing) {
            status = mr_pickle_parse((struct mr_str){BYTES(data)}, failing, &pickle, &err);
            assert_true(status == MR_OK || status == MR_E_NO_MEMORY);
        }
        mr_arena_free(failing);
        allocator.fail_at++;
    }
    assert_true(allocator.fail_at > 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_large_integers),
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_containers),
        cmocka_unit_test(test_many_items),
        cmocka_unit_test(test_stack_and_memo),
        cmocka_unit_test(test_instances),
        cmocka_unit_test(test_calls_that_make_data),
        cmocka_unit_test(test_other_names_need_python),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_structured_array),
        cmocka_unit_test(test_scalars_and_buffers),
        cmocka_unit_test(test_malformed_arrays),
        cmocka_unit_test(test_joblib_arrays),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_memory_is_bounded),
        cmocka_unit_test(test_no_such_file),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, arena_setup, arena_teardown);
}
