//! From bytes to a request (RFC 9112), with limits.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use super::range::Range;
use super::response::Status;

/// The longest request head in bytes.
const MAX_HEAD: usize = 8 * 1024;
/// The most header lines.
const MAX_HEADERS: usize = 64;

/// How long a request head may take, however often a byte of it comes.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// What is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
}

/// A request that may be answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: Method,
    /// The path as it was sent: percent-encoded, without query.
    pub(super) path: String,
    pub(super) range: Option<Range>,
    pub(super) keep_alive: bool,
}

/// What a connection gave.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    Request(Request),
    /// Something to be refused with this status; the connection is closed then, since where the
    /// next request begins is not known.
    Refused(Status),
    /// The peer closed, or was silent, between requests.
    Closed,
}

/// Reads requests from a connection; what was read beyond one is the next one's.
#[derive(Default)]
pub(super) struct Reader {
    buffer: Vec<u8>,
    /// When the first byte of the head in `buffer` came.
    begun: Option<Instant>,
}

impl Reader {
    /// The next request.
    pub(super) fn next(&mut self, stream: &mut impl Read) -> io::Result<Incoming> {
        loop {
            match parse(&self.buffer) {
                Parsed::Partial => {}
                Parsed::Refused(status) => return Ok(Incoming::Refused(status)),
                Parsed::Whole(request, len) => {
                    self.buffer.drain(..len);
                    self.begun = None;
                    return Ok(Incoming::Request(request));
                }
            }
            if self.buffer.len() >= MAX_HEAD {
                return Ok(Incoming::Refused(Status::HeaderFieldsTooLarge));
            }
            if self.begun.is_some_and(|begun| begun.elapsed() > HEAD_TIME) {
                return Ok(Incoming::Refused(Status::RequestTimeout));
            }
            let mut chunk = [0; 2048];
            let room = chunk.len().min(MAX_HEAD - self.buffer.len());
            match stream.read(&mut chunk[..room]) {
                Ok(0) if self.buffer.is_empty() => return Ok(Incoming::Closed),
                Ok(0) => return Ok(Incoming::Refused(Status::BadRequest)),
                Ok(len) => {
                    self.begun.get_or_insert_with(Instant::now);
                    self.buffer.extend_from_slice(&chunk[..len]);
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if is_timeout(&e) && self.buffer.is_empty() => return Ok(Incoming::Closed),
                Err(e) if is_timeout(&e) => {
                    return Ok(Incoming::Refused(Status::RequestTimeout));
                }
                Err(e) => return Err(e),
            }
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

enum Parsed {
    Partial,
    Refused(Status),
    Whole(Request, usize),
}

fn parse(bytes: &[u8]) -> Parsed {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let len = match head.parse(bytes) {
        Ok(httparse::Status::Complete(len)) => len,
        Ok(httparse::Status::Partial) => return Parsed::Partial,
        Err(httparse::Error::TooManyHeaders) => {
            return Parsed::Refused(Status::HeaderFieldsTooLarge);
        }
        Err(_) => return Parsed::Refused(Status::BadRequest),
    };
    let (Some(method), Some(target), Some(version)) = (head.method, head.path, head.version) else {
        return Parsed::Refused(Status::BadRequest);
    };
    let all = |name: &str| -> Vec<&[u8]> {
        let same = head.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        same.map(|header| header.value).collect()
    };
    // RFC 9112 §3.2: exactly one Host in HTTP/1.1.
    let hosts = all("host").len();
    if hosts > 1 || (version == 1 && hosts == 0) {
        return Parsed::Refused(Status::BadRequest);
    }
    let method = match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        _ => return Parsed::Refused(Status::MethodNotAllowed),
    };
    // A body has no meaning here (RFC 9110 §9.3.1), and reading past it is where requests are
    // smuggled (RFC 9112 §11.2): no.
    let has_body = !all("transfer-encoding").is_empty()
        || all("content-length").iter().any(|value| value.trim_ascii() != b"0");
    if has_body {
        return Parsed::Refused(Status::BadRequest);
    }
    let Some(path) = path_of(target) else { return Parsed::Refused(Status::BadRequest) };
    let says = |token: &str| {
        let lists = all("connection");
        let mut tokens = lists.iter().flat_map(|value| value.split(|&byte| byte == b','));
        tokens.any(|word| word.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    };
    // RFC 9112 §9.3.
    let keep_alive = !says("close") && (version == 1 || says("keep-alive"));
    // RFC 9110 §13.1.5: nothing here can match an If-Range, so that the whole is sent.
    let range = match (method, all("range")[..].first(), all("if-range").is_empty()) {
        (Method::Get, Some(value), true) => Range::parse(value),
        _ => None,
    };
    Parsed::Whole(Request { method, path, range, keep_alive }, len)
}

/// The path of a request target in origin form or, as RFC 9112 §3.2.2 asks of a server, in
/// absolute form.
fn path_of(target: &str) -> Option<String> {
    let after_scheme = || {
        let (scheme, rest) = target.split_once("://")?;
        scheme.eq_ignore_ascii_case("http").then_some(())?;
        Some(rest.find('/').map_or("/", |slash| &rest[slash..]))
    };
    let path = if target.starts_with('/') { target } else { after_scheme()? };
    Some(path.split(['?', '#']).next()?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Incoming {
        Reader::default().next(&mut text.as_bytes()).unwrap()
    }

    fn request(text: &str) -> Request {
        match one(text) {
            Incoming::Request(request) => request,
            other => panic!("{text:?} gave {other:?}"),
        }
    }

    #[test]
    fn forms_and_versions() {
        let plain = request("GET /a%20b?x=1 HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_eq!(plain.path, "/a%20b");
        assert!(plain.keep_alive && plain.method == Method::Get && plain.range.is_none());
        assert_eq!(request("GET http://h:80/x HTTP/1.1\r\nHost: h\r\n\r\n").path, "/x");
        assert_eq!(request("GET http://h HTTP/1.1\r\nHost: h\r\n\r\n").path, "/");
        assert!(!request("HEAD / HTTP/1.0\r\n\r\n").keep_alive);
        assert!(request("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
        let closes = "GET / HTTP/1.1\r\nHost: h\r\nConnection: TE, close\r\n\r\n";
        assert!(!request(closes).keep_alive);
    }

    #[test]
    fn refusals() {
        let bad = [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET * HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET ftp://x/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "nonsense\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HT",
        ];
        for text in bad {
            assert_eq!(one(text), Incoming::Refused(Status::BadRequest), "{text:?}");
        }
        let post = "POST / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(one(post), Incoming::Refused(Status::MethodNotAllowed));
        assert_eq!(one(""), Incoming::Closed);
    }

    #[test]
    fn a_head_has_a_limit() {
        let long = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(MAX_HEAD));
        assert_eq!(one(&long), Incoming::Refused(Status::HeaderFieldsTooLarge));
        let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(MAX_HEADERS));
        assert_eq!(one(&many), Incoming::Refused(Status::HeaderFieldsTooLarge));
    }

    #[test]
    fn requests_in_a_row_share_a_connection() {
        let text = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut stream = text.as_bytes();
        let mut reader = Reader::default();
        for path in ["/1", "/2"] {
            match reader.next(&mut stream).unwrap() {
                Incoming::Request(request) => assert_eq!(request.path, path),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(reader.next(&mut stream).unwrap(), Incoming::Closed);
    }

    #[test]
    fn a_head_that_trickles_in_for_ever_is_given_up() {
        let begun = Instant::now().checked_sub(HEAD_TIME + Duration::from_secs(1));
        let mut reader = Reader { buffer: b"GET / HT".to_vec(), begun };
        let incoming = reader.next(&mut &b"TP/1.1\r\n"[..]).unwrap();
        assert_eq!(incoming, Incoming::Refused(Status::RequestTimeout));
    }

    #[test]
    fn silence_ends_a_connection_with_a_word_where_a_request_had_begun() {
        struct Silent<'a>(&'a [u8]);
        impl Read for Silent<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                match self.0.read(buffer)? {
                    0 => Err(io::ErrorKind::WouldBlock.into()),
                    len => Ok(len),
                }
            }
        }
        let after = |begun: &str| Reader::default().next(&mut Silent(begun.as_bytes())).unwrap();
        assert_eq!(after(""), Incoming::Closed);
        assert_eq!(after("GET / HTTP/1.1\r\n"), Incoming::Refused(Status::RequestTimeout));
    }
}
