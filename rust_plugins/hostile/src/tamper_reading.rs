//! A reading that the SDK made, or one of its streams, broken where the fault says.

use std::ffi::{c_char, c_int};
use std::sync::OnceLock;

use arrow::datatypes::{DataType, Field, Schema};
use arrow::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow::ffi_stream::FFI_ArrowArrayStream;
use dativo_plugin::abi::{DATIVO_OK, DativoError, DativoInstance, DativoReading, DativoStatus, Next, Read};

use crate::fault::Fault;

/// The SDK's own functions, which are the same for all instances of this library.
static READ: OnceLock<Read> = OnceLock::new();
static NEXT: OnceLock<Next> = OnceLock::new();

/// Break the reading that an instance will give.
pub(crate) fn instance(instance: &mut DativoInstance, fault: Fault) {
    let Some(sdk) = instance.read else { return };
    let broken: Read = match fault {
        Fault::NullNext => read::<NULL_NEXT>,
        Fault::NullStream => read::<NULL_STREAM>,
        Fault::NullGetSchema => read::<NULL_GET_SCHEMA>,
        Fault::NullGetNext => read::<NULL_GET_NEXT>,
        Fault::NullLastError => read::<NULL_LAST_ERROR>,
        Fault::WrongBatch => read::<WRONG_BATCH>,
        Fault::ErrorThenData => read::<ERROR_THEN_DATA>,
        _ => return,
    };
    READ.get_or_init(|| sdk);
    instance.read = Some(broken);
}

const NULL_NEXT: u8 = Fault::NullNext as u8;
const NULL_STREAM: u8 = Fault::NullStream as u8;
const NULL_GET_SCHEMA: u8 = Fault::NullGetSchema as u8;
const NULL_GET_NEXT: u8 = Fault::NullGetNext as u8;
const NULL_LAST_ERROR: u8 = Fault::NullLastError as u8;
const WRONG_BATCH: u8 = Fault::WrongBatch as u8;
const ERROR_THEN_DATA: u8 = Fault::ErrorThenData as u8;

unsafe extern "C" fn read<const FAULT: u8>(
    instance: *mut DativoInstance,
    text: *const c_char,
    length: u64,
    out: *mut DativoReading,
    error: *mut DativoError,
) -> DativoStatus {
    // SAFETY: the host keeps to the header, and so does the SDK.
    unsafe {
        let status = READ.wait()(instance, text, length, out, error);
        if status == DATIVO_OK {
            NEXT.get_or_init(|| (*out).next.expect("the SDK fills its reading"));
            (*out).next = if FAULT == NULL_NEXT { None } else { Some(next::<FAULT>) };
            if FAULT == NULL_LAST_ERROR {
                (*out).last_error = None;
            }
        }
        status
    }
}

unsafe extern "C" fn next<const FAULT: u8>(
    reading: *mut DativoReading,
    out: *mut FFI_ArrowArrayStream,
    error: *mut DativoError,
) -> DativoStatus {
    // SAFETY: the host keeps to the header, and so does the SDK.
    unsafe {
        let status = NEXT.wait()(reading, out, error);
        if status == DATIVO_OK {
            let inner = FFI_ArrowArrayStream::from_raw(out);
            out.write(if FAULT == NULL_STREAM { FFI_ArrowArrayStream::empty() } else { broken::<FAULT>(inner) });
        }
        status
    }
}

/// A stream of the SDK's inside one of ours.
struct Wrapped {
    inner: FFI_ArrowArrayStream,
    calls: u64,
}

fn broken<const FAULT: u8>(inner: FFI_ArrowArrayStream) -> FFI_ArrowArrayStream {
    let wrapped = Box::into_raw(Box::new(Wrapped { inner, calls: 0 }));
    // SAFETY: the functions fit the struct, which is why what they answer can be wrong in peace.
    unsafe {
        FFI_ArrowArrayStream::new_unchecked(
            if FAULT == NULL_GET_SCHEMA { None } else { Some(get_schema::<FAULT>) },
            if FAULT == NULL_GET_NEXT { None } else { Some(get_next::<FAULT>) },
            if FAULT == NULL_LAST_ERROR { None } else { Some(get_last_error) },
            Some(release),
            wrapped.cast(),
        )
    }
}

unsafe fn wrapped<'a>(stream: *mut FFI_ArrowArrayStream) -> &'a mut Wrapped {
    // SAFETY: `broken` made the stream.
    unsafe { &mut *(*stream).private_data().cast() }
}

unsafe extern "C" fn get_schema<const FAULT: u8>(
    stream: *mut FFI_ArrowArrayStream,
    out: *mut FFI_ArrowSchema,
) -> c_int {
    // SAFETY: the host keeps to Arrow's specification, and so does the SDK.
    unsafe {
        if FAULT == WRONG_BATCH {
            let fields = ["one", "two", "three", "four", "five"].map(|name| Field::new(name, DataType::Utf8, true));
            out.write(FFI_ArrowSchema::try_from(Schema::new(fields.to_vec())).expect("texts have a C type"));
            return 0;
        }
        let inner = &mut wrapped(stream).inner;
        inner.get_schema().expect("the SDK fills its stream")(inner, out)
    }
}

unsafe extern "C" fn get_next<const FAULT: u8>(stream: *mut FFI_ArrowArrayStream, out: *mut FFI_ArrowArray) -> c_int {
    // SAFETY: the host keeps to Arrow's specification, and so does the SDK.
    unsafe {
        let Wrapped { inner, calls } = wrapped(stream);
        *calls += 1;
        if FAULT == ERROR_THEN_DATA && *calls == 2 {
            return libc::EIO;
        }
        inner.get_next().expect("the SDK fills its stream")(inner, out)
    }
}

unsafe extern "C" fn get_last_error(stream: *mut FFI_ArrowArrayStream) -> *const c_char {
    // SAFETY: the host keeps to Arrow's specification, and so does the SDK.
    unsafe {
        let inner = &mut wrapped(stream).inner;
        inner.get_last_error().expect("the SDK fills its stream")(inner)
    }
}

unsafe extern "C" fn release(stream: *mut FFI_ArrowArrayStream) {
    // SAFETY: `broken` made the stream; dropping the inner one releases it.
    unsafe {
        drop(Box::from_raw((*stream).private_data().cast::<Wrapped>()));
        (*stream).set_release(None);
    }
}
