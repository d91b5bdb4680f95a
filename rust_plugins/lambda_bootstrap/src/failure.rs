//! Errors as the host in Python takes them: `error_to_json` of `dativo_ingest/worker/errors.py`.

use dativo_plugin::Error;
use serde_json::{Map, Value, json};

/// Which class an error of a plugin is, by its code: the table of `dativo_ingest/native/errors.py`. A test there compares.
const CLASSES: &str = include_str!("classes.json");

/// Codes of our own whose class Python's host has as well.
const TRANSIENT: [&str; 2] = ["FUNCTION_IDLE", "FUNCTION_TIMEOUT"];
const SANDBOX: [&str; 1] = ["FUNCTION_ROWS_LOST"];

/// Give an error as JSON: its class and all attributes of it.
pub(crate) fn to_json(error: &Error) -> Value {
    let class = class_of(error);
    let mut details = Map::clone(error.details());
    let wait = error.retry_after_seconds();
    let mut state = Map::new();
    if matches!(class.as_str(), "RateLimitError" | "TransientError") {
        state.insert("retry_after".into(), if wait > 0 { json!(wait) } else { Value::Null });
    } else if wait > 0 {
        details.insert("retry_after".into(), json!(wait));
    }
    state.insert("message".into(), error.message().into());
    state.insert("error_code".into(), error.code().into());
    state.insert("retryable".into(), (class == "RateLimitError" || error.is_retryable()).into());
    state.insert("details".into(), details.into());
    json!({ "class": class, "state": state })
}

fn class_of(error: &Error) -> String {
    let classes: Map<String, Value> = serde_json::from_str(CLASSES).unwrap_or_default();
    let named =
        classes.iter().find(|(_, codes)| codes.as_array().is_some_and(|all| all.contains(&error.code().into())));
    let other = match error.code() {
        code if SANDBOX.contains(&code) => "SandboxError",
        code if error.is_retryable() || TRANSIENT.contains(&code) => "TransientError",
        _ => "PluginError",
    };
    named.map_or(other, |(class, _)| class).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_comes_from_the_code_and_else_from_whether_it_passes() {
        let class = |error: Error| to_json(&error)["class"].clone();
        assert_eq!(class(Error::auth("")), "AuthenticationError");
        assert_eq!(class(Error::config("")), "ConfigurationError");
        assert_eq!(class(Error::new("OUT_OF_INK", "").retryable(true)), "TransientError");
        assert_eq!(class(Error::new("OUT_OF_INK", "")), "PluginError");
        assert_eq!(class(Error::new("FUNCTION_ROWS_LOST", "").retryable(true)), "SandboxError");
    }

    #[test]
    fn an_error_keeps_all_that_it_says() {
        let said = to_json(&Error::rate_limit("slower", 7).detail("quota", 5));
        let state = json!({"message": "slower", "error_code": "RATE_LIMIT_EXCEEDED", "retryable": true,
                           "retry_after": 7, "details": {"quota": 5}});
        assert_eq!(said, json!({"class": "RateLimitError", "state": state}));
    }
}
