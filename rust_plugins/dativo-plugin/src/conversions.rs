//! Errors of the system, of Arrow and of JSON as ours, so that `?` gives the code that helps.

use std::io::ErrorKind;

use arrow::error::ArrowError;

use crate::Error;

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        let message = error.to_string();
        match error.kind() {
            ErrorKind::NotFound => Self::not_found(message),
            ErrorKind::PermissionDenied => Self::access(message),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::new("STORAGE_FULL", message),
            ErrorKind::TimedOut | ErrorKind::Interrupted | ErrorKind::WouldBlock => Self::transient(message),
            kind if is_network(kind) => Self::connection(message),
            _ => Self::plugin(message),
        }
    }
}

fn is_network(kind: ErrorKind) -> bool {
    use ErrorKind::{
        AddrNotAvailable, BrokenPipe, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable,
        NetworkDown, NetworkUnreachable, NotConnected,
    };
    matches!(
        kind,
        AddrNotAvailable
            | BrokenPipe
            | ConnectionAborted
            | ConnectionRefused
            | ConnectionReset
            | HostUnreachable
            | NetworkDown
            | NetworkUnreachable
            | NotConnected
    )
}

impl From<ArrowError> for Error {
    fn from(error: ArrowError) -> Self {
        match error {
            ArrowError::ExternalError(inner) => match inner.downcast::<Self>() {
                Ok(ours) => *ours,
                Err(other) => Self::plugin(other.to_string()),
            },
            ArrowError::IoError(message, cause) => Self::from(cause).context(message),
            other => Self::plugin(other.to_string()),
        }
    }
}

impl From<Error> for ArrowError {
    fn from(error: Error) -> Self {
        Self::ExternalError(Box::new(error))
    }
}

/// JSON that does not fit: says where, not what it holds.
impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        if error.is_io() {
            return Self::from(std::io::Error::from(error));
        }
        let what = if error.is_data() { "does not have the expected shape" } else { "is not valid" };
        Self::data(format!("JSON {what} at line {}, column {}", error.line(), error.column()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_its_way_through_arrow() {
        let error = Error::auth("no").detail("user", "me").context("orders");
        assert_eq!(Error::from(ArrowError::from(error.clone())), error);
        assert_eq!(error.message(), "orders: no");
    }

    #[test]
    fn errors_of_the_system_get_the_code_that_helps() {
        let code = |kind: ErrorKind| Error::from(std::io::Error::from(kind)).code().to_owned();
        assert_eq!(code(ErrorKind::NotFound), "FILE_NOT_FOUND");
        assert_eq!(code(ErrorKind::PermissionDenied), "ACCESS_DENIED");
        assert_eq!(code(ErrorKind::ConnectionReset), "CONNECTION_FAILED");
        assert_eq!(code(ErrorKind::TimedOut), "TRANSIENT_ERROR");
        assert_eq!(code(ErrorKind::Other), "PLUGIN_ERROR");
        let io = ArrowError::IoError("part 1".into(), std::io::Error::from(ErrorKind::NotFound));
        assert_eq!(Error::from(io).message(), "part 1: entity not found");
    }

    #[test]
    fn json_that_does_not_fit_is_never_quoted() {
        let error = Error::from(serde_json::from_str::<u8>("\"hunter2\"").unwrap_err());
        assert_eq!(error.message(), "JSON does not have the expected shape at line 1, column 9");
    }
}
