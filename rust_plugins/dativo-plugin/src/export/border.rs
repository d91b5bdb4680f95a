//! How values cross: requests in, JSON, errors and statuses out. Whoever makes a thing releases it.

use std::ffi::{CString, c_char, c_void};
use std::ptr::null_mut;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::abi::{DATIVO_ERROR, DATIVO_NOT_IMPLEMENTED, DATIVO_OK, DativoError, DativoJson, DativoStatus};
use crate::{Error, Result};

/// Read a request; none at all is an empty object.
///
/// # Safety
///
/// `data` points to `length` bytes, or is NULL.
pub(crate) unsafe fn request<T: DeserializeOwned>(data: *const c_char, length: u64) -> Result<T> {
    let bytes = if data.is_null() || length == 0 {
        b"{}"
    } else {
        let length = usize::try_from(length).map_err(|_| Error::plugin("a request is longer than memory"))?;
        // SAFETY: the caller says so.
        unsafe { std::slice::from_raw_parts(data.cast::<u8>(), length) }
    };
    serde_json::from_slice(bytes).map_err(|error| Error::from(error).context("the host's request"))
}

/// Make the status of an outcome, and fill `error` if it is one.
///
/// # Safety
///
/// `error` points to an empty `DativoError`.
pub(crate) unsafe fn answer(outcome: Result<()>, error: *mut DativoError) -> DativoStatus {
    match outcome {
        Ok(()) => DATIVO_OK,
        Err(why) if why.is_not_implemented() => DATIVO_NOT_IMPLEMENTED,
        Err(why) => {
            // SAFETY: the caller says so.
            unsafe { give(error, give_error(&why)) };
            DATIVO_ERROR
        }
    }
}

/// Put a struct where the host wants it, if it wants it.
///
/// # Safety
///
/// `out` is NULL or points to memory for a `T`.
pub(crate) unsafe fn give<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: the caller says so.
        unsafe { out.write(value) };
    }
}

/// Serialize an answer; it may fail and call an author's code, so do it inside the guard.
pub(crate) fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::plugin(format!("the answer cannot be said in JSON: {error}")))
}

pub(crate) fn give_json(text: Vec<u8>) -> DativoJson {
    let text = Box::new(text);
    DativoJson {
        data: text.as_ptr().cast(),
        length: text.len() as u64,
        private_data: Box::into_raw(text).cast(),
        release: Some(release_json),
    }
}

unsafe extern "C" fn release_json(json: *mut DativoJson) {
    // SAFETY: the host gives back what `give_json` made.
    unsafe {
        let json = &mut *json;
        if json.release.take().is_some() {
            drop(take_box::<Vec<u8>>(&mut json.private_data));
            json.data = std::ptr::null();
            json.length = 0;
        }
    }
}

/// The texts of an error, kept until its release.
struct Texts {
    code: CString,
    message: CString,
    details: Option<CString>,
}

pub(crate) fn give_error(error: &Error) -> DativoError {
    let details = serde_json::to_string(error.details()).unwrap_or_default();
    let texts = Box::new(Texts {
        code: c_text(error.code()),
        message: c_text(error.message()),
        details: (!error.details().is_empty()).then(|| c_text(&details)),
    });
    DativoError {
        code: texts.code.as_ptr().cast_mut(),
        message: texts.message.as_ptr().cast_mut(),
        details: texts.details.as_ref().map_or(null_mut(), |text| text.as_ptr().cast_mut()),
        retryable: error.is_retryable().into(),
        retry_after_seconds: error.retry_after_seconds().try_into().unwrap_or(i32::MAX),
        private_data: Box::into_raw(texts).cast(),
        release: Some(release_error),
    }
}

/// `Error` keeps no NUL, and JSON escapes it.
fn c_text(text: &str) -> CString {
    CString::new(text).unwrap_or_default()
}

unsafe extern "C" fn release_error(error: *mut DativoError) {
    // SAFETY: the host gives back what `give_error` made.
    unsafe {
        let error = &mut *error;
        if error.release.take().is_some() {
            drop(take_box::<Texts>(&mut error.private_data));
            (error.code, error.message, error.details) = (null_mut(), null_mut(), null_mut());
        }
    }
}

/// Take back a box from a struct's `private_data`.
///
/// # Safety
///
/// `private_data` is NULL or came from `Box::<T>::into_raw`, and is not used after.
pub(crate) unsafe fn take_box<T>(private_data: &mut *mut c_void) -> Option<Box<T>> {
    let pointer = std::mem::replace(private_data, null_mut()).cast::<T>();
    // SAFETY: the caller says so.
    (!pointer.is_null()).then(|| unsafe { Box::from_raw(pointer) })
}
