/* SPDX-License-Identifier: MIT */
/* The event stream, as long as somebody reads it. */
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#include "acpi/ost.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "cli/report.h"
#include "vmm/result_json.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "qmp/qapi.h"

/* Wakes up when the reader of our output has left, although nothing is to be written just now. */
struct reader_watch {
    struct pump pump; /* first, so that the pump is the watch */
    struct output *out;
    bool has_left;
};

struct listening {
    struct invocation *invocation;
    struct reader_watch watch;
    bool seen; /* the event of --until */
    bool lost;
};

static int watch_fd(const struct pump *pump)
{
    return fileno(((const struct reader_watch *)pump)->out->stream);
}

static short watch_events(const struct pump *pump)
{
    (void)pump;
    return 0; /* POLLERR comes unasked */
}

static double watch_deadline_ms(const struct pump *pump)
{
    (void)pump;
    return CLOCK_NEVER_MS;
}

static enum pump_result watch_process(struct pump *pump, short revents)
{
    struct reader_watch *watch = (struct reader_watch *)pump;

    watch->has_left = watch->has_left || (revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
    return watch->has_left ? PUMP_DEAD : PUMP_IDLE;
}

static const struct pump_ops watch_pump_ops = {
    .fd = watch_fd,
    .events = watch_events,
    .deadline_ms = watch_deadline_ms,
    .process = watch_process,
};

/* What an _OST event means, or NULL. */
static const char *meaning_of(const struct qmp_event *event, char text[OST_MEANING_MAX])
{
    struct qapi_ost ost;

    if (strcmp(event->name, "ACPI_DEVICE_OST") != 0 ||
        !qapi_read_ost(field_object(event->data, "info"), &ost))
        return NULL;
    return ost_meaning(ost.source, ost.status, text);
}

static void print_json(struct output *out, const struct qmp_event *event)
{
    AUTO_JSON json_t *object = json_copy((json_t *)event->object);
    char text[OST_MEANING_MAX];
    const char *meaning = meaning_of(event, text);

    (void)json_object_set_new(object, "monotonic_ms",
                              json_real((double)(int64_t)(event->monotonic_ms * 1e3) / 1e3));
    if (meaning != NULL)
        (void)json_object_set_new(object, "meaning", json_string(meaning));
    output_json(out, object, 0);
}

/* QEMU's own time of day, in the local time zone. */
static void format_time(const struct qmp_event *event, char text[32])
{
    const json_t *timestamp = field_object(event->object, "timestamp");
    int64_t seconds = 0, microseconds = 0;
    struct tm local;
    time_t when;
    size_t used;

    (void)field_s64(timestamp, "seconds", &seconds);
    (void)field_s64(timestamp, "microseconds", &microseconds);
    when = (time_t)seconds;
    if (localtime_r(&when, &local) == NULL)
        memset(&local, 0, sizeof(local));
    used = strftime(text, 24, "%H:%M:%S", &local);
    (void)snprintf(text + used, 32 - used, ".%03u", (unsigned)(microseconds / 1000 % 1000));
}

static void print_text(struct output *out, const struct qmp_event *event)
{
    AUTO_FREE char *data = event->data != NULL ? codec_dump(event->data, 0) : NULL;
    char text[OST_MEANING_MAX], when[32];
    const char *meaning = meaning_of(event, text);

    format_time(event, when);
    output_print(out, "%s %s%s%s%s%s\n", when, event->name, data != NULL ? " " : "",
                 data != NULL ? data : "", meaning != NULL ? ": " : "",
                 meaning != NULL ? meaning : "");
    output_flush(out);
}

static void on_event(void *user, const struct qmp_event *event)
{
    struct listening *listening = user;
    struct output *out = &listening->invocation->out;
    const char *until = listening->invocation->options.until;

    if (event == NULL) {
        listening->lost = true;
        return;
    }
    if (listening->seen)
        return;
    if (out->json)
        print_json(out, event);
    else
        print_text(out, event);
    listening->seen = until != NULL && strcmp(event->name, until) == 0;
}

static bool is_over(void *user)
{
    const struct listening *listening = user;

    return listening->seen || listening->lost || listening->watch.has_left ||
           listening->invocation->out.failure != 0;
}

static int conclude(struct listening *listening, enum session_end end)
{
    struct invocation *invocation = listening->invocation;
    struct error error = ERROR_INIT;

    if (listening->seen)
        return 0;
    if (listening->lost) {
        error = *qmp_client_failure(vm_qmp(invocation->session.vm));
        return report_failure(invocation, report_verdict(&error, true), &error);
    }
    if (end == SESSION_INTERRUPTED && invocation->options.until == NULL)
        return verdict_exit_code(VERDICT_INTERRUPTED); /* how an endless stream is ended */
    if (invocation->options.until == NULL || end == SESSION_DONE)
        return 0;
    (void)error_set(&error, end == SESSION_DEADLINE ? ERROR_TIMEOUT : ERROR_CANCELLED,
                    "wait longer, or look whether it came before",
                    "%s did not come", invocation->options.until);
    return report_failure(invocation, report_verdict(&error, true), &error);
}

static int run(struct invocation *invocation)
{
    struct listening listening = {
        .invocation = invocation,
        .watch = {.pump.ops = &watch_pump_ops, .out = &invocation->out},
    };
    const struct session_handlers handlers = {.pump = &listening.watch.pump};
    struct qmp_client *qmp = vm_qmp(invocation->session.vm);
    double deadline_ms = CLOCK_NEVER_MS;
    struct error error = ERROR_INIT;
    enum session_end end;
    unsigned subscription = qmp_client_subscribe(qmp, on_event, &listening);

    if (subscription == 0) {
        (void)error_set(&error, ERROR_SYSTEM, "", "out of memory");
        return report_failure(invocation, VERDICT_ERROR, &error);
    }
    if (options_given(&invocation->options, OPTION_FOR))
        deadline_ms = clock_now_ms() + invocation->options.for_ms;
    end = session_run(&invocation->session, is_over, &handlers, &listening, deadline_ms);
    qmp_client_unsubscribe(qmp, subscription);
    return conclude(&listening, end);
}

static const struct command_example examples[] = {
    {"events", "everything, until Ctrl-C"},
    {"events --until ACPI_DEVICE_OST --for 30", "the guest's answer to a hotplug, decoded"},
    {"events --json --for 60 | jq -r .event", "the names of what happens in a minute"},
    {NULL, NULL},
};

static const struct command commands[] = {
    {
        .name = "events",
        .operands = "",
        .summary = "print QEMU's events as they come, _OST decoded",
        .help =
            "A line an event: the time of day, the event's name and its data. ACPI_DEVICE_OST, the "
            "guest's answer to a hotplug request, is followed by what it means. With --json it is "
            "QEMU's own object, with monotonic_ms and, for ACPI_DEVICE_OST, meaning beside what "
            "QEMU says.\n\n"
            "QEMU serves one client a monitor: to listen while another vmplug works, give QEMU a "
            "second -qmp socket.\n\n"
            "The exit status is 0 when the event of --until came, when the time of --for is over "
            "and no --until was given, and when nobody reads the output any more; 1 when the time "
            "is over and the event did not come; 9 when QEMU went away; 130 when interrupted.",
        .examples = examples,
        .options = (OPTIONS_VM & ~OPTION_BIT(OPTION_TIMEOUT)) | OPTION_BIT(OPTION_FOR) |
                   OPTION_BIT(OPTION_UNTIL),
        .flags = COMMAND_NEEDS_QMP,
        .run = run,
    },
};

const struct command_group cmd_events_group = {
    .title = "Events", .commands = commands, .count = COUNT_OF(commands)};
