//! Heads of responses, and the short bodies of those that are no file (RFC 9110 §15).

use std::fmt::Write as _;
use std::io::{self, Write};

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    PartialContent,
    MovedPermanently,
    BadRequest,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    RequestTimeout,
    RangeNotSatisfiable,
    HeaderFieldsTooLarge,
    ServerError,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Status::Ok => "200 OK",
            Status::PartialContent => "206 Partial Content",
            Status::MovedPermanently => "301 Moved Permanently",
            Status::BadRequest => "400 Bad Request",
            Status::Forbidden => "403 Forbidden",
            Status::NotFound => "404 Not Found",
            Status::MethodNotAllowed => "405 Method Not Allowed",
            Status::RequestTimeout => "408 Request Timeout",
            Status::RangeNotSatisfiable => "416 Range Not Satisfiable",
            Status::HeaderFieldsTooLarge => "431 Request Header Fields Too Large",
            Status::ServerError => "500 Internal Server Error",
        }
    }
}

/// A head; the body follows from whoever writes it.
pub(super) struct Head(String);

impl Head {
    /// A response whose body has `len` bytes.
    pub(super) fn new(status: Status, len: u64) -> Head {
        let mut head = Head(format!("HTTP/1.1 {}\r\n", status.line()));
        head = head.field("Content-Length", len);
        if status == Status::MethodNotAllowed {
            head = head.field("Allow", "GET, HEAD");
        }
        head
    }

    /// One field more. `value` comes from this program or was encoded: it has no line ends.
    pub(super) fn field(mut self, name: &str, value: impl std::fmt::Display) -> Head {
        // Writing into a String cannot fail.
        let _ = write!(self.0, "{name}: {value}\r\n");
        self
    }

    /// Writes the head, and says whether the connection stays.
    pub(super) fn write(self, out: &mut impl Write, keep_alive: bool) -> io::Result<()> {
        let Head(mut text) =
            self.field("Connection", if keep_alive { "keep-alive" } else { "close" });
        text.push_str("\r\n");
        out.write_all(text.as_bytes())
    }
}

/// Writes a whole response that says nothing but its status.
pub(super) fn plain(
    out: &mut impl Write,
    status: Status,
    extra: &[(&str, String)],
    with_body: bool,
    keep_alive: bool,
) -> io::Result<()> {
    let body = format!("{}\n", status.line());
    let mut head = Head::new(status, body.len() as u64).field("Content-Type", "text/plain");
    for (name, value) in extra {
        head = head.field(name, value);
    }
    head.write(out, keep_alive)?;
    if with_body { out.write_all(body.as_bytes()) } else { Ok(()) }
}
