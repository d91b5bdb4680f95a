//! Where panics end: each becomes an error with message and place, and what panicked is not called again.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};

use crate::{Error, Result};

/// Whether an instance has panicked; shared with its readings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Poison(Arc<AtomicBool>);

/// Run what an author wrote.
pub(crate) fn guard<T>(poison: &Poison, call: impl FnOnce() -> Result<T>) -> Result<T> {
    if poison.0.load(Ordering::Acquire) {
        return Err(Error::new("PLUGIN_POISONED", "the plugin panicked before; open it anew"));
    }
    caught(call).unwrap_or_else(|why| {
        poison.0.store(true, Ordering::Release);
        Err(Error::new("PLUGIN_PANIC", format!("the plugin panicked{why}")))
    })
}

/// Drop what an author made. A panic has nobody to tell: whoever releases gets no answer.
pub(crate) fn discard<T>(value: T) {
    let _ = caught(|| drop(value));
}

/// Something of an author's that may panic even when it is dropped.
pub(crate) struct Guarded<T>(Option<T>);

impl<T> Guarded<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }

    pub(crate) fn get(&mut self) -> Option<&mut T> {
        self.0.as_mut()
    }

    pub(crate) fn discard(&mut self) {
        discard(self.0.take());
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        self.discard();
    }
}

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Give what the call gives, or ` at file:line:column: message` of its panic.
fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    note_places();
    let outside = INSIDE.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(call));
    INSIDE.set(outside);
    outcome.map_err(|payload| {
        let place = PLACE.take().map(|place| format!(" at {place}")).unwrap_or_default();
        format!("{place}: {}", message(payload))
    })
}

fn message(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => match payload.downcast::<&'static str>() {
            Ok(text) => (*text).to_owned(),
            Err(unknown) => {
                drop_payload(unknown);
                "without a message".to_owned()
            }
        },
    }
}

/// What somebody threw may throw when it is dropped.
fn drop_payload(mut payload: Box<dyn Any + Send>) {
    while let Err(next) = catch_unwind(AssertUnwindSafe(move || drop(payload))) {
        payload = next;
    }
}

/// The place of a panic is only told to the hook. Panics that become errors are not also printed.
fn note_places() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| if INSIDE.get() { note(info) } else { before(info) }));
    });
}

fn note(info: &PanicHookInfo<'_>) {
    PLACE.set(info.location().map(ToString::to_string));
}
