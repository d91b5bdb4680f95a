//! One invocation, answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use dativo_plugin::{Error, Result};
use serde_json::{Map, Value, json};

use crate::failure;
use crate::host::Library;
use crate::http::Next;
use crate::logs::{Log, peak_mb};
use crate::request::Request;
use crate::verbs;

static FRESH: AtomicBool = AtomicBool::new(true);

/// Give the answer of an invocation; whatever goes wrong with the plugin is in it.
///
/// # Errors
///
/// The request is none, so that no host waits for an answer that it would understand.
pub(crate) fn answer(library: &Result<Library>, next: &Next) -> Result<Value> {
    let began = Instant::now();
    let request = Request::of(next)?;
    let mut log = Log::new(request.tags.clone());
    let ended = match library {
        Ok(library) => verbs::run(library, &request, next),
        Err(error) => Err(error.clone()),
    };
    let mut answer = ended.unwrap_or_else(|error| failed(request.about(error), &mut log));
    let seconds = began.elapsed().as_secs_f64();
    log.say("INFO", format!("{} {} in {seconds:.2} s", request.plugin, request.verb));
    answer.insert("dativo".into(), json!(1));
    answer.insert("logs".into(), log.lines().into());
    answer.insert("peak_mb".into(), peak_mb().into());
    answer.insert("seconds".into(), seconds.into());
    answer.insert("started".into(), FRESH.swap(false, Ordering::Relaxed).into());
    Ok(answer.into())
}

fn failed(error: Error, log: &mut Log) -> Map<String, Value> {
    log.say("ERROR", error.to_string());
    Map::from_iter([("error".to_owned(), failure::to_json(&error))])
}
