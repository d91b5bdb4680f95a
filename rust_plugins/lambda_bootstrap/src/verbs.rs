//! The verbs of plugins, with the answers of Python's host where a plugin has none.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;

use dativo_plugin::{Error, Result};
use serde_json::{Map, Value, json};

use crate::carried::{Folder, Rows};
use crate::host::{Instance, Library};
use crate::http::Next;
use crate::pieces::Pieces;
use crate::request::Request;
use crate::watch::{GiveUp, Watch};

/// Run the verb of a request, and give what the answer has: `result`, and of a read `rows`.
pub(crate) fn run(
    library: &Library,
    request: &Request,
    next: &Next,
    give_up: &GiveUp<'_>,
) -> Result<Map<String, Value>> {
    let watch = Arc::new(Watch::new(request, next));
    let ended = opened(library, request, next, &watch, give_up);
    // What a cancelled plugin says is of no interest: why it was cancelled is.
    ended.map_err(|error| watch.why().unwrap_or(error))
}

/// Open the plugin, ask it, and close it; none of them may take for ever.
fn opened(
    library: &Library,
    request: &Request,
    next: &Next,
    watch: &Arc<Watch>,
    give_up: &GiveUp<'_>,
) -> Result<Map<String, Value>> {
    let nothing = || ();
    let instance = watched(watch, &nothing, give_up, || library.open(&request.role, &request.config))?;
    let said = if request.verb == "spec" {
        spec(library, request)
    } else {
        let cancel = instance.canceller();
        watched(watch, &|| cancel.cancel(), give_up, || verb(&instance, request, next, watch))
    };
    watched(watch, &nothing, give_up, || {
        drop(instance);
        said
    })
}

/// What the plugin is, once it has taken its configuration.
fn spec(library: &Library, request: &Request) -> Result<Map<String, Value>> {
    let mut said = library.spec()?.unwrap_or_else(|| json!({}));
    said["commits"] = commits(request).into();
    Ok(result(said))
}

/// Whether a writer makes its own things visible.
fn commits(request: &Request) -> bool {
    request.role == "writer" && request.config["commits"] == json!(true)
}

/// Call while the watch looks; a panic is what a plugin gave that cannot be.
fn watched<T>(
    watch: &Watch,
    cancel: &(dyn Fn() + Sync),
    give_up: &GiveUp<'_>,
    call: impl FnOnce() -> Result<T>,
) -> Result<T> {
    thread::scope(|scope| {
        let (done, ends) = mpsc::channel();
        scope.spawn(move || watch.run(&ends, cancel, give_up));
        let ended = catch_unwind(AssertUnwindSafe(call));
        drop(done);
        ended.unwrap_or_else(|panic| Err(unreadable(panic.as_ref())))
    })
}

fn unreadable(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    let what = text.unwrap_or("it cannot be told what");
    Error::new("PLUGIN_BAD_ANSWER", format!("gave something that cannot be read: {what}"))
}

fn verb(instance: &Instance, request: &Request, next: &Next, watch: &Arc<Watch>) -> Result<Map<String, Value>> {
    let words = &request.arguments;
    let answer = match (request.role.as_str(), request.verb.as_str()) {
        (_, "check") => instance.ask("check", &json!({}))?.map_or_else(unchecked, checked),
        ("reader", "discover") => {
            instance.ask("discover", &json!({}))?.map_or(json!([]), |mut found| found["streams"].take())
        }
        ("reader", "split") => match instance.ask("split", words)? {
            Some(window) => window,
            None => whole(instance, words, &next.id)?,
        },
        ("reader", "reached") => reached(instance, &words["window"])?,
        ("reader", "read") => return read(instance, request, watch),
        ("writer", "write") => write(instance, request, next, watch)?,
        ("writer", "commit") => instance.ask("commit", words)?.unwrap_or_else(|| json!({})),
        ("writer", "abort") => instance.ask("abort", &aborted(words))?.unwrap_or_else(|| json!({})),
        (role, verb) => return Err(Error::plugin(format!("a {role} has no verb {verb:?} here"))),
    };
    Ok(result(answer))
}

fn result(answer: Value) -> Map<String, Value> {
    Map::from_iter([("result".to_owned(), answer)])
}

fn checked(mut said: Value) -> Value {
    if let Some(words) = said.as_object_mut() {
        words.retain(|_, value| !value.is_null());
        words.entry("name").or_insert_with(|| "plugin".into());
    }
    said
}

fn unchecked() -> Value {
    json!({ "name": "plugin", "passed": true, "message": "the plugin took its configuration; it has no check" })
}

/// The window of a source that cannot be split: one unit, read anew in each run.
fn whole(instance: &Instance, words: &Value, id: &str) -> Result<Value> {
    let guess = instance.ask("estimate", &json!({ "stream": words["stream"] }))?.unwrap_or_default();
    let unit = json!({ "id": "all", "spec": {}, "rows": guess["rows"], "bytes": guess["bytes"] });
    let since = &words["since"];
    Ok(json!({ "units": [unit], "fingerprint": id, "before": since, "after": since }))
}

fn reached(instance: &Instance, window: &Value) -> Result<Value> {
    let found = instance.ask("reached", &json!({ "window": window }))?;
    Ok(found.unwrap_or_else(|| window["after"].clone()))
}

/// The window that a unit is of; where the host gives none, one of this unit alone.
fn window(words: &Value) -> Value {
    if words["window"].is_object() {
        return words["window"].clone();
    }
    json!({ "units": [words["unit"]], "fingerprint": "", "before": null, "after": null })
}

fn aborted(words: &Value) -> Value {
    json!({ "token": words["token"].as_str().unwrap_or_default(), "files": words["files"] })
}

fn read(instance: &Instance, request: &Request, watch: &Watch) -> Result<Map<String, Value>> {
    let mut pieces = Pieces::new(request, watch);
    let rows = match rows(instance, request, &mut pieces) {
        Ok(rows) => rows,
        Err(error) => {
            if let Err(left) = pieces.remove() {
                eprintln!("pieces of a read that failed are left behind: {left}");
            }
            return Err(error);
        }
    };
    let mut answer = result(Value::Null);
    answer.insert("rows".into(), rows);
    answer.insert("reached".into(), reached(instance, &window(&request.arguments))?);
    Ok(answer)
}

fn rows(instance: &Instance, request: &Request, pieces: &mut Pieces<'_>) -> Result<Value> {
    let words = json!({ "stream": request.arguments["stream"], "unit": request.arguments["unit"] });
    let mut reading = instance.read(&words)?;
    while let Some(stream) = reading.next()? {
        for batch in stream {
            let batch = batch.map_err(|error| reading.why(&error))?;
            pieces.add(&batch, reading.position())?;
        }
    }
    pieces.end()
}

/// Write the rows. A writer that does not commit by itself writes here, and the host fetches its files.
fn write(instance: &Instance, request: &Request, next: &Next, watch: &Arc<Watch>) -> Result<Value> {
    let staging = request.staging()?;
    let Some(rows) = Rows::open(request, watch)? else { return Ok(json!([])) };
    let fate = rows.fate();
    let mut words = json!({ "base": request.arguments["base"], "name": request.arguments["name"] });
    let folder = if commits(request) { None } else { Some(Folder::new(&next.id)?) };
    if let Some(folder) = &folder {
        words["base"] = folder.base().into();
    }
    let mut answer = fate.held_against(instance.write(&words, Box::new(rows)), commits(request))?;
    if let Some(folder) = &folder {
        answer = folder.carry(answer, staging)?;
    }
    Ok(answer["files"].take())
}
