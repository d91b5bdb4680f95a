//! The structs of `include/dativo_plugin.h`, field by field. The header is the specification.

#![allow(missing_docs)] // the header has it all

use std::ffi::{c_char, c_void};

use arrow::ffi_stream::FFI_ArrowArrayStream;

pub const DATIVO_ABI_VERSION: u32 = 1;

pub type DativoStatus = i32;
pub const DATIVO_OK: DativoStatus = 0;
pub const DATIVO_ERROR: DativoStatus = 1;
pub const DATIVO_END: DativoStatus = 2;
pub const DATIVO_NOT_IMPLEMENTED: DativoStatus = 3;

#[repr(C)]
#[derive(Debug)]
pub struct DativoError {
    pub code: *mut c_char,
    pub message: *mut c_char,
    pub details: *mut c_char,
    pub retryable: i32,
    pub retry_after_seconds: i32,
    pub private_data: *mut c_void,
    pub release: Option<unsafe extern "C" fn(*mut DativoError)>,
}

#[repr(C)]
#[derive(Debug)]
pub struct DativoJson {
    pub data: *const c_char,
    pub length: u64,
    pub private_data: *mut c_void,
    pub release: Option<unsafe extern "C" fn(*mut DativoJson)>,
}

/// The slot that gives the next stream of a reading.
pub type Next = unsafe extern "C" fn(*mut DativoReading, *mut FFI_ArrowArrayStream, *mut DativoError) -> DativoStatus;

#[repr(C)]
#[derive(Debug)]
pub struct DativoReading {
    pub next: Option<Next>,
    pub last_error: Option<unsafe extern "C" fn(*mut DativoReading, *mut DativoError) -> DativoStatus>,
    pub position: Option<unsafe extern "C" fn(*mut DativoReading) -> u64>,
    pub cancel: Option<unsafe extern "C" fn(*mut DativoReading)>,
    pub private_data: *mut c_void,
    pub release: Option<unsafe extern "C" fn(*mut DativoReading)>,
}

/// A slot that takes a JSON request and gives a JSON answer.
pub type Ask =
    unsafe extern "C" fn(*mut DativoInstance, *const c_char, u64, *mut DativoJson, *mut DativoError) -> DativoStatus;

pub type Read =
    unsafe extern "C" fn(*mut DativoInstance, *const c_char, u64, *mut DativoReading, *mut DativoError) -> DativoStatus;

pub type Write = unsafe extern "C" fn(
    *mut DativoInstance,
    *const c_char,
    u64,
    *mut FFI_ArrowArrayStream,
    *mut DativoJson,
    *mut DativoError,
) -> DativoStatus;

#[repr(C)]
#[derive(Debug)]
pub struct DativoInstance {
    pub size: u64,
    pub check: Option<Ask>,
    pub discover: Option<Ask>,
    pub estimate: Option<Ask>,
    pub split: Option<Ask>,
    pub read: Option<Read>,
    pub reached: Option<Ask>,
    pub write: Option<Write>,
    pub commit: Option<Ask>,
    pub abort: Option<Ask>,
    pub cancel: Option<unsafe extern "C" fn(*mut DativoInstance)>,
    pub private_data: *mut c_void,
    pub release: Option<unsafe extern "C" fn(*mut DativoInstance)>,
    pub reserved: [*mut c_void; 4],
}

pub type Spec = unsafe extern "C" fn(*mut DativoPlugin, *mut DativoJson, *mut DativoError) -> DativoStatus;

pub type Open =
    unsafe extern "C" fn(*mut DativoPlugin, *const c_char, u64, *mut DativoInstance, *mut DativoError) -> DativoStatus;

#[repr(C)]
#[derive(Debug)]
pub struct DativoPlugin {
    pub size: u64,
    pub version: u32,
    pub flags: u32,
    pub spec: Option<Spec>,
    pub open: Option<Open>,
    pub private_data: *mut c_void,
    pub release: Option<unsafe extern "C" fn(*mut DativoPlugin)>,
    pub reserved: [*mut c_void; 4],
}

/// The type of `dativo_plugin_init`.
pub type Init = unsafe extern "C" fn(u32, *mut DativoPlugin, *mut DativoError) -> DativoStatus;
