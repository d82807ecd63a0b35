/* SPDX-License-Identifier: MIT */
#include "vmplug/agent.h"

#include <stdlib.h>
#include <unistd.h>

#include "lib/api.h"

struct vmplug_agent {
    struct agent *agent;
    bool borrowed;
    struct api_calls calls;
    struct api_trace trace;
};

struct vmplug_agent *vmplug_agent_open(const char *path, int fd,
                                       const struct vmplug_agent_options *given,
                                       struct vmplug_error *ret_error)
{
    struct vmplug_agent *agent = calloc(1, sizeof(*agent));
    struct vmplug_agent_options options;
    struct agent_options inner = {.path = path, .fd = fd};
    struct error error = ERROR_INIT;

    api_options(&options, sizeof(options), given, given != NULL ? given->struct_bytes : 0);
    inner.sync_timeout_ms = options.sync_timeout_ms;
    inner.limits.message_bytes = options.message_bytes_max;
    if (agent != NULL) {
        TAILQ_INIT(&agent->calls.list);
        agent->trace = (struct api_trace){.trace = options.trace, .user = options.trace_user};
        inner.tap = api_tap(&agent->trace);
        agent->agent = agent_new(&inner, &error);
    } else {
        if (path == NULL)
            close(fd);
        (void)error_set(&error, ERROR_SYSTEM, "", "out of memory");
    }
    if (agent != NULL && agent->agent != NULL)
        return agent;
    api_error(&error, ret_error);
    free(agent);
    return NULL;
}

struct vmplug_agent *api_agent_borrow(struct agent *borrowed)
{
    struct vmplug_agent *agent = calloc(1, sizeof(*agent));

    if (agent == NULL)
        return NULL;
    TAILQ_INIT(&agent->calls.list);
    agent->agent = borrowed;
    agent->borrowed = true;
    return agent;
}

static void cancel(void *peer, int64_t number)
{
    agent_cancel(peer, number);
}

void vmplug_agent_free(struct vmplug_agent *agent)
{
    if (agent == NULL)
        return;
    api_calls_end(&agent->calls, cancel, agent->agent);
    if (!agent->borrowed)
        agent_free(agent->agent);
    free(agent);
}

struct vmplug_pump *vmplug_agent_pump(struct vmplug_agent *agent)
{
    return (struct vmplug_pump *)agent_pump(agent->agent);
}

int vmplug_agent_failure(const struct vmplug_agent *agent, struct vmplug_error *error)
{
    const struct error *failure = agent_failure(agent->agent);

    if (failure == NULL)
        return -1;
    api_error(failure, error);
    return 0;
}

static int64_t submit(void *peer, const struct request *request, struct error *error)
{
    return agent_submit(peer, request, error);
}

/* An agent need not answer: to wait for it without end is never what is meant. */
static int check_timeout(double timeout_ms, struct vmplug_error *error)
{
    return timeout_ms > 0 ? 0 : api_fail(error, ERROR_INVALID, "an agent's command has a deadline");
}

int64_t vmplug_agent_submit(struct vmplug_agent *agent, const char *command, const char *arguments,
                            double timeout_ms, vmplug_reply_fn *done, void *user,
                            struct vmplug_error *error)
{
    if (check_timeout(timeout_ms, error) < 0)
        return -1;
    return api_call(&agent->calls, submit, agent->agent, command, arguments, 0, timeout_ms, done,
                    user, error);
}

void vmplug_agent_cancel(struct vmplug_agent *agent, int64_t number)
{
    agent_cancel(agent->agent, number);
    api_call_drop(&agent->calls, number);
}

char *vmplug_agent_call(struct vmplug_agent *agent, const char *command, const char *arguments,
                        double timeout_ms, struct vmplug_error *error)
{
    if (check_timeout(timeout_ms, error) < 0)
        return NULL;
    return api_call_wait(agent_pump(agent->agent), &agent->calls, submit, agent->agent, command,
                         arguments, timeout_ms, error);
}
