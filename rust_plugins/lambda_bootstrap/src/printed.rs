//! What a library prints during an invocation, line by line.

use std::ffi::c_int;
use std::io::{BufRead, BufReader, PipeReader, Read, Result};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

const STANDARD: [c_int; 2] = [libc::STDOUT_FILENO, libc::STDERR_FILENO];
const LONGEST_LINE: u64 = 4096;
/// How many lines are kept; a log has no room for more.
const MOST_LINES: usize = 8192;
/// How long the last lines are waited for: a process that the plugin left may hold the pipe.
const FINISH: Duration = Duration::from_secs(1);

/// Standard output and error of this process, caught until `end`.
#[derive(Debug)]
pub(crate) struct Printed {
    own: [OwnedFd; 2],
    lines: Receiver<String>,
}

impl Printed {
    /// Catch what is printed from now on.
    pub(crate) fn catch() -> Result<Self> {
        let (reader, writer) = std::io::pipe()?;
        let own = [duplicate(STANDARD[0])?, duplicate(STANDARD[1])?];
        for number in STANDARD {
            replace(number, writer.as_raw_fd())?;
        }
        let (sender, lines) = channel();
        thread::spawn(move || {
            let mut sent = 0;
            // What is too much is still read: a plugin must not wait for a full pipe.
            each_line(reader, |line| {
                sent += 1;
                sent > MOST_LINES || sender.send(line).is_ok()
            });
        });
        Ok(Self { own, lines })
    }

    /// Print to where it was before, and give what was printed.
    pub(crate) fn end(self) -> Vec<String> {
        flush();
        for (number, own) in STANDARD.into_iter().zip(&self.own) {
            if let Err(error) = replace(number, own.as_raw_fd()) {
                eprintln!("what is printed cannot be given back its place: {error}");
            }
        }
        let (end, mut found) = (Instant::now() + FINISH, Vec::new());
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            found.push(line);
        }
        found
    }
}

/// Take lines until nobody holds the other end; a line that has no end is cut.
fn each_line(from: PipeReader, mut take: impl FnMut(String) -> bool) {
    let mut from = BufReader::new(from);
    loop {
        let mut line = Vec::new();
        match from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {
                let text = String::from_utf8_lossy(&line);
                if !text.trim_end().is_empty() && !take(text.trim_end().to_owned()) {
                    return;
                }
            }
        }
    }
}

#[allow(unsafe_code)]
fn duplicate(number: c_int) -> Result<OwnedFd> {
    // SAFETY: a number that is not open gives an error.
    let made = unsafe { libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3) };
    if made == -1 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: it is new, and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(made) })
}

#[allow(unsafe_code)]
fn replace(number: c_int, by: c_int) -> Result<()> {
    // SAFETY: both are open, and `number` is one that nobody owns.
    if unsafe { libc::dup2(by, number) } == -1 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// Have C's standard library write what it holds back.
#[allow(unsafe_code)]
fn flush() {
    // SAFETY: no stream is every stream.
    unsafe { libc::fflush(ptr::null_mut()) };
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn lines_are_cut_and_empty_ones_left_out() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let long = "x".repeat(5000);
        write!(writer, "one\n\n{long}\nlast").unwrap();
        drop(writer);
        let mut lines = Vec::new();
        each_line(reader, |line| {
            lines.push(line);
            true
        });
        assert_eq!(lines, ["one", &long[..4096], &long[4096..], "last"]);
    }
}
