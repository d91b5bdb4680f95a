//! One small runtime for all stores of the process: object stores are asynchronous, plugins are not.

use std::future::Future;
use std::sync::OnceLock;

use dativo_plugin::{Error, Result};
use tokio::runtime::{Builder, Runtime};

static RUNTIME: OnceLock<Runtime> = OnceLock::new();

/// Give the runtime; it is made when the first bucket is opened and lives as long as the process.
pub(crate) fn runtime() -> Result<&'static Runtime> {
    if let Some(there) = RUNTIME.get() {
        return Ok(there);
    }
    let made = Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("dativo-storage")
        .enable_all()
        .build()
        .map_err(|error| Error::from(error).context("threads for the object store"))?;
    Ok(RUNTIME.get_or_init(|| made))
}

/// Run a future to its end, in the thread that calls.
pub(crate) fn wait<F: Future>(future: F) -> Result<F::Output> {
    Ok(runtime()?.block_on(future))
}
