//! The Runtime API of Lambda: HTTP/1.1 on the loopback of the sandbox.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dativo_plugin::{Error, Result};
use serde_json::{Value, json};

const VERSION: &str = "/2018-06-01/runtime";

/// An invocation as Lambda gives it.
#[derive(Debug)]
pub(crate) struct Next {
    pub(crate) id: String,
    /// When Lambda ends the sandbox.
    pub(crate) deadline: Option<SystemTime>,
    pub(crate) payload: Vec<u8>,
}

/// What a server answered.
#[derive(Debug)]
struct Response {
    status: u16,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

/// The server that gives invocations and takes their answers.
#[derive(Debug)]
pub(crate) struct RuntimeApi {
    address: String,
}

impl RuntimeApi {
    pub(crate) fn new(address: &str) -> Self {
        Self { address: address.to_owned() }
    }

    /// Wait for the next invocation, for as long as it takes.
    pub(crate) fn next(&self) -> Result<Next> {
        let got = self.call("GET", "/invocation/next", &[])?;
        let header = |name: &str| got.headers.get(name).map(String::as_str);
        let id = header("lambda-runtime-aws-request-id").ok_or_else(|| broken("an invocation without an id"))?;
        let deadline = header("lambda-runtime-deadline-ms").and_then(|text| text.parse().ok());
        let deadline = deadline.map(|milliseconds| UNIX_EPOCH + Duration::from_millis(milliseconds));
        Ok(Next { id: id.to_owned(), deadline, payload: got.body })
    }

    /// Give the answer of an invocation.
    pub(crate) fn respond(&self, id: &str, answer: &Value) -> Result<()> {
        self.post(&format!("/invocation/{id}/response"), answer)
    }

    /// Say that an invocation could not be answered at all.
    pub(crate) fn fail(&self, id: &str, error: &Error) -> Result<()> {
        self.post(&format!("/invocation/{id}/error"), &told(error))
    }

    /// Say that there will be no answers.
    pub(crate) fn init_error(&self, error: &Error) -> Result<()> {
        self.post("/init/error", &told(error))
    }

    fn post(&self, path: &str, body: &Value) -> Result<()> {
        self.call("POST", path, body.to_string().as_bytes()).map(|_| ())
    }

    fn call(&self, method: &str, path: &str, body: &[u8]) -> Result<Response> {
        let mut stream = TcpStream::connect(&self.address)?;
        let head = format!(
            "{method} {VERSION}{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let got = response(BufReader::new(stream))?;
        if (200..300).contains(&got.status) {
            return Ok(got);
        }
        Err(broken(&format!("{method} {path}: {} {}", got.status, String::from_utf8_lossy(&got.body))))
    }
}

fn told(error: &Error) -> Value {
    json!({ "errorType": error.code(), "errorMessage": error.to_string(), "stackTrace": [] })
}

fn broken(what: &str) -> Error {
    Error::plugin(format!("the Runtime API of Lambda: {what}"))
}

fn response(mut from: impl BufRead) -> Result<Response> {
    let status = line(&mut from)?;
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(|| broken("no status"))?;
    let mut headers = HashMap::new();
    loop {
        let text = line(&mut from)?;
        let Some((name, value)) = text.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = Vec::new();
    if headers.get("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        while chunk(&mut from, &mut body)? {}
    } else if let Some(length) = headers.get("content-length").and_then(|text| text.parse().ok()) {
        exactly(&mut from, length, &mut body)?;
    } else {
        from.read_to_end(&mut body)?;
    }
    Ok(Response { status, headers, body })
}

fn line(from: &mut impl BufRead) -> Result<String> {
    let mut text = String::new();
    from.read_line(&mut text)?;
    text.truncate(text.trim_end().len());
    Ok(text)
}

/// Add a chunk to the body; false when it was the last.
fn chunk(from: &mut impl BufRead, body: &mut Vec<u8>) -> Result<bool> {
    let head = line(from)?;
    let digits = head.split(';').next().unwrap_or_default().trim();
    let length = u64::from_str_radix(digits, 16).map_err(|_| broken("a chunk without a length"))?;
    exactly(from, length, body)?;
    line(from)?;
    Ok(length > 0)
}

fn exactly(from: &mut impl BufRead, length: u64, body: &mut Vec<u8>) -> Result<()> {
    if from.take(length).read_to_end(body)? as u64 == length { Ok(()) } else { Err(broken("an answer cut short")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_has_its_length_or_comes_in_chunks_or_ends_with_the_connection() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhellothere",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n",
            "HTTP/1.0 200 OK\r\n\r\nhello",
        ] {
            let got = response(text.as_bytes()).unwrap();
            assert_eq!((got.status, got.body.as_slice()), (200, b"hello".as_slice()), "{text}");
        }
    }

    #[test]
    fn an_answer_that_is_cut_short_is_an_error() {
        for text in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz",
        ] {
            assert!(response(text.as_bytes()).is_err(), "{text}");
        }
    }
}
