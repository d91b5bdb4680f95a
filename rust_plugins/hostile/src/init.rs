//! The library's one symbol: the SDK's table with its `open` replaced.
//!
//! What goes wrong before there is a configuration is chosen by the environment variable `HOSTILE_INIT`.

use std::env;
use std::ffi::c_char;

use dativo_plugin::abi::{
    DATIVO_ERROR, DATIVO_NOT_IMPLEMENTED, DATIVO_OK, DativoError, DativoInstance, DativoPlugin, DativoStatus, Open,
};
use dativo_plugin::export::{About, init};
use serde::Deserialize;

use crate::fault::Fault;
use crate::{crash, reader, tamper, writer};

static ABOUT: About = About { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") };

/// Fill the table of the plugin.
///
/// # Safety
///
/// The pointers are as `dativo_plugin.h` says.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn dativo_plugin_init(
    version: u32,
    plugin: *mut DativoPlugin,
    error: *mut DativoError,
) -> DativoStatus {
    // SAFETY: the host keeps to the header; that we do not is the point.
    unsafe {
        match env::var("HOSTILE_INIT").as_deref() {
            Ok("refused") => return DATIVO_NOT_IMPLEMENTED,
            Ok("null_error") => return DATIVO_ERROR,
            Ok("null_table") => return DATIVO_OK,
            Ok("segfault") => crash::segfault(),
            Ok("hang") => crash::hang(),
            _ => {}
        }
        let status = init::<reader::Hostile, writer::Hostile>(&ABOUT, version, plugin, error);
        if status == DATIVO_OK {
            (*plugin).open = Some(open);
            if env::var("HOSTILE_INIT").as_deref() == Ok("newer") {
                (*plugin).version = version + 1;
            }
        }
        status
    }
}

unsafe extern "C" fn open(
    plugin: *mut DativoPlugin,
    text: *const c_char,
    length: u64,
    out: *mut DativoInstance,
    error: *mut DativoError,
) -> DativoStatus {
    // SAFETY: as above.
    unsafe {
        let fault = fault_of(std::slice::from_raw_parts(text.cast(), length as usize));
        match fault {
            Fault::NullInstance => return DATIVO_OK,
            Fault::NullError => return DATIVO_ERROR,
            _ => {}
        }
        let status = sdk_open()(plugin, text, length, out, error);
        if status == DATIVO_OK {
            tamper::instance(&mut *out, fault);
        }
        status
    }
}

/// Give the `open` that the SDK would have put into the table.
fn sdk_open() -> Open {
    // SAFETY: zeroes are an empty table.
    unsafe {
        let mut table: DativoPlugin = std::mem::zeroed();
        let mut error: DativoError = std::mem::zeroed();
        table.size = size_of::<DativoPlugin>() as u64;
        init::<reader::Hostile, writer::Hostile>(&ABOUT, 1, &raw mut table, &raw mut error);
        table.open.expect("the SDK fills its table")
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Request {
    config: Told,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Told {
    source: Side,
    target: Side,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Side {
    fault: Fault,
    engine: Engine,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Engine {
    options: Options,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Options {
    fault: Fault,
}

/// Find the fault without the SDK, which would not open what is to be broken first.
fn fault_of(request: &[u8]) -> Fault {
    let Request { config } = serde_json::from_slice(request).unwrap_or_default();
    let all = [config.source, config.target].map(|side| [side.fault, side.engine.options.fault]);
    all.into_iter().flatten().find(|fault| *fault != Fault::None).unwrap_or_default()
}
