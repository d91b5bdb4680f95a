/*
 * dativo plugin ABI, version 1.
 *
 * This file is the specification. A plugin is a shared library that exports one symbol, `dativo_plugin_init`. The host
 * fills nothing, calls nothing else by name, and never unloads a library.
 *
 *   host                                              plugin
 *   ----                                              ------
 *   DativoPlugin p = {0}; p.size = sizeof p;
 *   dativo_plugin_init(1, &p, &error)       ------->  fills the slots that fit into p.size, sets p.size to what it filled
 *   p.open(&p, "{...}", n, &instance, ...)  ------->  one configured reader or writer
 *   instance.read(&instance, "{...}", ...)  ------->  a DativoReading: Arrow streams, one after the other
 *   release everything, innermost first
 *
 * Conventions
 *
 *   Control is JSON: UTF-8, not NUL-terminated, given with its length. Data is Arrow, by the Arrow C stream interface.
 *   Whoever makes a thing releases it: each struct that a plugin fills has a `release`, which the host calls exactly
 *   once and which sets itself to NULL. A struct whose release is NULL is empty. Moving a struct is a byte copy.
 *   Every function returns a DativoStatus. On DATIVO_ERROR it has filled `error`, and nothing else.
 *   `error` is never NULL and always empty on entry.
 *   An empty slot (NULL) means "not implemented", and so does DATIVO_NOT_IMPLEMENTED.
 *   A plugin never lets a panic or an exception cross the border: it becomes an error with the code PLUGIN_PANIC,
 *   and every later call on the same instance answers PLUGIN_POISONED.
 *   No function of one instance is called by two threads at once, but for `cancel` and `position`, which may be called
 *   by any thread at any time until the release. Two instances are independent.
 *   The host calls no slot of an instance after its release, nor of a reading after its own.
 *
 * Versions
 *
 *   `version` is the highest version that the host knows. A plugin that knows it, or a lower one, fills the table of the
 *   highest version that both know and says so in `p.version`; one that knows no such version answers
 *   DATIVO_NOT_IMPLEMENTED. Slots are only ever added at the end of a struct, and the sizes say who knows how many.
 *   `reserved` is zero.
 */

#ifndef DATIVO_PLUGIN_H
#define DATIVO_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The Arrow C stream interface, as its specification has it: arrow.apache.org/docs/format/CStreamInterface.html */
#ifndef ARROW_C_STREAM_INTERFACE
#define ARROW_C_STREAM_INTERFACE
struct ArrowSchema;
struct ArrowArray;
struct ArrowArrayStream {
  int (*get_schema)(struct ArrowArrayStream*, struct ArrowSchema* out);
  int (*get_next)(struct ArrowArrayStream*, struct ArrowArray* out);
  const char* (*get_last_error)(struct ArrowArrayStream*);
  void (*release)(struct ArrowArrayStream*);
  void* private_data;
};
#endif

#define DATIVO_ABI_VERSION 1
#define DATIVO_PLUGIN_INIT "dativo_plugin_init"

typedef int32_t DativoStatus;
#define DATIVO_OK 0
#define DATIVO_ERROR 1
#define DATIVO_END 2             /* DativoReading.next: there is no further stream */
#define DATIVO_NOT_IMPLEMENTED 3

/* What went wrong. Texts are UTF-8 and NUL-terminated. */
typedef struct DativoError {
  char* code;                  /* stable, upper snake case, such as CONNECTION_FAILED; never NULL when filled */
  char* message;               /* what, where and what to do; no secret and no row; never NULL when filled */
  char* details;               /* a JSON object, or NULL */
  int32_t retryable;           /* 1: the same call may succeed later without anybody changing anything */
  int32_t retry_after_seconds; /* 0 when unknown */
  void* private_data;
  void (*release)(struct DativoError*);
} DativoError;

/* JSON that a plugin gives. */
typedef struct DativoJson {
  const char* data;            /* UTF-8, not NUL-terminated */
  uint64_t length;             /* in bytes */
  void* private_data;
  void (*release)(struct DativoJson*);
} DativoJson;

/*
 * One read: a sequence of Arrow streams, each with its own schema. Most readers give one stream. One that meets a block
 * which does not fit the types it promised gives that block as a stream of its own, with the column as text, and goes on
 * with a third; the host's validation then decides value by value. Batches come in the order of the source.
 */
typedef struct DativoReading {
  /* Fill `out` with the next stream, or answer DATIVO_END. The stream before is released first. */
  DativoStatus (*next)(struct DativoReading*, struct ArrowArrayStream* out, DativoError* error);
  /* Say in full why the last `next`, or the stream's `get_schema` or `get_next`, failed: DATIVO_OK when `error` is
     filled, DATIVO_END when nothing failed. */
  DativoStatus (*last_error)(struct DativoReading*, DativoError* error);
  uint64_t (*position)(struct DativoReading*);   /* bytes of the source read so far; 0 when unknown. Any thread. */
  void (*cancel)(struct DativoReading*);         /* ask the read to fail soon with the code CANCELLED. Any thread. */
  void* private_data;
  void (*release)(struct DativoReading*);
} DativoReading;

/*
 * One configured reader or writer. All requests and answers are JSON objects; keys that a plugin does not know are
 * ignored. The shapes are in docs/abi.md; in short:
 *
 *   check     {}                                -> {"passed", "message", "code", "retryable", "details"}
 *   discover  {}                                -> {"streams": [Stream], "metadata": {}}
 *   estimate  {"stream": Stream}                -> {"rows": n or null, "bytes": n or null}
 *   split     {"stream": Stream, "since": Cursor or null}   -> Window; reads no rows
 *   read      {"stream": Stream, "unit": Unit}  -> a DativoReading
 *   reached   {"window": Window}                -> Cursor or null: what to remember once the rows read are committed
 *   write     {"base": uri, "name": text}       -> {"files": [DataFile]}; consumes and releases `rows` in any case
 *   commit    {"token": text, "files": [...]}   -> any object, which is logged; may be called again with the same token
 *   abort     {"token": text, "files": [...]}   -> {}; removes what `write` left; never fails for what is gone
 *
 * Stream, Unit, Window, Cursor and DataFile are the classes of dativo_ingest/model.py as JSON.
 */
typedef struct DativoInstance {
  uint64_t size;               /* in: what the host knows; out: what the plugin filled */
  DativoStatus (*check)(struct DativoInstance*, const char* request, uint64_t length, DativoJson* out, DativoError*);
  DativoStatus (*discover)(struct DativoInstance*, const char* request, uint64_t length, DativoJson* out, DativoError*);
  DativoStatus (*estimate)(struct DativoInstance*, const char* request, uint64_t length, DativoJson* out, DativoError*);
  DativoStatus (*split)(struct DativoInstance*, const char* request, uint64_t length, DativoJson* out, DativoError*);
  DativoStatus (*read)(struct DativoInstance*, const char* request, uint64_t length, DativoReading* out, DativoError*);
  DativoStatus (*reached)(struct DativoInstance*, const char* request, uint64_t length, DativoJson* out, DativoError*);
  DativoStatus (*write)(struct DativoInstance*, const char* request, uint64_t length, struct ArrowArrayStream* rows,
                        DativoJson* out, DativoError*);
  DativoStatus (*commit)(struct DativoInstance*, const char* request, uint64_t length, DativoJson* out, DativoError*);
  DativoStatus (*abort)(struct DativoInstance*, const char* request, uint64_t length, DativoJson* out, DativoError*);
  void (*cancel)(struct DativoInstance*);        /* ask all calls and readings, for good, to fail soon with CANCELLED.
                                                    Only `abort` still does its work. Any thread. */
  void* private_data;
  void (*release)(struct DativoInstance*);
  void* reserved[4];
} DativoInstance;

/* The library. One for a process; `open` may be called by several threads at once. */
typedef struct DativoPlugin {
  uint64_t size;               /* in: what the host knows; out: what the plugin filled */
  uint32_t version;            /* out: the ABI version of this table */
  uint32_t flags;              /* zero */
  /* {} -> {"name", "version", "sdk", "roles": {"reader": {"config": JSON Schema}, "writer": {...}}} */
  DativoStatus (*spec)(struct DativoPlugin*, DativoJson* out, DativoError*);
  /* {"role": "reader" or "writer", "config": {...}} -> an instance. `out->size` says what the host knows. */
  DativoStatus (*open)(struct DativoPlugin*, const char* request, uint64_t length, DativoInstance* out, DativoError*);
  void* private_data;
  void (*release)(struct DativoPlugin*);
  void* reserved[4];
} DativoPlugin;

/* The one symbol of a plugin. */
DativoStatus dativo_plugin_init(uint32_t version, DativoPlugin* plugin, DativoError* error);

#ifdef __cplusplus
}
#endif

#endif /* DATIVO_PLUGIN_H */
