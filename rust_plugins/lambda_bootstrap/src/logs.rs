//! What a library prints, as records that the host logs as its own.
//!
//! None goes to the function's log in the cloud: nobody here knows what is secret, and others may read there.

use serde_json::{Value, json};

/// Of Python's logging.
const INFO: u64 = 20;
/// Characters of records that an answer has room for.
const ROOM: usize = 256 * 1024;
const FULL: &str = "the plugin logged more than a reply has room for; the rest is left out";

/// The log of one invocation: each record knows its run, stream, unit and attempt.
#[derive(Debug)]
pub(crate) struct Log {
    tags: Value,
    room: usize,
    records: Vec<Value>,
}

impl Log {
    pub(crate) fn new(tags: Value) -> Self {
        Self { tags, room: ROOM, records: Vec::new() }
    }

    pub(crate) fn records(self) -> Vec<Value> {
        self.records
    }

    /// Add a line that the plugin printed.
    pub(crate) fn printed(&mut self, message: String) {
        if self.room == 0 {
            return;
        }
        self.room = self.room.saturating_sub(message.len() + 1);
        let message = if self.room > 0 { message } else { FULL.into() };
        self.records.push(json!({ "level": INFO, "logger": "printed", "message": message, "tags": self.tags }));
    }
}

/// Give the most memory that this process has used, in MB of 2^20 bytes; 0 where the system does not say.
pub(crate) fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_ends_where_an_answer_has_no_more_room() {
        let mut log = Log::new(json!({ "unit": "u1" }));
        for _ in 0..3 {
            log.printed("x".repeat(ROOM / 2));
        }
        let records = log.records();
        let lengths: Vec<_> = records.iter().map(|record| record["message"].as_str().unwrap().len()).collect();
        assert_eq!(lengths, [ROOM / 2, FULL.len()]);
        assert_eq!(records[0]["tags"]["unit"], "u1");
    }
}
