// What the plugin needs of Fluent Bit's ABI for Go plugins: include/fluent-bit/flb_plugin_proxy.h, flb_api.h and
// src/proxy/go/go.h of Fluent Bit 5.1. Only the parts are declared that every supported version has.
#ifndef TRAILCAST_FLUENTBIT_H
#define TRAILCAST_FLUENTBIT_H

#include <stddef.h>
#include <stdint.h>

enum { FLB_ERROR = 0, FLB_OK = 1, FLB_RETRY = 2 };
enum { FLB_PROXY_OUTPUT_PLUGIN = 2, FLB_PROXY_GOLANG = 11 };
enum { FLB_LOG_ERROR = 1, FLB_LOG_TRACE = 5 };

// The registration structure is allocated by Fluent Bit: 32 bytes up to 4.2.2, 40 up to 5.1.0, 48 since then, and it does
// not say how many. Only the first 32 are declared, so that no more can be written.
struct flb_plugin_proxy_def {
	int type;
	int proxy;
	int flags;
	char *name;
	char *description;
};

struct flb_plugin_proxy_context {
	void *remote_context; // handed back to FlushCtx and ExitCtx
	void *proxy;
};

struct flb_api {
	const char *(*output_get_property)(const char *key, void *instance);
	const char *(*input_get_property)(const char *key, void *instance);
	void *(*output_get_cmt_instance)(void *instance);
	void *(*input_get_cmt_instance)(void *instance);
	void (*log_print)(int level, const char *file, int line, const char *format, ...);
	int (*input_log_check)(void *instance, int level);
	int (*output_log_check)(void *instance, int level);
};

struct flbgo_output_plugin {
	char *name;
	struct flb_api *api;
	void *o_ins;
	struct flb_plugin_proxy_context *context;
};

typedef void (*trailcast_log)(int level, const char *file, int line, const char *format, ...);

const char *trailcast_get(struct flb_api *api, const char *key, void *instance);
int trailcast_level(struct flb_api *api, void *instance);
void trailcast_print(trailcast_log print, int level, const char *line);

#endif
