#include "schema/numpy_datetime.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>

/* The smallest unit that a text names, coarse to fine. */
enum unit { YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, MILLI, MICRO, NANO, PICO, FEMTO, ATTO };

struct fields {
    bool is_nat;
    int64_t year;
    int month, day; /* from 1 */
    int hour, minute, second;
    int micro, pico; /* pico: of the microsecond */
};

struct reader {
    const char *at, *end;
    const char *fault;
};

static bool fail(struct reader *reader, const char *fault) {
    reader->fault = fault;
    return false;
}

static bool is_digit(const struct reader *reader) {
    return reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9';
}

static bool skip(struct reader *reader, char c) {
    if (reader->at == reader->end || *reader->at != c) return false;
    reader->at++;
    return true;
}

/* What C's isspace() accepts. */
static void skip_space(struct reader *reader) {
    while (reader->at < reader->end &&
           (*reader->at == ' ' || (*reader->at >= '\t' && *reader->at <= '\r'))) {
        reader->at++;
    }
}

static bool read_two(struct reader *reader, int low, int high, const char *fault, int *out) {
    int value = 0;
    for (int i = 0; i < 2; i++, reader->at++) {
        if (!is_digit(reader)) return fail(reader, "not a date that numpy can read");
        value = value * 10 + (*reader->at - '0');
    }
    if (value < low || value > high) return fail(reader, fault);
    *out = value;
    return true;
}

static bool is_leap(int64_t year) {
    return (year & 3) == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_in(int64_t year, int month) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

static bool read_date(struct reader *reader, bool is_negative, struct fields *out,
                      enum unit *unit) {
    uint64_t year = 0;
    for (; is_digit(reader); reader->at++) year = year * 10 + (uint64_t)(*reader->at - '0');
    out->year = (int64_t)(is_negative ? -year : year);
    *unit = YEAR;
    if (reader->at == reader->end) return true;
    if (!skip(reader, '-')) return fail(reader, "not a date that numpy can read");
    if (!read_two(reader, 1, 12, "month out of range", &out->month)) return false;
    *unit = MONTH;
    if (reader->at == reader->end) return true;
    if (!skip(reader, '-')) return fail(reader, "not a date that numpy can read");
    if (!read_two(reader, 1, days_in(out->year, out->month), "day out of range", &out->day)) {
        return false;
    }
    *unit = DAY;
    return true;
}

/* Up to six digits, as if filled up with zeros; returns how many there were. */
static int read_six(struct reader *reader, int *out) {
    int n = 0;
    *out = 0;
    for (int i = 0; i < 6; i++) {
        *out *= 10;
        if (is_digit(reader)) {
            *out += *reader->at++ - '0';
            n++;
        }
    }
    return n;
}

static void read_fraction(struct reader *reader, struct fields *out, enum unit *unit) {
    int atto;
    *unit = read_six(reader, &out->micro) > 3 ? MICRO : MILLI;
    if (!is_digit(reader)) return;
    *unit = read_six(reader, &out->pico) > 3 ? PICO : NANO;
    if (!is_digit(reader)) return;
    *unit = read_six(reader, &atto) > 3 ? ATTO : FEMTO;
}

static bool read_time(struct reader *reader, struct fields *out, enum unit *unit) {
    *unit = HOUR;
    if (!read_two(reader, 0, 23, "hours out of range", &out->hour)) return false;
    if (!skip(reader, ':')) return true;
    *unit = MINUTE;
    if (!read_two(reader, 0, 59, "minutes out of range", &out->minute)) return false;
    if (!skip(reader, ':')) return true;
    *unit = SECOND;
    if (!read_two(reader, 0, 59, "seconds out of range", &out->second)) return false;
    if (skip(reader, '.')) read_fraction(reader, out, unit);
    return true;
}

/* add_minutes_to_datetimestruct (datetime.c); |minutes| < 1 day. */
static void add_minutes(struct fields *fields, int minutes) {
    int total = fields->hour * 60 + fields->minute + minutes;
    int days = total < 0 ? -1 : total / 1440;
    total -= days * 1440;
    fields->hour = total / 60;
    fields->minute = total % 60;
    fields->day += days;
    if (fields->day < 1) {
        if (--fields->month < 1) {
            fields->year = (int64_t)((uint64_t)fields->year - 1);
            fields->month = 12;
        }
        fields->day += days_in(fields->year, fields->month);
    } else if (fields->day > days_in(fields->year, fields->month)) {
        fields->day -= days_in(fields->year, fields->month);
        if (++fields->month > 12) {
            fields->year = (int64_t)((uint64_t)fields->year + 1);
            fields->month = 1;
        }
    }
}

static bool read_zone(struct reader *reader, struct fields *out) {
    if (skip(reader, 'Z')) return true;
    bool is_west = skip(reader, '-');
    if (!is_west && !skip(reader, '+')) return true;
    int hours, minutes = 0;
    if (!read_two(reader, 0, 23, "zone hours out of range", &hours)) return false;
    if (reader->at < reader->end) {
        skip(reader, ':');
        if (!read_two(reader, 0, 59, "zone minutes out of range", &minutes)) return false;
    }
    add_minutes(out, is_west ? hours * 60 + minutes : -(hours * 60 + minutes));
    return true;
}

static bool is_word(struct mr_str text, const char *word) {
    return text.size == strlen(word) && strncasecmp(text.data, word, text.size) == 0;
}

/* "today" is the day of the machine's own zone, "now" is UTC. */
static bool read_special(struct mr_str text, struct fields *out, enum unit *unit) {
    struct tm parts;
    if (text.size == 0 || is_word(text, "nat")) {
        out->is_nat = true;
        return true;
    }
    bool is_today = is_word(text, "today");
    if (!is_today && !is_word(text, "now")) return false;
    time_t now = time(NULL);
    if (!(is_today ? localtime_r(&now, &parts) : gmtime_r(&now, &parts))) return false;
    out->year = parts.tm_year + 1900;
    out->month = parts.tm_mon + 1;
    out->day = parts.tm_mday;
    *unit = is_today ? DAY : SECOND;
    if (!is_today) {
        out->hour = parts.tm_hour;
        out->minute = parts.tm_min;
        out->second = parts.tm_sec;
    }
    return true;
}

static bool parse(struct mr_str text, struct fields *out, enum unit *unit, const char **fault) {
    *out = (struct fields){.month = 1, .day = 1};
    *unit = YEAR;
    if (read_special(text, out, unit)) return true;
    struct reader reader = {text.data, text.data + text.size, NULL};
    skip_space(&reader);
    if (!skip(&reader, '-')) skip(&reader, '+');
    bool is_read = reader.at < reader.end || fail(&reader, "not a date that numpy can read");
    /* A sign counts only where no white space stands before it. */
    is_read = is_read && read_date(&reader, text.data[0] == '-', out, unit);
    if (is_read && reader.at < reader.end) {
        is_read = (*unit == DAY && (skip(&reader, 'T') || skip(&reader, ' ')))
                      ? read_time(&reader, out, unit) && read_zone(&reader, out)
                      : fail(&reader, "not a date that numpy can read");
        skip_space(&reader);
        if (is_read && reader.at < reader.end) is_read = fail(&reader, "text after the date");
    }
    if (!is_read) *fault = reader.fault;
    return is_read;
}

/* Days since 1970-01-01 (get_datetimestruct_days, datetime.c); wraps for absurd years. */
static int64_t days_of(const struct fields *fields) {
    int64_t year = (int64_t)((uint64_t)fields->year - 1970);
    int64_t whole = (int64_t)((uint64_t)year * 365);
    uint64_t days = (uint64_t)whole;
    if (whole >= 0) {
        year = (int64_t)((uint64_t)year + 1);
        days += (uint64_t)(year / 4);
        year = (int64_t)((uint64_t)year + 68);
        days -= (uint64_t)(year / 100);
        year = (int64_t)((uint64_t)year + 300);
    } else {
        year = (int64_t)((uint64_t)year - 2);
        days += (uint64_t)(year / 4);
        year = (int64_t)((uint64_t)year - 28);
        days -= (uint64_t)(year / 100);
    }
    days += (uint64_t)(year / 400);
    for (int month = 1; month < fields->month; month++) {
        days += (uint64_t)days_in(fields->year, month);
    }
    return (int64_t)(days + (uint64_t)fields->day - 1);
}

/* The value of a datetime64 of that unit, MONTH to NANO. */
static int64_t value_of(const struct fields *fields, enum unit unit) {
    if (unit == MONTH) {
        return (int64_t)(((uint64_t)fields->year - 1970) * 12 + (uint64_t)fields->month - 1);
    }
    uint64_t value = (uint64_t)days_of(fields);
    if (unit >= HOUR) value = value * 24 + (uint64_t)fields->hour;
    if (unit >= MINUTE) value = value * 60 + (uint64_t)fields->minute;
    if (unit >= SECOND) value = value * 60 + (uint64_t)fields->second;
    if (unit == MILLI) value = value * 1000 + (uint64_t)fields->micro / 1000;
    if (unit >= MICRO) value = value * 1000000 + (uint64_t)fields->micro;
    if (unit >= NANO) value = value * 1000 + (uint64_t)fields->pico / 1000;
    return (int64_t)value;
}

static int64_t divide_down(int64_t *value, int64_t unit) {
    int64_t quotient = *value / unit, rest = *value % unit;
    if (rest < 0) {
        rest += unit;
        quotient--;
    }
    *value = rest;
    return quotient;
}

/* The calendar date of a day (set_datetimestruct_days, datetime.c). */
static void set_days(int64_t days, struct fields *out) {
    /* Since 2000-01-01, which begins a cycle of 400 years. */
    days = (int64_t)((uint64_t)days - (365 * 30 + 7));
    out->year = 2000 + 400 * divide_down(&days, 400 * 365 + 97);
    for (; days >= 365 + is_leap(out->year); out->year++) days -= 365 + is_leap(out->year);
    for (out->month = 1; days >= days_in(out->year, out->month); out->month++) {
        days -= days_in(out->year, out->month);
    }
    out->day = (int)days + 1;
}

/* Back from a value to fields, so that what wrapped around shows as it does in numpy. */
static void set_value(int64_t value, enum unit unit, struct fields *out) {
    static const int64_t per_second[] = {[SECOND] = 1, [MILLI] = 1000, [MICRO] = 1000000};
    if (unit == MONTH) {
        out->year = 1970 + divide_down(&value, 12);
        out->month = (int)value + 1;
        return;
    }
    if (unit >= SECOND) {
        int64_t fraction = value;
        value = divide_down(&fraction, per_second[unit]);
        out->micro = (int)(fraction * (1000000 / per_second[unit]));
        int64_t seconds = value;
        value = divide_down(&seconds, 60);
        out->second = (int)seconds;
    }
    if (unit >= MINUTE) {
        int64_t minutes = value;
        value = divide_down(&minutes, 60);
        out->minute = (int)minutes;
    }
    if (unit >= HOUR) {
        int64_t hours = value;
        value = divide_down(&hours, 24);
        out->hour = (int)hours;
    }
    set_days(value, out);
}

bool mr_numpy_datetime_ns(struct mr_str text, int64_t *out, const char **fault) {
    struct fields fields;
    enum unit unit;
    if (!parse(text, &fields, &unit, fault)) return false;
    *out = fields.is_nat || fields.year == MR_NAT ? MR_NAT : value_of(&fields, NANO);
    return true;
}

bool mr_numpy_datetime_iso(struct mr_str text, char out[MR_NUMPY_ISO_CHARS], size_t *size,
                           const char **fault) {
    struct fields fields;
    enum unit unit;
    *size = 0;
    if (!parse(text, &fields, &unit, fault)) return false;
    if (fields.is_nat || fields.year == MR_NAT) return true;
    if (unit > MICRO) {
        *fault = "finer than a microsecond";
        return false;
    }
    if (unit >= MONTH) {
        int64_t value = value_of(&fields, unit);
        if (value == MR_NAT) return true;
        set_value(value, unit, &fields);
    }
    if (fields.year < 1 || fields.year > 9999) {
        *fault = "the year is not one from 1 to 9999";
        return false;
    }
    int n = snprintf(out, MR_NUMPY_ISO_CHARS, "%04d-%02d-%02d", (int)fields.year, fields.month,
                     fields.day);
    if (unit > DAY) {
        n += snprintf(out + n, MR_NUMPY_ISO_CHARS - (size_t)n, "T%02d:%02d:%02d", fields.hour,
                      fields.minute, fields.second);
    }
    if (fields.micro) {
        n += snprintf(out + n, MR_NUMPY_ISO_CHARS - (size_t)n, ".%06d", fields.micro);
    }
    *size = (size_t)n;
    return true;
}
