//! Texts over the border: NUL-terminated, and given back to whoever made them.

use std::ffi::{CStr, CString, c_char};
use std::ptr::null;

/// Read the host's text; none when it is NULL or no UTF-8.
///
/// # Safety
///
/// `text` is NULL or points to a NUL-terminated text that outlives the answer.
pub(crate) unsafe fn text<'a>(text: *const c_char) -> Option<&'a str> {
    // SAFETY: the caller says so.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })?.to_str().ok()
}

/// Give a text to the host, which calls `free_string` with it.
pub(crate) fn give(bytes: Vec<u8>) -> *const c_char {
    CString::new(bytes).map_or(null(), |text| text.into_raw().cast_const())
}

/// Free a text that this library gave.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn free_string(text: *mut c_char) {
    if !text.is_null() {
        // SAFETY: the host gives back what `give` gave.
        drop(unsafe { CString::from_raw(text) });
    }
}
