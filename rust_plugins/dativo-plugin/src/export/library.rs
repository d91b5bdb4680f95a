//! `DativoPlugin`: agree on a version, say what the library is, open readers and writers.

use std::ffi::c_char;
use std::mem::offset_of;
use std::ptr::null_mut;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::border::{answer, give, give_json, json as to_json, request};
use super::guard::{Poison, guard};
use super::instance::{Shared, reader_instance, writer_instance};
use crate::abi::{
    DATIVO_ABI_VERSION, DATIVO_NOT_IMPLEMENTED, DativoError, DativoInstance, DativoJson, DativoPlugin, DativoStatus,
};
use crate::{Cancel, Error, Reader, ReaderConfig, Result, Writer, WriterConfig};

/// The crate that a plugin was built from.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

/// Fill the table of a plugin: `dativo_plugin_init`, which [`export!`](crate::export!) makes of it.
///
/// # Safety
///
/// The pointers are as `dativo_plugin.h` says.
pub unsafe fn init<R: Reader, W: Writer>(
    about: &'static About,
    version: u32,
    plugin: *mut DativoPlugin,
    error: *mut DativoError,
) -> DativoStatus {
    if version < DATIVO_ABI_VERSION {
        return DATIVO_NOT_IMPLEMENTED;
    }
    // SAFETY: the host keeps to the header.
    unsafe {
        let size = known(plugin, offset_of!(DativoPlugin, reserved));
        answer(size.map(|size| give_known(plugin, size, table::<R, W>(about, size))), error)
    }
}

fn table<R: Reader, W: Writer>(about: &'static About, size: usize) -> DativoPlugin {
    DativoPlugin {
        size: size as u64,
        version: DATIVO_ABI_VERSION,
        flags: 0,
        spec: Some(spec::<R, W>),
        open: Some(open::<R, W>),
        private_data: (&raw const *about).cast_mut().cast(),
        release: Some(release),
        reserved: [null_mut(); 4],
    }
}

/// Give how many bytes of a `T` the host knows: every struct that grows starts with its size.
///
/// # Safety
///
/// `out` is NULL or points to a `u64`.
unsafe fn known<T>(out: *const T, least: usize) -> Result<usize> {
    // SAFETY: the caller says so.
    let size = if out.is_null() { 0 } else { unsafe { out.cast::<u64>().read() } };
    let size = usize::try_from(size).unwrap_or(usize::MAX).min(size_of::<T>());
    if size >= least {
        return Ok(size);
    }
    let why = format!("the host knows {size} bytes of a table that has {least} in version {DATIVO_ABI_VERSION}");
    Err(Error::new("PLUGIN_VERSION_INCOMPATIBLE", why))
}

/// Give the first `size` bytes of a struct.
///
/// # Safety
///
/// `out` points to `size` bytes, which are not more than a `T`.
unsafe fn give_known<T>(out: *mut T, size: usize, value: T) {
    // SAFETY: the caller says so, and nobody else looks at `out` meanwhile.
    unsafe { std::ptr::copy_nonoverlapping((&raw const value).cast::<u8>(), out.cast::<u8>(), size) };
    std::mem::forget(value);
}

unsafe extern "C" fn release(plugin: *mut DativoPlugin) {
    // SAFETY: the host keeps to the header. Nothing is owned: what the library says of itself is static.
    unsafe { (*plugin).release = None };
}

unsafe extern "C" fn spec<R: Reader, W: Writer>(
    plugin: *mut DativoPlugin,
    out: *mut DativoJson,
    error: *mut DativoError,
) -> DativoStatus {
    // SAFETY: the host keeps to the header; `private_data` is what `table` put there.
    unsafe {
        let about = &*(*plugin).private_data.cast::<About>();
        let text = guard(&Poison::default(), || to_json(&describe::<R, W>(about)));
        answer(text.map(|text| give(out, give_json(text))), error)
    }
}

fn describe<R: Reader, W: Writer>(about: &About) -> Value {
    let mut roles = Map::new();
    if R::EXISTS {
        roles.insert("reader".into(), json!({ "config": R::schema() }));
    }
    if W::EXISTS {
        roles.insert("writer".into(), json!({ "config": W::schema() }));
    }
    json!({ "name": about.name, "version": about.version, "sdk": env!("CARGO_PKG_VERSION"), "roles": roles })
}

#[derive(Deserialize)]
struct Opening {
    role: String,
    config: Value,
}

unsafe extern "C" fn open<R: Reader, W: Writer>(
    _plugin: *mut DativoPlugin,
    text: *const c_char,
    length: u64,
    out: *mut DativoInstance,
    error: *mut DativoError,
) -> DativoStatus {
    let poison = Poison::default();
    // SAFETY: the host keeps to the header.
    unsafe {
        let made = known(out, offset_of!(DativoInstance, reserved)).and_then(|size| {
            let made = guard(&poison, || instance::<R, W>(request(text, length)?, poison.clone(), size))?;
            give_known(out, size, made);
            Ok(())
        });
        answer(made, error)
    }
}

fn instance<R: Reader, W: Writer>(opening: Opening, poison: Poison, size: usize) -> Result<DativoInstance> {
    let cancel = Cancel::default();
    match opening.role.as_str() {
        "reader" => {
            let reader = R::open(ReaderConfig::new(opening.config, cancel.clone())?)?;
            Ok(reader_instance(Shared::new(reader, cancel, poison), size))
        }
        "writer" => {
            let writer = W::open(WriterConfig::new(opening.config, cancel.clone())?)?;
            Ok(writer_instance(Shared::new(writer, cancel, poison), size))
        }
        other => Err(Error::plugin(format!("{other:?} is no role; a plugin is opened as reader or writer"))),
    }
}
