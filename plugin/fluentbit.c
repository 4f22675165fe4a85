// The functions that Fluent Bit looks up in the plugin. They hold what needs C: the registration structure, calls through
// the API table, and the check that keeps Go from running where it can not. Everything else is Go's.

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "_cgo_export.h"
#include "fluentbit.h"

static pid_t loaded_in;

__attribute__((constructor)) static void remember_process(void) { loaded_in = getpid(); }

// Go's runtime starts its threads when the library is loaded, and fork() takes none of them along: in the child (daemon on)
// the first call into Go would wait for ever.
static int forked(void) { return getpid() != loaded_in; }

const char *trailcast_get(struct flb_api *api, const char *key, void *instance) {
	return api->output_get_property(key, instance);
}

int trailcast_level(struct flb_api *api, void *instance) {
	int level = FLB_LOG_ERROR;
	while (level < FLB_LOG_TRACE && api->output_log_check(instance, level + 1)) {
		level++;
	}
	return level;
}

void trailcast_print(trailcast_log print, int level, const char *line) { print(level, NULL, 0, "%s", line); }

int FLBPluginPreRegister(int hot_reloading) {
	(void)hot_reloading;
	return 0;
}

// Always 0: after -1 Fluent Bit frees the structure and goes on to use it.
int FLBPluginRegister(struct flb_plugin_proxy_def *def) {
	def->type = FLB_PROXY_OUTPUT_PLUGIN;
	def->proxy = FLB_PROXY_GOLANG;
	def->flags = 0;
	def->name = strdup("trailcast");
	def->description = strdup("CloudTrail and Session Manager events to NATS, JetStream and files");
	if (!forked()) {
		trailcastRegistered();
	}
	return 0;
}

int FLBPluginInit(struct flbgo_output_plugin *plugin) {
	if (forked()) {
		trailcast_print(plugin->api->log_print, FLB_LOG_ERROR,
			"[output:trailcast] Fluent Bit went to the background after it had loaded the plugin, which Go does not survive: "
			"set Daemon off and let the service manager or the container run it");
		return FLB_ERROR;
	}
	uintptr_t id = trailcastStart(plugin->api, plugin->o_ins);
	if (id == 0) {
		return FLB_ERROR;
	}
	plugin->context->remote_context = (void *)id;
	return FLB_OK;
}

int FLBPluginOutputPreRun(int hot_reload) {
	(void)hot_reload;
	return 0;
}

int FLBPluginFlushCtx(void *context, const void *data, size_t size, char *tag) {
	return trailcastFlush((uintptr_t)context, (void *)data, size, tag);
}

void FLBPluginOutputPreExit(int hot_reload) { (void)hot_reload; }

// The context is NULL for an instance whose Init has failed or was never called.
int FLBPluginExitCtx(void *context) {
	if (context != NULL && !forked()) {
		trailcastStop((uintptr_t)context);
	}
	return FLB_OK;
}

void FLBPluginUnregister(struct flb_plugin_proxy_def *def) {
	free(def->name);
	free(def->description);
	def->name = NULL;
	def->description = NULL;
}
