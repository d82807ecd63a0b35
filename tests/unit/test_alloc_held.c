/* SPDX-License-Identifier: MIT */
/* What the daemon does with a VM, with each allocation failing in turn: it says that memory ran
 * out, or is right all the same; and it goes on. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "daemon/event_log.h"
#include "daemon/log.h"
#include "daemon/monitor_proxy.h"
#include "daemon/reconcile.h"
#include "manifest/desired.h"
#include "manifest/yaml_read.h"
#include "qmp/codec.h"
#include "qmp/field.h"
#include "tests/fake/oom.h"
#include "tests/fake/oom_vm.h"

#define TIMEOUT_MS 5000
#define MANIFEST                                                               \
    "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata: {name: vm}\n" \
    "spec: {template: {spec: {domain: {cpu: {sockets: 3}}}}}\n"

static struct oom_vm on;
static struct daemon context = {.timeout_ms = TIMEOUT_MS};
static struct vm_jobs *jobs;

static int set_up(void **state)
{
    struct document_list list = {0};
    struct error error = ERROR_INIT;
    struct desired desired;

    (void)state;
    (void)setenv("XDG_STATE_HOME", fake_path("state"), 1);
    (void)setenv("XDG_RUNTIME_DIR", fake_path("runtime"), 1);
    log_set_level(LOG_LEVEL_ERROR);
    context.loop = ev_default_loop(0); /* never run: what is to be tried again is not */
    if (yaml_read(&list, "t", MANIFEST, strlen(MANIFEST), &error) < 0 ||
        desired_open(&desired, true, &error) < 0 ||
        desired_take(&desired, &list, NULL, true, &error) < 0)
        fail_msg("%s", error.why);
    desired_close(&desired);
    document_list_free(&list);
    return 0;
}

static bool are_idle(void *user)
{
    (void)user;
    return vm_jobs_are_idle(jobs);
}

static void open_vm(void)
{
    struct sim *sim = sim_new();

    sim->kvm = true;
    oom_vm_open(&on, sim);
    jobs = vm_jobs_new(on.vm, TIMEOUT_MS);
    assert_non_null(jobs);
}

static void close_vm(void)
{
    vm_jobs_free(STEAL(jobs));
    oom_vm_close(&on);
}

/* ---- a manifest ---- */

static bool says(const struct reconcile *reconcile, const char *key, const char *word)
{
    AUTO_JSON json_t *condition = reconcile_condition(reconcile);

    return strcmp(field_string(condition, key, ""), word) == 0;
}

static bool is_synchronized(const struct reconcile *reconcile)
{
    return says(reconcile, "status", "True");
}

static void on_inventory(void *user, struct inventory *inventory, const struct error *failure)
{
    assert_null(failure);
    *(struct inventory **)user = inventory;
}

static bool is_there(void *user)
{
    return *(struct inventory **)user != NULL;
}

static void check_vcpus(const struct reconcile *reconcile)
{
    struct inventory *inventory = NULL;

    assert_non_null(inventory_fetch(on.vm, INVENTORY_CPUS | INVENTORY_SLOTS | INVENTORY_AGENT |
                                    INVENTORY_GUEST_CPUS, TIMEOUT_MS, TIMEOUT_MS, on_inventory,
                                    &inventory, NULL));
    oom_vm_drive(&on, is_there, &inventory);
    assert_int_equal(inventory->cpus.present, 3);
    if (!says(reconcile, "reason", "Unconfirmed")) /* its agent was lost for want of memory */
        assert_int_equal(inventory_cpus_online(inventory), 3);
    inventory_free(inventory);
}

/* What it says of itself is true, and with memory it comes to its end, at the second try at last:
 * what there was no memory to record is the next one's error. */
static void reconcile_once(void *user)
{
    struct error gone = ERROR_INIT;
    struct reconcile *reconcile;
    unsigned tries;

    (void)user;
    open_vm();
    context.events = event_log_new(65536);
    reconcile = reconcile_new(&context, "vm");
    assert_non_null(reconcile);
    oom_on();
    reconcile_attach(reconcile, jobs);
    oom_vm_drive(&on, are_idle, NULL);
    oom_off();
    if (is_synchronized(reconcile))
        check_vcpus(reconcile);
    else
        assert_true(oom_struck());
    for (tries = 0; tries < 2 && !is_synchronized(reconcile); tries++) {
        if (qmp_client_failure(vm_qmp(on.vm)) != NULL)
            break; /* the daemon would connect again */
        reconcile_request(reconcile, NULL);
        oom_vm_drive(&on, are_idle, NULL);
    }
    assert_true(is_synchronized(reconcile) || qmp_client_failure(vm_qmp(on.vm)) != NULL);
    if (is_synchronized(reconcile))
        check_vcpus(reconcile);
    (void)error_set(&gone, ERROR_DISCONNECTED, "", "gone");
    reconcile_stop(reconcile);
    vm_jobs_abandon(jobs, &gone);
    reconcile_detach(reconcile, "Absent", &gone);
    reconcile_free(reconcile);
    event_log_free(STEAL(context.events));
    close_vm();
}

static void test_reconcile(void **state)
{
    (void)state;
    assert_int_not_equal(oom_each(reconcile_once, NULL), 0);
    (void)oom_each_lasting(reconcile_once, NULL);
}

/* ---- a client on the monitor ---- */

static unsigned begun, ended, places;

static int on_want(void *user, struct error *error)
{
    (void)user;
    (void)error;
    places++;
    return 1;
}

static void on_leave(void *user)
{
    (void)user;
    places--;
}

static int on_audit(void *user, const char *command, const json_t *arguments, const char *verdict,
                    struct error *error)
{
    (void)user;
    (void)command;
    (void)arguments;
    (void)error;
    *(strcmp(verdict, "begun") == 0 ? &begun : &ended) += 1;
    return 0;
}

struct client {
    struct monitor_proxy *proxy;
    int fd;
    char heard[8192];
    size_t size;
};

/* Turns the proxy, too, until its client has heard of the last command or been cut. */
static bool is_over(void *user)
{
    struct client *client = user;
    ssize_t got;

    if (pump_process(monitor_proxy_pump(client->proxy), POLLIN | POLLOUT) == PUMP_DEAD)
        return true;
    got = recv(client->fd, client->heard + client->size,
               sizeof(client->heard) - 1 - client->size, MSG_DONTWAIT);
    client->size += got > 0 ? (size_t)got : 0;
    return strstr(client->heard, "\"id\":9}") != NULL;
}

/* It is answered, or cut; what was begun has its end in the log, and the place is given back. */
static void speak(void *user)
{
    static const char words[] =
        "{\"execute\":\"qmp_capabilities\"}{\"execute\":\"query-status\",\"id\":1}"
        "{\"execute\":\"object-add\",\"id\":2,\"arguments\":{\"qom-type\":"
        "\"memory-backend-ram\",\"id\":\"m\",\"size\":1048576}}"
        "{\"execute\":\"query-status\",\"id\":9}";
    struct monitor_proxy_options options = {
        .bytes = words,
        .size = strlen(words),
        .peer = PEER_QMP,
        .role = ROLE_OPERATOR,
        .owner = {.want = on_want, .leave = on_leave, .audit = on_audit},
    };
    struct client client = {.proxy = NULL};
    struct error error = ERROR_INIT;
    int ends[2];

    (void)user;
    begun = ended = places = 0;
    open_vm();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    client.fd = ends[0];
    options.fd = ends[1];
    options.vm = on.vm;
    oom_on();
    client.proxy = monitor_proxy_new(&options, &error);
    if (client.proxy != NULL)
        oom_vm_drive(&on, is_over, &client);
    else
        assert_true(oom_struck() && error.code == ERROR_SYSTEM);
    if (!oom_struck())
        assert_non_null(strstr(client.heard, "\"return\":{},\"id\":2}"));
    monitor_proxy_free(client.proxy);
    oom_off();
    assert_int_equal(begun, ended);
    assert_int_equal(places, 0);
    close(client.fd);
    close_vm();
}

static void test_proxy(void **state)
{
    (void)state;
    assert_int_not_equal(oom_each(speak, NULL), 0);
    (void)oom_each_lasting(speak, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reconcile),
        cmocka_unit_test(test_proxy),
    };

    return cmocka_run_group_tests_name("alloc_held", tests, set_up, NULL);
}
