/*
 * A plugin of the C ABI v1 for tests: gives one column of int64, and on request every answer that no plugin may give.
 *
 * `fault` in the configuration chooses; compile-time names (INIT_STATUS, VERSION, TABLE_SIZE) choose what happens
 * before there is one, and NEW_GLIBC that it needs glibc 2.34. What was released is counted in exported integers.
 */
#include "dativo_plugin.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct ArrowSchema {
  const char *format, *name, *metadata;
  int64_t flags, n_children;
  struct ArrowSchema** children;
  struct ArrowSchema* dictionary;
  void (*release)(struct ArrowSchema*);
  void* private_data;
};
struct ArrowArray {
  int64_t length, null_count, offset, n_buffers, n_children;
  const void** buffers;
  struct ArrowArray** children;
  struct ArrowArray* dictionary;
  void (*release)(struct ArrowArray*);
  void* private_data;
};

#ifdef NEW_GLIBC
#include <pthread.h>
void* const of_a_new_glibc = (void*)pthread_create; /* libpthread became part of libc with 2.34 */
#endif
#ifndef INIT_STATUS
#define INIT_STATUS DATIVO_OK
#endif
#ifndef VERSION
#define VERSION 1
#endif
#define ROWS 3

int opened, instances_released, readings_released, streams_released, arrays_released, jsons_released, errors_released;
int most_concurrent;             /* calls that were inside one instance at once */
int waiting;                     /* calls that waited for a cancel */
const char* order = "";          /* what was released, in order: s(tream) r(eading) i(nstance) */
static char order_text[256];

static void note(char what) {
  size_t n = strlen(order_text);
  if (n < sizeof order_text - 1) order_text[n] = what;
  order = order_text;
}

typedef struct { char fault[64]; volatile int cancelled; int inside; } State;

static bool is(State* s, const char* fault) { return !strcmp(s->fault, fault); }

/* --- errors and JSON */

static void release_error(DativoError* e) { errors_released++; free(e->message); free(e->details); e->release = NULL; }

static DativoStatus fail(DativoError* e, const char* code, const char* message, const char* details, int retry) {
  e->code = (char*)code;
  e->message = message ? strdup(message) : NULL;
  e->details = details ? strdup(details) : NULL;
  e->retryable = retry > 0;
  e->retry_after_seconds = retry > 1 ? retry : 0;
  e->release = release_error;
  return DATIVO_ERROR;
}

static void release_json(DativoJson* j) { jsons_released++; free((void*)j->data); j->release = NULL; }

static DativoStatus say(DativoJson* out, const char* text) {
  out->data = strdup(text);
  out->length = strlen(text);
  out->release = release_json;
  return DATIVO_OK;
}

/* --- Arrow: one column `n` */

typedef struct { State* state; int batch; int64_t values[ROWS]; } Source;

static void release_schema(struct ArrowSchema* s) {
  for (int64_t i = 0; i < s->n_children; i++) free(s->children[i]);
  free(s->children);
  s->release = NULL;
}
static void release_child_schema(struct ArrowSchema* s) { s->release = NULL; }

static int get_schema(struct ArrowArrayStream* stream, struct ArrowSchema* out) {
  State* state = ((Source*)stream->private_data)->state;
  if (is(state, "schema fails")) return EINVAL;
  if (is(state, "schema empty")) return 0;
  struct ArrowSchema* child = calloc(1, sizeof *child);
  child->format = is(state, "schema nonsense") ? "?" : is(state, "offsets") ? "u" : "l";
  child->name = "n";
  child->flags = 2;
  child->release = release_child_schema;
  memset(out, 0, sizeof *out);
  out->format = "+s";
  out->n_children = 1;
  out->children = malloc(sizeof child);
  out->children[0] = child;
  out->release = release_schema;
  return 0;
}

typedef struct { const void* top[1]; const void* buffers[3]; struct ArrowArray child; struct ArrowArray* children[2]; int64_t values[ROWS]; } Rows;

static void release_array(struct ArrowArray* a) { arrays_released++; free(a->private_data); a->release = NULL; }
static void release_child_array(struct ArrowArray* a) { a->release = NULL; }

static int get_next(struct ArrowArrayStream* stream, struct ArrowArray* out) {
  Source* source = stream->private_data;
  State* state = source->state;
  memset(out, 0, sizeof *out);
  if (__atomic_add_fetch(&state->inside, 1, __ATOMIC_SEQ_CST) > most_concurrent) most_concurrent = state->inside;
  if (is(state, "slow")) usleep(20000);
  if (is(state, "waits for cancel")) waiting++;
  while (is(state, "waits for cancel") && !state->cancelled) usleep(1000);
  __atomic_sub_fetch(&state->inside, 1, __ATOMIC_SEQ_CST);
  if (state->cancelled) return ECANCELED;
  int batch = source->batch++;
  if (batch == 1 && (is(state, "next fails") || is(state, "next fails without a word") || is(state, "panic"))) return EIO;
  if (batch == 2 && !is(state, "endless") && !is(state, "endless empty")) return 0;
  Rows* rows = calloc(1, sizeof *rows);
  int64_t* values = is(state, "reuses") ? source->values : rows->values;
  for (int i = 0; i < ROWS; i++) values[i] = batch * ROWS + i;
  if (is(state, "offsets")) values[0] = -9, values[1] = 1;
  rows->buffers[1] = is(state, "null buffer") ? NULL : values;
  rows->buffers[2] = "abc";
  rows->children[0] = rows->children[1] = &rows->child;
  rows->child = (struct ArrowArray){ROWS, 0, 0, is(state, "offsets") ? 3 : 2, 0, rows->buffers, NULL, NULL, release_child_array, NULL};
  *out = (struct ArrowArray){is(state, "endless empty") ? 0 : ROWS, 0, 0, 1, 1, rows->top, rows->children, NULL, release_array, rows};
  if (is(state, "two columns")) out->n_children = 2;
  if (is(state, "endless empty")) rows->child.length = 0;
  if (is(state, "short child")) rows->child.length = 1;
  if (is(state, "negative length")) out->length = -1;
  return 0;
}

static const char* stream_error(struct ArrowArrayStream* stream) {
  State* state = ((Source*)stream->private_data)->state;
  return is(state, "next fails without a word") ? NULL : "the stream's own words";
}

static void release_stream(struct ArrowArrayStream* s) {
  streams_released++;
  note('s');
  free(s->private_data);
  s->release = NULL;
}

/* --- a reading */

typedef struct { State* state; int streams; } Reading;

static DativoStatus next_stream(DativoReading* reading, struct ArrowArrayStream* out, DativoError* error) {
  Reading* r = reading->private_data;
  if (is(r->state, "next answers 77")) return 77;
  if (is(r->state, "next refuses")) return fail(error, "BAD_CSV", "line 7 is no CSV", "{\"line\": 7}", 0);
  if (r->streams++ == (is(r->state, "two streams") ? 2 : 1)) return DATIVO_END;
  if (is(r->state, "stream empty")) return DATIVO_OK;
  Source* source = calloc(1, sizeof *source);
  source->state = r->state;
  *out = (struct ArrowArrayStream){get_schema, get_next, stream_error, release_stream, source};
  return DATIVO_OK;
}

static DativoStatus last_error(DativoReading* reading, DativoError* error) {
  State* state = ((Reading*)reading->private_data)->state;
  if (state->cancelled) return fail(error, "CANCELLED", "was cancelled", NULL, 0), DATIVO_OK;
  if (is(state, "panic")) return fail(error, "PLUGIN_PANIC", "index out of bounds", NULL, 0), DATIVO_OK;
  if (!is(state, "next fails") && !is(state, "schema fails")) return DATIVO_NOT_IMPLEMENTED;
  fail(error, "RATE_LIMIT_EXCEEDED", "429 from the source", "{\"status\": 429}", 30);
  return DATIVO_OK;
}

static uint64_t position(DativoReading* reading) { return 100 * ((Reading*)reading->private_data)->streams; }

static void cancel_reading(DativoReading* reading) { ((Reading*)reading->private_data)->state->cancelled = 1; }

static void release_reading(DativoReading* reading) {
  readings_released++;
  note('r');
  State* state = ((Reading*)reading->private_data)->state;
  if (is(state, "forgets")) return; /* its release stays set */
  free(reading->private_data);
  reading->release = NULL;
}

/* --- an instance */

#define VERB DativoInstance *self, const char *request, uint64_t length

static DativoStatus check(VERB, DativoJson* out, DativoError* error) {
  State* s = self->private_data;
  if (is(s, "answers 77")) return 77;
  if (is(s, "no words")) return error->release = release_error, DATIVO_ERROR;
  if (is(s, "no error")) return DATIVO_ERROR;
  if (is(s, "odd code")) return fail(error, "not a code!", "odd", "no JSON", 0);
  if (is(s, "empty answer")) return DATIVO_OK;
  if (is(s, "no JSON")) return say(out, "{\"passed\": tru");
  if (is(s, "no UTF-8")) return say(out, "\"\xff\"");
  if (is(s, "other shape")) return say(out, "{\"passed\": \"yes\"}");
  if (is(s, "a list")) return say(out, "[]");
  if (is(s, "poisoned")) return fail(error, "PLUGIN_POISONED", "an earlier call panicked", NULL, 0);
  if (is(s, "unreachable")) return fail(error, "CONNECTION_FAILED", "no route to host", NULL, 1);
  return say(out, "{\"passed\": true, \"message\": \"fine\", \"code\": null, \"details\": {}}");
}

static DativoStatus discover(VERB, DativoJson* out, DativoError* error) {
  if (is(self->private_data, "other shape")) return say(out, "{\"streams\": [{\"columns\": []}]}");
  return say(out, "{\"streams\": [{\"name\": \"numbers\", \"columns\": [{\"name\": \"n\", \"type\": \"int64\"}]}]}");
}

static DativoStatus estimate(VERB, DativoJson* out, DativoError* error) {
  return say(out, is(self->private_data, "other shape") ? "{\"rows\": \"6\"}" : "{\"rows\": 6, \"bytes\": null}");
}

static DativoStatus split(VERB, DativoJson* out, DativoError* error) {
  if (!is(self->private_data, "splits")) return DATIVO_NOT_IMPLEMENTED;
  return say(out, "{\"units\": [{\"id\": \"a\"}, {\"id\": \"b\"}], \"fingerprint\": \"f\", \"after\": {\"value\": {\"n\": 5}}}");
}

static DativoStatus reached(VERB, DativoJson* out, DativoError* error) {
  State* s = self->private_data;
  return say(out, is(s, "splits") ? "{\"value\": {\"n\": 9}}" : "null");
}

static DativoStatus read_(VERB, DativoReading* out, DativoError* error) {
  State* s = self->private_data;
  if (is(s, "read refuses")) return fail(error, "FILE_NOT_FOUND", "there is no such file", NULL, 0);
  if (is(s, "reading empty")) return DATIVO_OK;
  Reading* r = calloc(1, sizeof *r);
  r->state = s;
  *out = (DativoReading){next_stream, last_error, position, cancel_reading, r, release_reading};
  if (is(s, "reading without next")) out->next = NULL;
  if (is(s, "stream's words")) out->last_error = NULL, strcpy(s->fault, "next fails");
  return DATIVO_OK;
}

static DativoStatus write_(VERB, struct ArrowArrayStream* rows, DativoJson* out, DativoError* error) {
  State* s = self->private_data;
  int64_t total = 0;
  int code = 0;
  char text[256];
  if (is(s, "leaves the rows")) return fail(error, "WRITE_FAILED", "disk full", NULL, 0);
  for (int i = 0;; i++) {
    struct ArrowArray batch = {0};
    if (is(s, "stops early") && i == 1) break;
    if ((code = rows->get_next(rows, &batch)) || !batch.release) break;
    total += batch.length;
    batch.release(&batch);
  }
  rows->release(rows);
  if (code && !is(s, "swallows")) return fail(error, "WRITE_FAILED", "the rows broke off", NULL, 0);
  if (is(s, "miscounts")) total--;
  strcpy(text, "{\"files\": [{\"path\": \"/out/a.parquet\", \"rows\": ROWS, \"bytes\": 10}]}");
  char *at = strstr(text, "ROWS"), digits[5];
  for (int i = 3; i >= 0; i--, total /= 10) digits[i] = ' ', digits[i] = total || i == 3 ? '0' + total % 10 : ' ';
  memcpy(at, digits, 4);
  return say(out, text);
}

static DativoStatus commit(VERB, DativoJson* out, DativoError* error) { return say(out, "{\"done\": true}"); }

static void cancel(DativoInstance* self) { ((State*)self->private_data)->cancelled = 1; }

static void release_instance(DativoInstance* self) {
  instances_released++;
  note('i');
  free(self->private_data);
  self->release = NULL;
}

static DativoStatus open_(DativoPlugin* plugin, const char* request, uint64_t length, DativoInstance* out, DativoError* error) {
  State* s = calloc(1, sizeof *s);
  char* text = strndup(request, length);
  char* at = strstr(text, "\"fault\": \"");
  if (at) for (size_t i = 0; at[10 + i] != '"' && i < sizeof s->fault - 1; i++) s->fault[i] = at[10 + i];
  free(text);
  if (is(s, "open refuses")) return free(s), fail(error, "AUTH_FAILED", "the key was refused", NULL, 0);
  if (is(s, "no role")) return free(s), DATIVO_NOT_IMPLEMENTED;
  if (is(s, "open empty")) return free(s), DATIVO_OK;
  opened++;
  uint64_t size = out->size;
  *out = (DativoInstance){size, check, discover, estimate, split, read_, reached, write_, commit, NULL, cancel, s, release_instance, {0}};
  if (is(s, "size 0")) out->size = 0;
  if (is(s, "size huge")) out->size = size + 8;
  if (is(s, "size odd")) out->size = size - 3;
  if (is(s, "smaller")) out->size = offsetof(DativoInstance, reserved);
  if (is(s, "nothing but release")) {
    DativoInstance bare = {offsetof(DativoInstance, reserved)};
    bare.private_data = s, bare.release = release_instance;
    *out = bare;
  }
  return DATIVO_OK;
}

static DativoStatus spec(DativoPlugin* plugin, DativoJson* out, DativoError* error) {
  return say(out, "{\"name\": \"numbers\", \"version\": \"1.0.0\", \"roles\": {\"reader\": {}}}");
}

static void release_plugin(DativoPlugin* plugin) { plugin->release = NULL; }

DativoStatus dativo_plugin_init(uint32_t version, DativoPlugin* plugin, DativoError* error) {
  if (INIT_STATUS == DATIVO_ERROR) return fail(error, "CONFIGURATION_ERROR", "no licence", NULL, 0);
  if (INIT_STATUS != DATIVO_OK) return INIT_STATUS;
  *plugin = (DativoPlugin){plugin->size, VERSION, 0, spec, open_, NULL, release_plugin, {0}};
#ifdef TABLE_SIZE
  plugin->size = TABLE_SIZE;
#endif
#ifdef NO_OPEN
  plugin->open = NULL;
#endif
#ifdef NO_SPEC
  plugin->spec = NULL;
#endif
  return DATIVO_OK;
}
