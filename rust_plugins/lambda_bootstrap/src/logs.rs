//! Lines of JSON for the function's log, which the answer has as well.

use serde_json::{Value, json};

/// The log of one invocation: each line knows its run, stream, unit and attempt.
#[derive(Debug)]
pub(crate) struct Log {
    tags: Value,
    lines: Vec<Value>,
}

impl Log {
    pub(crate) fn new(tags: Value) -> Self {
        Self { tags, lines: Vec::new() }
    }

    pub(crate) fn say(&mut self, level: &str, message: impl Into<String>) {
        let line = json!({
            "level": level, "logger": "dativo.bootstrap", "message": message.into(), "tags": self.tags,
        });
        println!("{line}");
        self.lines.push(line);
    }

    pub(crate) fn lines(self) -> Vec<Value> {
        self.lines
    }
}

/// Give the most memory that this process has used, in MB of 2^20 bytes; 0 where the system does not say.
pub(crate) fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
