//! The JSON Schema of the options, for those who ask the library what it takes.

use serde_json::{Value, json};

/// Give the schema.
pub(crate) fn schema() -> Value {
    let text = |what: &str| json!({"type": ["string", "null"], "description": what});
    let truth = |default: bool, what: &str| json!({"type": "boolean", "default": default, "description": what});
    let number = |least: u32, what: &str| json!({"type": "integer", "minimum": least, "description": what});
    let texts = |what: &str| json!({"type": "array", "items": {"type": "string"}, "description": what});
    json!({
        "type": "object",
        "required": ["files"],
        "properties": {
            "files": {
                "type": ["array", "string", "object"],
                "description": "paths, URIs or patterns: `*` and `?` in a folder, `**` below; each with `object` and `id`",
            },
            "file": {"description": "one file, as `files`"},
            "format": {"enum": ["csv", null]},
            "compression": {"enum": ["none", "gzip", "zstd", null], "description": "told by the file's name"},
            "encoding": text("utf-8, and no other"),
            "delimiter": text("one ASCII character; tab for .tsv, else a comma"),
            "quote_char": text("one ASCII character; null when quotes mean nothing"),
            "escape_char": text("one ASCII character"),
            "double_quote": truth(true, "a quote inside quotes is written twice"),
            "header": truth(true, "whether the first record names the columns"),
            "columns": texts("names without a header; the contract's when left out"),
            "skip_rows": number(0, "lines before the header"),
            "null_values": texts("unquoted texts that mean NULL"),
            "batch_rows": number(1, "most rows of a batch"),
            "allow_empty": truth(false, "a pattern may match nothing"),
            "block_bytes": number(1, "about how much is parsed at once"),
            "threads": number(1, "how many threads parse; as many as there are cores, and at most 8, when left out"),
        },
    })
}
