/*
 * A plugin of the older JSON ABI for tests. `fault` in the configuration chooses what goes wrong; its texts lie in one
 * buffer that it uses again, as that ABI allows once a text was given back.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int made, freed, texts_out, texts_back;

typedef struct { char fault[64], state[256]; int batch; bool failed; } Handle;

static char text[1 << 16];

static const char* give(const char* words) {
  snprintf(text, sizeof text, "%s", words);
  texts_out++;
  return text;
}

void free_string(char* given) {
  texts_back++;
  memset(given, '#', strlen(given));
}

static bool is(Handle* h, const char* fault) { return !strcmp(h->fault, fault); }

static void copy(const char* config, const char* key, char* to, size_t room) {
  const char* at = strstr(config, key);
  for (size_t i = 0; at && at[strlen(key) + i] != '"' && i < room - 1; i++) to[i] = at[strlen(key) + i];
}

/* Count one up in the file of the state; gives what was there. */
static int counted_up(const char* path) {
  int number = 0;
  FILE* file = fopen(path, "r");
  if (file && fscanf(file, " { \"next\" : %d", &number) != 1) abort();
  if (file) fclose(file);
  if (!(file = fopen(path, "w"))) abort();
  fprintf(file, "{\"next\": %d}", number + 1);
  fclose(file);
  return number;
}

static Handle* make(const char* config) {
  Handle* h = calloc(1, sizeof *h);
  copy(config, "\"fault\": \"", h->fault, sizeof h->fault);
  copy(config, "\"state_path\": \"", h->state, sizeof h->state);
  if (is(h, "refuses")) {
    fputs("old: the key was refused\n", stderr);
    free(h);
    return NULL;
  }
  made++;
  return h;
}

Handle* create_reader(const char* config) { return make(config); }
Handle* create_writer(const char* config) { return make(config); }

#ifndef NO_FREE
void free_reader(Handle* h) { freed++, free(h); }
#endif
void free_writer(Handle* h) { freed++, free(h); }

const char* extract_batch(Handle* h) {
  int batch = h->batch++;
  char words[256];
  if (is(h, "chatty")) fprintf(stderr, "old: batch %d\n", batch);
  if (is(h, "counts")) {
    if (batch == 1) return NULL;
    snprintf(words, sizeof words, "[{\"n\": %d}]", counted_up(h->state));
    return give(words);
  }
  if (batch == 0 && is(h, "empty")) return give(" [] ");
  if (batch == 0 && is(h, "NULL")) return NULL;
  if (batch == 2 && is(h, "prints")) return fputs("old: the disk went away\n", stderr), NULL;
  if (batch == 1 && is(h, "aborts")) fputs("old: index out of bounds\n", stderr), abort();
  if (batch == 2 && is(h, "says")) return h->failed = true, NULL;
  if (batch == 2) return is(h, "ends with a list") ? give("[]") : NULL;
  if (batch == 1 && is(h, "twice")) return give("[{\"n\": 1, \"n\": 2}]");
  if (batch == 1 && is(h, "NaN")) return give("[{\"n\": NaN}]");
  snprintf(words, sizeof words, "[{\"n\": %d, \"s\": \"a},{b\"}, {\"n\": %d, \"s\": null}]", 2 * batch, 2 * batch + 1);
  return give(words);
}

const char* write_batch(Handle* h, const char* input) {
  if (is(h, "NULL")) return fputs("old: the disk is full\n", stderr), NULL;
  if (is(h, "a number")) return give("7");
  if (is(h, "no count")) return give("[{\"path\": \"/x\"}]");
  if (is(h, "no file")) return give("[{\"path\": \"/nowhere/x\", \"record_count\": 2, \"size_bytes\": 1}]");
  return give("[]");
}

#ifdef LAST_ERROR
const char* dativo_last_error(Handle* h) {
  if (!h) return give("{\"code\": \"AUTHENTICATION_FAILED\", \"message\": \"the key was refused\"}");
  return h->failed ? give("{\"code\": \"TIMEOUT\", \"message\": \"no answer\", \"retryable\": true}") : NULL;
}
#endif
