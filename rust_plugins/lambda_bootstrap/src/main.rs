//! Runs native plugins in AWS Lambda: the program `bootstrap` of `provided.al2023` and `provided.al2`.
//!
//! One invocation is one verb of one plugin, as `dativo_ingest/functions` says. The library is loaded once and serves
//! every invocation of its sandbox; each has an instance of its own.

#![deny(unsafe_code)]

mod carried;
mod checksum;
mod compact;
mod cut;
mod failure;
mod host;
mod http;
mod invocation;
mod logs;
mod pieces;
mod printed;
mod request;
mod size;
mod staging;
mod unpacked;
mod verbs;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use dativo_plugin::{Error, Result};

use crate::host::Library;
use crate::http::RuntimeApi;

fn main() -> ExitCode {
    let Ok(address) = std::env::var("AWS_LAMBDA_RUNTIME_API") else {
        eprintln!("AWS_LAMBDA_RUNTIME_API is not set: this program is the bootstrap of an AWS Lambda function");
        return ExitCode::FAILURE;
    };
    let Err(error) = serve(&RuntimeApi::new(&address));
    eprintln!("{error}");
    ExitCode::FAILURE
}

/// Answer invocations until the sandbox is frozen for good. A library that cannot be loaded is told to each of them:
/// an answer has room for a code and for what to do, an error of the initialisation has not.
fn serve(api: &RuntimeApi) -> Result<std::convert::Infallible> {
    let handler = match library_path() {
        Ok(path) => path,
        Err(error) => {
            api.init_error(&error)?;
            return Err(error);
        }
    };
    let library = Library::load(&handler);
    loop {
        let next = api.next()?;
        invocation::answer(&library, &next, api)?;
    }
}

/// Give the library that the handler names: `libx.so:create_reader`, below the folder of the function's code.
fn library_path() -> Result<PathBuf> {
    let variable = |name: &str| std::env::var(name).map_err(|_| Error::config(format!("{name} is not set")));
    Ok(below(Path::new(&variable("LAMBDA_TASK_ROOT")?), &variable("_HANDLER")?))
}

fn below(root: &Path, handler: &str) -> PathBuf {
    root.join(handler.split_once(':').map_or(handler, |(library, _)| library))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_names_a_library_of_the_package() {
        assert_eq!(below(Path::new("/var/task"), "lib/libx.so:create_reader"), Path::new("/var/task/lib/libx.so"));
        assert_eq!(below(Path::new("/var/task"), "libx.so"), Path::new("/var/task/libx.so"));
    }
}
