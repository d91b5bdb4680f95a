//! An instance that the SDK made, broken where the fault says.

use std::ffi::{CString, c_char};
use std::ptr::null_mut;

use dativo_plugin::abi::{
    Ask, DATIVO_ERROR, DATIVO_OK, DativoError, DativoInstance, DativoJson, DativoReading, DativoStatus,
};

use crate::fault::Fault;
use crate::tamper_reading;

/// Break an instance.
pub(crate) fn instance(instance: &mut DativoInstance, fault: Fault) {
    match fault {
        Fault::NullSlots => {
            (instance.check, instance.discover, instance.read, instance.write) = (None, None, None, None);
        }
        Fault::InvalidUtf8 => answer_with(instance, invalid_utf8),
        Fault::InvalidJson => answer_with(instance, invalid_json),
        Fault::WrongJson => answer_with(instance, wrong_json),
        Fault::ErrorWithoutMessage => answer_with(instance, without_message),
        Fault::UnknownStatus => answer_with(instance, unknown_status),
        Fault::DoubleRelease => instance.release = Some(release_twice),
        Fault::NullReading => instance.read = Some(null_reading),
        other => tamper_reading::instance(instance, other),
    }
}

fn answer_with(instance: &mut DativoInstance, answer: Ask) {
    (instance.check, instance.discover, instance.commit) = (Some(answer), Some(answer), Some(answer));
    instance.estimate = Some(answer);
}

macro_rules! answers {
    ($($name:ident = $text:literal;)*) => {$(
        unsafe extern "C" fn $name(
            _: *mut DativoInstance,
            _: *const c_char,
            _: u64,
            out: *mut DativoJson,
            _: *mut DativoError,
        ) -> DativoStatus {
            const TEXT: &[u8] = $text;
            // SAFETY: the host gives room for the answer.
            unsafe {
                (*out).data = TEXT.as_ptr().cast();
                (*out).length = TEXT.len() as u64;
                (*out).release = Some(release_nothing);
            }
            DATIVO_OK
        }
    )*};
}

answers! {
    invalid_utf8 = b"{\"passed\": true, \"message\": \"caf\xe9\", \"streams\": []}";
    invalid_json = b"{\"passed\": tru";
    wrong_json = b"[1, 2, 3]";
}

unsafe extern "C" fn release_nothing(json: *mut DativoJson) {
    // SAFETY: the host gives what it was given.
    unsafe { (*json).release = None };
}

unsafe extern "C" fn without_message(
    _: *mut DativoInstance,
    _: *const c_char,
    _: u64,
    _: *mut DativoJson,
    error: *mut DativoError,
) -> DativoStatus {
    // SAFETY: the host gives room for the error.
    unsafe {
        (*error).code = CString::from(c"HOSTILE").into_raw();
        (*error).message = null_mut();
        (*error).release = Some(release_code);
    }
    DATIVO_ERROR
}

unsafe extern "C" fn release_code(error: *mut DativoError) {
    // SAFETY: `without_message` made it.
    unsafe {
        drop(CString::from_raw((*error).code));
        (*error).release = None;
    }
}

unsafe extern "C" fn unknown_status(
    _: *mut DativoInstance,
    _: *const c_char,
    _: u64,
    _: *mut DativoJson,
    _: *mut DativoError,
) -> DativoStatus {
    77
}

unsafe extern "C" fn null_reading(
    _: *mut DativoInstance,
    _: *const c_char,
    _: u64,
    _: *mut DativoReading,
    _: *mut DativoError,
) -> DativoStatus {
    DATIVO_OK
}

/// Free one block of memory twice; the allocator ends the process, or worse.
unsafe extern "C" fn release_twice(instance: *mut DativoInstance) {
    // SAFETY: there is none.
    unsafe {
        (*instance).release = None;
        let block = std::hint::black_box(libc::malloc(64));
        libc::free(block);
        libc::free(std::hint::black_box(block));
    }
}
