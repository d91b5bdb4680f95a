//! One invocation, answered.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use dativo_plugin::{Error, Result};
use serde_json::{Map, Value, json};

use crate::host::Library;
use crate::http::{Next, RuntimeApi};
use crate::logs::{Log, peak_mb};
use crate::printed::Printed;
use crate::request::{PROTOCOL, Request};
use crate::verbs;
use crate::{checksum, failure};

/// A result that is no larger always goes with the answer.
const SMALL_BYTES: u64 = 64 * 1024;
const ASIDE: &str = "result.json";

static FRESH: AtomicBool = AtomicBool::new(true);

/// Answer an invocation; whatever goes wrong with the plugin is in the answer.
///
/// # Errors
///
/// The Runtime API took no answer.
pub(crate) fn answer(library: &Result<Library>, next: &Next, api: &RuntimeApi) -> Result<()> {
    let mut answer = Answer::new();
    let request = match Request::of(next) {
        Ok(request) => request,
        Err(error) if serde_json::from_slice::<Value>(&next.payload).is_err() => return api.fail(&next.id, &error),
        Err(error) => return api.respond(&next.id, &answer.failed(&error)),
    };
    answer.log = Log::new(request.tags.clone());
    let give_up = |error: Error| give_up(api, next, &request, error);
    let printed = Printed::catch()?;
    let ended = match library {
        Ok(library) => verbs::run(library, &request, next, &give_up).and_then(|said| fitting(said, &request)),
        Err(error) => Err(error.clone()),
    };
    for line in printed.end() {
        answer.log.printed(line);
    }
    let whole = match ended {
        Ok(said) => answer.whole(said),
        Err(error) => answer.failed(&request.about(error)),
    };
    api.respond(&next.id, &whole)
}

/// Answer for a plugin that was cancelled and goes on, and end the process with it; Lambda starts another.
fn give_up(api: &RuntimeApi, next: &Next, request: &Request, error: Error) -> ! {
    if let Some(Err(left)) = request.staging.as_ref().map(crate::pieces::remove_all) {
        eprintln!("pieces of a read that was cancelled are left behind: {left}");
    }
    let answer = Answer::new().failed(&request.about(error));
    let sent = api.respond(&next.id, &answer);
    std::process::exit(sent.is_err().into())
}

/// Put a result that is larger than an answer should be into the staging folder.
fn fitting(mut said: Map<String, Value>, request: &Request) -> Result<Map<String, Value>> {
    let result = said.get("result").map(Value::to_string).unwrap_or_default();
    if result.len() as u64 > SMALL_BYTES.max(request.limits.inline_bytes) {
        request.staging()?.put(ASIDE, result.as_bytes())?;
        said.insert("result".into(), Value::Null);
        said.insert("aside".into(), json!({ "bytes": result.len(), "crc32": checksum::of(result.as_bytes()) }));
    }
    Ok(said)
}

/// What every answer has.
struct Answer {
    began: Instant,
    log: Log,
}

impl Answer {
    fn new() -> Self {
        Self { began: Instant::now(), log: Log::new(Value::Null) }
    }

    fn failed(self, error: &Error) -> Value {
        self.whole(Map::from_iter([("error".to_owned(), failure::to_json(error))]))
    }

    fn whole(self, mut said: Map<String, Value>) -> Value {
        said.insert("dativo".into(), json!(PROTOCOL));
        said.insert("logs".into(), self.log.records().into());
        said.insert("peak_mb".into(), peak_mb().into());
        said.insert("seconds".into(), self.began.elapsed().as_secs_f64().into());
        said.insert("started".into(), FRESH.swap(false, Ordering::Relaxed).into());
        said.into()
    }
}
