#include "schema/datetime.h"

#define NS_PER_SECOND INT64_C(1000000000)

/* Parts of a format. */
enum { HAS_TIME = 1, HAS_SECONDS = 2, HAS_FRACTION = 4, HAS_ZONE = 8, HAS_SPACE = 16 };

/* What is left to read. */
struct reader {
    const char *at;
    const char *end;
};

static bool read_digits(struct reader *in, int n, int *out) {
    if (in->end - in->at < n) return false;
    int value = 0;
    for (int i = 0; i < n; i++) {
        char c = in->at[i];
        if (c < '0' || c > '9') return false;
        value = value * 10 + (c - '0');
    }
    in->at += n;
    *out = value;
    return true;
}

static bool read_char(struct reader *in, char c) {
    if (in->at == in->end || *in->at != c) return false;
    in->at++;
    return true;
}

static bool is_leap(int64_t year) {
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in_month(int64_t year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/* Years counted from March, so that the leap day is a year's last (Howard Hinnant, "chrono-
 * compatible low-level date algorithms", days_from_civil). */
int64_t mr_date_days(int64_t year, int month, int day) {
    if (month <= 2) year--;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

/* A fraction of a second: up to 18 digits, of which nine count. */
static bool read_fraction(struct reader *in, int64_t *ns) {
    int n = 0;
    *ns = 0;
    for (; in->at < in->end && *in->at >= '0' && *in->at <= '9'; in->at++, n++) {
        if (n < 9) *ns = *ns * 10 + (*in->at - '0');
    }
    for (int i = n; i < 9; i++) *ns *= 10;
    return n >= 1 && n <= 18;
}

/* Z, +HH, +HHMM, +HH:MM. */
static bool read_zone(struct reader *in, int *offset_minutes) {
    *offset_minutes = 0;
    if (read_char(in, 'Z')) return true;
    int hours, minutes = 0;
    bool is_negative = in->at < in->end && *in->at == '-';
    if (!read_char(in, '+') && !read_char(in, '-')) return false;
    if (!read_digits(in, 2, &hours)) return false;
    if (in->at < in->end) {
        read_char(in, ':');
        if (!read_digits(in, 2, &minutes)) return false;
    }
    *offset_minutes = (is_negative ? -1 : 1) * (hours * 60 + minutes);
    return hours < 24 && minutes < 60;
}

/* Seconds and their fraction to one count; INT64_MIN is no date but NaT. */
static bool to_ns(int64_t seconds, int64_t fraction_ns, int64_t *out) {
    /* The smallest date has a fraction, and its whole second does not fit by itself. */
    if (seconds < 0 && fraction_ns) {
        seconds += 1;
        fraction_ns -= NS_PER_SECOND;
    }
    return !__builtin_mul_overflow(seconds, NS_PER_SECOND, out) &&
           !__builtin_add_overflow(*out, fraction_ns, out) && *out != INT64_MIN;
}

mr_date_result mr_date_parse(struct mr_str text, struct mr_date *out) {
    struct reader in = {text.data, text.data + text.size};
    int year, month, day, hour = 0, minute = 0, second = 0;
    int64_t fraction_ns = 0;
    *out = (struct mr_date){0};
    if (!read_digits(&in, 4, &year) || !read_char(&in, '-') || !read_digits(&in, 2, &month) ||
        !read_char(&in, '-') || !read_digits(&in, 2, &day)) {
        return MR_DATE_OTHER;
    }
    if (in.at < in.end) {
        out->format = HAS_TIME | (*in.at == ' ' ? HAS_SPACE : 0);
        if (!read_char(&in, 'T') && !read_char(&in, ' ')) return MR_DATE_OTHER;
        if (!read_digits(&in, 2, &hour) || !read_char(&in, ':') || !read_digits(&in, 2, &minute)) {
            return MR_DATE_OTHER;
        }
        if (read_char(&in, ':')) {
            out->format |= HAS_SECONDS;
            if (!read_digits(&in, 2, &second)) return MR_DATE_OTHER;
            if (read_char(&in, '.')) {
                out->format |= HAS_FRACTION;
                if (!read_fraction(&in, &fraction_ns)) return MR_DATE_OTHER;
            }
        }
    }
    if (in.at < in.end) {
        out->format |= HAS_ZONE;
        out->has_zone = true;
        if (!read_zone(&in, &out->zone_offset_minutes)) return MR_DATE_OTHER;
        if (in.at < in.end) return MR_DATE_OTHER;
    }
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
        minute > 59 || second > 61) {
        return MR_DATE_OUT_OF_RANGE;
    }
    if (second > 59) return MR_DATE_LEAP_SECOND;
    int64_t minutes = (mr_date_days(year, month, day) * 24 + hour) * 60 + minute;
    int64_t seconds = (minutes - out->zone_offset_minutes) * 60 + second;
    return to_ns(seconds, fraction_ns, &out->ns) ? MR_DATE_OK : MR_DATE_OUT_OF_RANGE;
}

bool mr_date_is_missing(struct mr_str text) {
    static const char *const texts[] = {"", "NaT", "nat", "NAT", "nan", "NaN", "NAN"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (mr_str_is(text, texts[i])) return true;
    }
    return false;
}
