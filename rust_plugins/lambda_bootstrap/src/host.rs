//! The C ABI of plugins from the host's side: the `unsafe` of this program but for what `printed` asks of the system.
//!
//! `rust_plugins/include/dativo_plugin.h` is the specification, `dativo_ingest/native` the same host in Python. What is
//! safe here is safe as far as a library keeps to the header: nobody can look further, and it has this sandbox alone.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::marker::PhantomData;
use std::mem::{offset_of, size_of, transmute, zeroed};
use std::path::Path;
use std::ptr;

use arrow::array::RecordBatchReader;
use arrow::ffi_stream::{FFI_ArrowArrayStream, RecordBatchStreamReader};
use dativo_plugin::abi::{
    Ask, DATIVO_ABI_VERSION, DATIVO_END, DATIVO_ERROR, DATIVO_NOT_IMPLEMENTED, DATIVO_OK, DativoError, DativoInstance,
    DativoJson, DativoPlugin, DativoReading, DativoStatus, Init,
};
use dativo_plugin::{Error, Result, arrow};
use serde_json::{Map, Value};

const MAX_ANSWER_BYTES: u64 = 256 * 1024 * 1024;
const MAX_MESSAGE: usize = 4_000; // characters, as in Python's host

/// A loaded library; never unloaded.
pub(crate) struct Library {
    table: *mut DativoPlugin,
}

impl Library {
    /// Load a library.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        if !path.is_file() {
            let message = format!("{}: the function's package has no such library", path.display());
            return Err(Error::new("PLUGIN_NOT_FOUND", message));
        }
        Self::of(symbol(path)?)
    }

    /// Agree on a version with a library that is loaded.
    pub(crate) fn of(init: Init) -> Result<Self> {
        let table = Box::into_raw(Box::new(empty::<DativoPlugin>()));
        // SAFETY: the table is a new one and outlives the process; `init` is the library's own, of the header's type.
        unsafe {
            (*table).size = size_of::<DativoPlugin>() as u64;
            let mut error = empty();
            let status = init(DATIVO_ABI_VERSION, table, &raw mut error);
            let agreed = implemented(status, error)? && (1..=DATIVO_ABI_VERSION).contains(&(*table).version);
            if !agreed {
                return Err(other_version((*table).version));
            }
            only_known(table.cast(), offset_of!(DativoPlugin, release), size_of::<DativoPlugin>(), (*table).size)?;
        }
        Ok(Self { table })
    }

    /// Ask the library what it is; none when it does not say.
    pub(crate) fn spec(&self) -> Result<Option<Value>> {
        let (mut out, mut error) = (empty(), empty());
        // SAFETY: the table was filled by the library, and only the main thread calls it.
        unsafe {
            let Some(spec) = (*self.table).spec else { return Ok(None) };
            let status = spec(self.table, &raw mut out, &raw mut error);
            answered(status, out, error)
        }
    }

    /// Open a configured reader or writer.
    pub(crate) fn open(&self, role: &str, config: &Value) -> Result<Instance> {
        let request = serde_json::json!({ "role": role, "config": config }).to_string();
        let made = Instance { raw: Box::into_raw(Box::new(empty::<DativoInstance>())) };
        let mut error = empty();
        // SAFETY: as in `load`; the request lives until the call is over. `made` frees what the plugin fills.
        unsafe {
            (*made.raw).size = size_of::<DativoInstance>() as u64;
            let open = (*self.table).open.ok_or_else(|| bad("the library opens nothing: its table has no `open`"))?;
            let status = open(self.table, text(&request), length(&request), made.raw, &raw mut error);
            if !implemented(status, error)? {
                return Err(Error::new("WRONG_ROLE", format!("the library has no {role}")));
            }
            let size = (*made.raw).size;
            only_known(made.raw.cast(), offset_of!(DativoInstance, release), size_of::<DativoInstance>(), size)?;
            if (*made.raw).release.is_none() {
                return Err(bad("answered OK and left the instance empty: it has no release"));
            }
        }
        Ok(made)
    }
}

/// A configured reader or writer. Released with the object.
pub(crate) struct Instance {
    raw: *mut DativoInstance,
}

impl Instance {
    /// Call a verb that answers in JSON; none where the plugin has no such verb.
    pub(crate) fn ask(&self, verb: &str, request: &Value) -> Result<Option<Value>> {
        let Some(slot) = self.slot(verb) else { return Ok(None) };
        let request = request.to_string();
        let (mut out, mut error) = (empty(), empty());
        // SAFETY: the instance is open, and one thread calls its verbs.
        unsafe {
            let status = slot(self.raw, text(&request), length(&request), &raw mut out, &raw mut error);
            answered(status, out, error)
        }
    }

    /// Start a reading.
    pub(crate) fn read(&self, request: &Value) -> Result<Reading<'_>> {
        let request = request.to_string();
        let mut error = empty();
        let mut reading = Reading { raw: empty(), of: PhantomData };
        // SAFETY: as in `ask`; the reading is borrowed from the instance, which so outlives it.
        unsafe {
            let nothing = || Error::plugin("the plugin reads nothing: it has no `read`");
            let read = (*self.raw).read.ok_or_else(nothing)?;
            let status = read(self.raw, text(&request), length(&request), &raw mut reading.raw, &raw mut error);
            if !implemented(status, error)? {
                return Err(nothing());
            }
        }
        if reading.raw.release.is_none() {
            return Err(bad("answered OK and left the reading empty: it has no release"));
        }
        Ok(reading)
    }

    /// Write the rows.
    pub(crate) fn write(&self, request: &Value, rows: Box<dyn RecordBatchReader + Send>) -> Result<Value> {
        let request = request.to_string();
        let mut rows = FFI_ArrowArrayStream::new(rows);
        let (mut out, mut error) = (empty(), empty());
        let nothing = || Error::plugin("the plugin writes nothing: it has no `write`");
        // SAFETY: as in `ask`; rows that the plugin left are released when they are dropped here.
        unsafe {
            let write = (*self.raw).write.ok_or_else(nothing)?;
            let status = write(self.raw, text(&request), length(&request), &raw mut rows, &raw mut out, &raw mut error);
            answered(status, out, error)?.ok_or_else(nothing)
        }
    }

    /// Give what cancels this instance from another thread.
    pub(crate) fn canceller(&self) -> Canceller<'_> {
        Canceller { raw: self.raw, of: PhantomData }
    }

    fn slot(&self, verb: &str) -> Option<Ask> {
        // SAFETY: the instance is open.
        let raw = unsafe { &*self.raw };
        match verb {
            "check" => raw.check,
            "discover" => raw.discover,
            "estimate" => raw.estimate,
            "split" => raw.split,
            "reached" => raw.reached,
            "commit" => raw.commit,
            "abort" => raw.abort,
            _ => None,
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // SAFETY: made by `open`, released once, and nothing borrows it any more.
        unsafe {
            if let Some(release) = (*self.raw).release {
                release(self.raw);
            }
            drop(Box::from_raw(self.raw));
        }
    }
}

/// Cancels an instance, and with it its readings.
pub(crate) struct Canceller<'a> {
    raw: *mut DativoInstance,
    of: PhantomData<&'a Instance>,
}

// SAFETY: the header lets any thread call `cancel` until the release, and the lifetime ends before it.
unsafe impl Send for Canceller<'_> {}
// SAFETY: the same; calls at the same time are the plugin's to order.
unsafe impl Sync for Canceller<'_> {}

impl Canceller<'_> {
    /// Ask the running call to fail soon.
    pub(crate) fn cancel(&self) {
        // SAFETY: see above.
        unsafe {
            if let Some(cancel) = (*self.raw).cancel {
                cancel(self.raw);
            }
        }
    }
}

/// One read: Arrow streams, one after the other.
pub(crate) struct Reading<'a> {
    raw: DativoReading,
    of: PhantomData<&'a Instance>,
}

impl Reading<'_> {
    /// Give the next stream; none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<RecordBatchStreamReader>> {
        let (mut stream, mut error) = (FFI_ArrowArrayStream::empty(), empty());
        let next = self.raw.next.ok_or_else(|| bad("the reading has no `next`"))?;
        // SAFETY: the reading is open, and one thread calls it.
        let status = unsafe { next(&raw mut self.raw, &raw mut stream, &raw mut error) };
        if status == DATIVO_END {
            return Ok(None);
        }
        if !implemented(status, error)? {
            return Err(bad("the reading has no `next`"));
        }
        match RecordBatchStreamReader::try_new(stream) {
            Ok(rows) => Ok(Some(rows)),
            Err(error) => Err(self.why(&error)),
        }
    }

    /// Give the whole error of what Arrow said only in short.
    pub(crate) fn why(&mut self, short: &arrow::error::ArrowError) -> Error {
        let mut error = empty();
        if let Some(last_error) = self.raw.last_error {
            // SAFETY: as in `next`.
            if unsafe { last_error(&raw mut self.raw, &raw mut error) } == DATIVO_OK {
                return said(error);
            }
        }
        Error::new("PLUGIN_BAD_BATCH", format!("its rows cannot be taken: {short}"))
    }

    /// Give the bytes of the source read so far; 0 when the plugin does not count.
    pub(crate) fn position(&mut self) -> u64 {
        // SAFETY: any thread may until the release.
        self.raw.position.map_or(0, |position| unsafe { position(&raw mut self.raw) })
    }
}

impl Drop for Reading<'_> {
    fn drop(&mut self) {
        if let Some(release) = self.raw.release {
            // SAFETY: filled by the plugin and released once.
            unsafe { release(&raw mut self.raw) };
        }
    }
}

/// Load a library and find its one symbol.
fn symbol(path: &Path) -> Result<Init> {
    use std::os::unix::ffi::OsStrExt;
    let name = CString::new(path.as_os_str().as_bytes()).map_err(|_| bad("a path with a NUL"))?;
    // SAFETY: loading runs the library's initialisers, which is what this sandbox is for; both texts end with a NUL.
    let found = unsafe {
        let handle = libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
        if handle.is_null() {
            let why = CStr::from_ptr(libc::dlerror()).to_string_lossy().into_owned();
            return Err(Error::new("PLUGIN_LOAD_FAILED", format!("the library cannot be loaded here: {why}")));
        }
        libc::dlsym(handle, c"dativo_plugin_init".as_ptr())
    };
    if found.is_null() {
        let message = "has no symbol dativo_plugin_init: a library of the older JSON ABI runs in a function with \
                       `runtime: python3.12`, or build it with the crate dativo-plugin";
        return Err(Error::new("PLUGIN_LOAD_FAILED", format!("{}: {message}", path.display())));
    }
    // SAFETY: the header gives the symbol this type.
    Ok(unsafe { transmute::<*mut c_void, Init>(found) })
}

/// All zeroes: what every struct of the header is when it is empty.
fn empty<T>() -> T {
    // SAFETY: called for structs of the header only, which are made of numbers, pointers and optional functions.
    unsafe { zeroed() }
}

fn text(request: &str) -> *const c_char {
    request.as_ptr().cast()
}

fn length(request: &str) -> u64 {
    request.len() as u64
}

fn bad(message: &str) -> Error {
    Error::new("PLUGIN_BAD_ANSWER", message)
}

fn other_version(version: u32) -> Error {
    let theirs = if version > 0 { version.to_string() } else { "another".into() };
    let message = format!("speaks version {theirs} of the plugin ABI, this host version {DATIVO_ABI_VERSION}");
    Error::new("PLUGIN_VERSION_INCOMPATIBLE", format!("{message}; install a build of the plugin for it"))
}

/// Give whether the plugin did it; false where it has no such verb.
fn implemented(status: DativoStatus, error: DativoError) -> Result<bool> {
    match status {
        DATIVO_OK => Ok(true),
        DATIVO_NOT_IMPLEMENTED => Ok(false),
        DATIVO_ERROR => Err(said(error)),
        other => Err(bad(&format!("answered with the status {other}, which has no meaning here"))),
    }
}

/// Take the JSON of a call that did not fail.
///
/// # Safety
///
/// The plugin has just filled `out`, or left it empty.
unsafe fn answered(status: DativoStatus, mut out: DativoJson, error: DativoError) -> Result<Option<Value>> {
    if !implemented(status, error)? {
        return Ok(None);
    }
    let release = out.release.ok_or_else(|| bad("answered OK and left its answer empty: it has no release"))?;
    let told = if out.length > MAX_ANSWER_BYTES || (out.length > 0 && out.data.is_null()) {
        Err(bad(&format!("answered with {} bytes that are no JSON", out.length)))
    } else {
        // SAFETY: the plugin gave so many bytes, and they live until the release.
        let bytes = unsafe { std::slice::from_raw_parts(out.data.cast::<u8>(), out.length as usize) };
        serde_json::from_slice(bytes).map_err(|_| bad("answered with text that is no JSON"))
    };
    // SAFETY: the plugin's own, called once.
    unsafe { release(&raw mut out) };
    match told? {
        value @ (Value::Object(_) | Value::Null) => Ok(Some(value)),
        _ => Err(bad("answered with JSON that is no object")),
    }
}

/// Copy what a plugin filled into an error, and release it.
fn said(mut error: DativoError) -> Error {
    let text = |pointer: *mut c_char| {
        // SAFETY: a text of the header ends with a NUL, and lives until the release.
        (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
    };
    let code = text(error.code).filter(|code| is_code(code)).unwrap_or_else(|| "PLUGIN_ERROR".into());
    let message = text(error.message).unwrap_or_else(|| "failed, and the plugin does not say why".into());
    let details: Map<String, Value> =
        text(error.details).and_then(|details| serde_json::from_str(&details).ok()).unwrap_or_default();
    let wait = u32::try_from(error.retry_after_seconds).unwrap_or(0);
    let told = Error::new(code, message.chars().take(MAX_MESSAGE).collect::<String>())
        .retryable(error.retryable == 1)
        .retry_after(wait);
    if let Some(release) = error.release {
        // SAFETY: the plugin's own, called once, after the last look at its texts.
        unsafe { release(&raw mut error) };
    }
    details.into_iter().fold(told, |told, (key, value)| told.detail(key, value))
}

fn is_code(text: &str) -> bool {
    let known = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_';
    (2..=64).contains(&text.len()) && text.as_bytes()[0].is_ascii_uppercase() && text.bytes().all(known)
}

/// Empty the slots behind the size that a plugin says it filled: it does not know them.
///
/// # Safety
///
/// `table` is a struct of `most` bytes whose `release` begins at `release`.
unsafe fn only_known(table: *mut u8, release: usize, most: usize, size: u64) -> Result<()> {
    let least = release + size_of::<*mut c_void>();
    match usize::try_from(size).ok().filter(|size| (least..=most).contains(size) && size % size_of::<usize>() == 0) {
        // SAFETY: within the struct, as the caller says; zeroes are empty slots.
        Some(size) => unsafe { ptr::write_bytes(table.add(size), 0, most - size) },
        None => return Err(bad(&format!("says that its table has {size} bytes; {least} to {most} make sense"))),
    }
    Ok(())
}
