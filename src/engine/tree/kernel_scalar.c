/* For any processor: walks only. */
#include "engine/tree/rank_int.h"

#define DEFINE_COUNT(name, type)                                                                   \
    static inline size_t name(const type *items, type value) {                                     \
        uint32_t n = 0;                                                                            \
        for (size_t i = 0; i < MR_TREE_FAN; i++) n += !(value <= items[i]);                        \
        return n;                                                                                  \
    }

DEFINE_COUNT(count_floats, float)
DEFINE_COUNT(count_doubles, double)

MR_TREE_DEFINE_FIND_RANKS(count_floats, count_doubles)
MR_TREE_DEFINE_RANK_WIDE

static bool is_supported(void) {
    return true;
}

const struct mr_tree_kernel mr_tree_scalar = {
    .name = "scalar",
    .is_supported = is_supported,
    .rank_wide = rank_wide,
};
