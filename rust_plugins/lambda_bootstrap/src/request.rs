//! What the host asks for: the request of `dativo_ingest/functions`.

use std::time::Duration;

use dativo_plugin::{Error, Result};
use serde_json::{Value, json};

use crate::http::Next;
use crate::staging::Staging;

/// How long a side waits for the other where the request does not say.
const IDLE: Duration = Duration::from_secs(300);
const MB: u64 = 1024 * 1024;

/// What host and function speak; one of another version does not lay down what the other looks for.
pub(crate) const PROTOCOL: u64 = 2;

/// How much goes which way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Rows up to this size are in the answer itself.
    pub(crate) inline_bytes: u64,
    /// A piece is put once it is this large.
    pub(crate) piece_bytes: u64,
    /// How many pieces may lie unread.
    pub(crate) ahead: usize,
    /// How long the host is waited for.
    pub(crate) idle: Duration,
    /// How long the verb may take.
    pub(crate) seconds: Option<Duration>,
}

/// One verb of one plugin.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) role: String,
    pub(crate) verb: String,
    pub(crate) plugin: String,
    pub(crate) config: Value,
    pub(crate) arguments: Value,
    pub(crate) staging: Option<Staging>,
    pub(crate) limits: Limits,
    pub(crate) tags: Value,
}

impl Request {
    /// Read a request.
    pub(crate) fn of(next: &Next) -> Result<Self> {
        let body: Value = serde_json::from_slice(&next.payload).map_err(|_| strange("is no JSON"))?;
        if body["dativo"] != json!(PROTOCOL) {
            return Err(another_version(&body["dativo"]));
        }
        let staging = Staging::of(&body["staging"])?;
        let config = match body["config"]["$object"].as_str() {
            Some(name) => {
                let staging = staging.as_ref().ok_or_else(|| strange("has no staging"))?;
                staging.json(name, body["config"]["crc32"].as_u64())?
            }
            None => body["config"].clone(),
        };
        let word = |key: &str| body[key].as_str().map(str::to_owned).ok_or_else(|| strange(&format!("lacks {key:?}")));
        let number = |key: &str| body["limits"][key].as_u64();
        let seconds =
            |key: &str| body["limits"][key].as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Ok(Self {
            role: word("role")?,
            verb: word("verb")?,
            plugin: body["plugin"]["path"].as_str().unwrap_or("plugin").to_owned(),
            config,
            arguments: body["arguments"].clone(),
            staging,
            limits: Limits {
                inline_bytes: number("inline_bytes").unwrap_or(4 * MB),
                piece_bytes: number("piece_bytes").unwrap_or(16 * MB),
                ahead: number("ahead").and_then(|n| usize::try_from(n).ok()).unwrap_or(4).max(1),
                idle: seconds("idle_seconds").unwrap_or(IDLE),
                seconds: seconds("seconds"),
            },
            tags: body["tags"].clone(),
        })
    }

    /// Give the staging of a verb that cannot do without.
    pub(crate) fn staging(&self) -> Result<&Staging> {
        self.staging.as_ref().ok_or_else(|| strange(&format!("has no staging, which {} needs", self.verb)))
    }

    /// Name the rows of a verb: the host's own words for stream and unit.
    pub(crate) fn rows(&self) -> String {
        let word = |key: &str| self.tags[key].as_str().unwrap_or_default();
        format!("stream '{}', unit '{}'", word("stream"), word("unit"))
    }

    /// Say which call an error is of, as Python's host does.
    pub(crate) fn about(&self, error: Error) -> Error {
        let stream = self.arguments["stream"]["name"].as_str();
        let of = stream.map_or(String::new(), |name| format!(" of stream '{name}'"));
        let error = error.context(format!("{}: {}{of}", self.plugin, self.verb));
        let error = error.detail("plugin", self.plugin.as_str()).detail("verb", self.verb.as_str());
        stream.map_or(error.clone(), |name| error.detail("stream", name))
    }
}

fn another_version(asked: &Value) -> Error {
    let message = format!(
        "the function speaks version {PROTOCOL} of the protocol, and was asked in version {asked}; deploy this function \
         anew, or build its image anew, with the same dativo as the host"
    );
    Error::new("PLUGIN_VERSION_INCOMPATIBLE", message)
}

fn strange(what: &str) -> Error {
    Error::plugin(format!("the request to the function {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(payload: &Value) -> Next {
        Next { id: "1".into(), deadline: None, payload: payload.to_string().into_bytes() }
    }

    #[test]
    fn a_request_of_another_version_is_refused() {
        let error = Request::of(&next(&json!({"dativo": 1, "role": "reader", "verb": "check"}))).unwrap_err();
        assert_eq!(error.code(), "PLUGIN_VERSION_INCOMPATIBLE");
        assert!(error.message().contains("image anew"), "{error}");
    }

    #[test]
    fn an_error_names_plugin_verb_and_stream() {
        let request = json!({"dativo": PROTOCOL, "role": "reader", "verb": "read", "plugin": {"path": "libx.so"},
                             "arguments": {"stream": {"name": "orders"}}});
        let error = Request::of(&next(&request)).unwrap().about(Error::config("no such file"));
        assert_eq!(error.message(), "libx.so: read of stream 'orders': no such file");
        assert_eq!(error.details()["stream"], "orders");
    }
}
