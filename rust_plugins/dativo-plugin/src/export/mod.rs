//! A reader and a writer in Rust as a library with the C ABI. Authors only see [`export!`](crate::export!).
//!
//! One file for each struct of the header. Every function that the host calls runs inside [`guard::guard`].

mod border;
mod guard;
mod instance;
mod library;
mod reading;
mod unused;

pub use library::{About, init};
pub use unused::{NoReader, NoWriter};

/// Export a [`Reader`](crate::Reader), a [`Writer`](crate::Writer) or both as the plugin that this crate builds.
///
/// The crate itself may forbid `unsafe`, in any edition from 2021 on:
///
/// ```edition2021
/// #![forbid(unsafe_code)]
/// use dativo_plugin::{Progress, Reader, ReaderConfig, Reading, Result, Stream, Unit};
///
/// struct Nothing;
///
/// impl Reader for Nothing {
///     fn open(_: ReaderConfig) -> Result<Self> {
///         Ok(Nothing)
///     }
///     fn read(&mut self, _: &Stream, _: &Unit, _: Progress) -> Result<Reading> {
///         Ok(Vec::new().into())
///     }
/// }
///
/// dativo_plugin::export!(reader = Nothing);
/// # fn main() {}
/// ```
///
/// ```edition2024
/// #![forbid(unsafe_code, missing_docs)]
/// //! A plugin that takes everything.
/// use dativo_plugin::{Cancel, DataFile, Result, RowStream, WriteRequest, Writer, WriterConfig};
///
/// struct Everything;
///
/// impl Writer for Everything {
///     fn open(_: WriterConfig) -> Result<Self> {
///         Ok(Everything)
///     }
///     fn write(&mut self, rows: RowStream, _: &WriteRequest, _: &Cancel) -> Result<Vec<DataFile>> {
///         rows.map(|batch| batch.map(|_| DataFile::default())).collect()
///     }
/// }
///
/// dativo_plugin::export!(writer = Everything);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export {
    (reader = $reader:ty $(,)?) => {
        $crate::export!(@library $reader, $crate::export::NoWriter);
    };
    (writer = $writer:ty $(,)?) => {
        $crate::export!(@library $crate::export::NoReader, $writer);
    };
    (reader = $reader:ty, writer = $writer:ty $(,)?) => {
        $crate::export!(@library $reader, $writer);
    };
    (@library $reader:ty, $writer:ty) => {
        const _: () = {
            /// Fill the table of this plugin; the host calls it first.
            ///
            /// # Safety
            ///
            /// The pointers are as `dativo_plugin.h` says.
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn dativo_plugin_init(
                version: u32,
                plugin: *mut $crate::abi::DativoPlugin,
                error: *mut $crate::abi::DativoError,
            ) -> $crate::abi::DativoStatus {
                static ABOUT: $crate::export::About =
                    $crate::export::About { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") };
                // SAFETY: the host keeps to the header, and `init` is the function that it describes.
                unsafe { $crate::export::init::<$reader, $writer>(&ABOUT, version, plugin, error) }
            }
        };
    };
}
