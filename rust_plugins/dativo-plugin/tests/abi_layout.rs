//! The structs of `abi.rs` are the structs of the header, to the byte.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::mem::offset_of;
use std::path::Path;
use std::process::Command;

use dativo_plugin::abi::{DativoError, DativoInstance, DativoJson, DativoPlugin, DativoReading};
use dativo_plugin::arrow::ffi_stream::FFI_ArrowArrayStream;

type Layout = BTreeMap<&'static str, Vec<(&'static str, usize)>>;

macro_rules! layout {
    ($($struct:ident: $($field:ident)*;)*) => {
        BTreeMap::from([$((
            stringify!($struct),
            vec![$((stringify!($field), offset_of!($struct, $field)),)* ("", size_of::<$struct>())],
        ),)*])
    };
}

fn ours() -> Layout {
    layout! {
        DativoError: code message details retryable retry_after_seconds private_data release;
        DativoJson: data length private_data release;
        DativoReading: next last_error position cancel private_data release;
        DativoInstance: size check discover estimate split read reached write commit abort cancel private_data release
            reserved;
        DativoPlugin: size version flags spec open private_data release reserved;
    }
}

const HEADER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../include");

/// Ask the C compiler for the same numbers, one on each line.
fn theirs(layout: &Layout) -> Vec<usize> {
    let mut program = String::from("#include <stdio.h>\n#include \"dativo_plugin.h\"\nint main(void) {\n");
    for (name, fields) in layout {
        for (field, _) in fields {
            let value = if field.is_empty() { format!("sizeof({name})") } else { format!("offsetof({name}, {field})") };
            writeln!(program, "printf(\"%zu\\n\", {value});").unwrap();
        }
    }
    program += "printf(\"%zu\\n\", sizeof(struct ArrowArrayStream));\nreturn 0; }";
    run(&program)
}

fn run(program: &str) -> Vec<usize> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, binary) = (folder.join("layout.c"), folder.join("layout"));
    std::fs::write(&source, program).unwrap();
    let compiler = std::env::var("CC").unwrap_or("cc".into());
    let mut build = Command::new(compiler);
    build.args(["-Wall", "-Werror", "-I", HEADER]).arg(source).arg("-o").arg(&binary);
    assert!(build.status().unwrap().success());
    let printed = Command::new(binary).output().unwrap().stdout;
    String::from_utf8(printed).unwrap().lines().map(|line| line.parse().unwrap()).collect()
}

#[test]
fn every_struct_has_the_size_and_the_offsets_of_the_header() {
    let layout = ours();
    let mut numbers: Vec<usize> = layout.values().flatten().map(|(_, number)| *number).collect();
    numbers.push(size_of::<FFI_ArrowArrayStream>());
    assert_eq!(numbers, theirs(&layout));
}

#[test]
fn every_field_of_the_header_is_compared() {
    let header = std::fs::read_to_string(format!("{HEADER}/dativo_plugin.h")).unwrap();
    for (name, fields) in ours() {
        let body = header.split(&format!("typedef struct {name} {{")).nth(1).unwrap();
        let body = body.split(&format!("}} {name};")).next().unwrap();
        let code: String = body.split("/*").map(|part| part.split("*/").last().unwrap()).collect();
        assert_eq!(code.matches(';').count(), fields.len() - 1, "{name}");
    }
}
