//! A small web server for one directory: GET and HEAD, one range, listings (RFC 9110, RFC 9112).
//!
//! It speaks over anything that reads and writes, so that its tests need no network.

mod listing;
mod range;
mod request;
mod response;
mod tree;

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use request::{Incoming, Method, Reader, Request};
use response::{Head, Status, plain};
use tree::{Entry, Tree};

/// Bytes of a file that are in memory at a time: large enough that a segment of 64 KiB never
/// waits for the disk.
const CHUNK: usize = 256 * 1024;

/// Serves one directory.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    tree: Tree,
}

impl Http {
    /// Serves `directory`, and nothing outside of it.
    pub(crate) fn new(directory: &Path) -> io::Result<Http> {
        Ok(Http { tree: Tree::new(directory)? })
    }

    /// Serves one connection until either side closes it. The stream's own read timeout is the
    /// limit of the peer's silence.
    pub(crate) fn serve(&self, stream: &mut (impl Read + Write)) -> io::Result<()> {
        let mut reader = Reader::default();
        loop {
            let request = match reader.next(stream)? {
                Incoming::Request(request) => request,
                Incoming::Refused(status) => return plain(stream, status, &[], true, false),
                Incoming::Closed => return Ok(()),
            };
            self.answer(&request, stream)?;
            if !request.keep_alive {
                return Ok(());
            }
        }
    }

    fn answer(&self, request: &Request, out: &mut impl Write) -> io::Result<()> {
        let with_body = request.method == Method::Get;
        let keep_alive = request.keep_alive;
        let found = self.tree.find(&request.path);
        tracing::debug!(path = request.path, refused = ?found.as_ref().err(), "http request");
        match found {
            Err(status) => plain(out, status, &[], with_body, keep_alive),
            Ok(Entry::Redirect(location)) => {
                let location = [("Location", location)];
                plain(out, Status::MovedPermanently, &location, with_body, keep_alive)
            }
            Ok(Entry::Directory(names)) => {
                let page = listing::page(&request.path, &names);
                Head::new(Status::Ok, page.len() as u64)
                    .field("Content-Type", "text/html; charset=utf-8")
                    .write(out, keep_alive)?;
                if with_body { out.write_all(page.as_bytes()) } else { Ok(()) }
            }
            Ok(Entry::File { mut file, len, path }) => {
                let (status, first, count) = match request.range.map(|range| range.within(len)) {
                    None => (Status::Ok, 0, len),
                    Some(Some((first, count))) => (Status::PartialContent, first, count),
                    Some(None) => {
                        let all = [("Content-Range", format!("bytes */{len}"))];
                        return plain(
                            out,
                            Status::RangeNotSatisfiable,
                            &all,
                            with_body,
                            keep_alive,
                        );
                    }
                };
                let mut head = Head::new(status, count)
                    .field("Content-Type", media_type(&path))
                    .field("Accept-Ranges", "bytes");
                if status == Status::PartialContent {
                    let last = first + count - 1;
                    head = head.field("Content-Range", format!("bytes {first}-{last}/{len}"));
                }
                head.write(out, keep_alive)?;
                if with_body {
                    file.seek(SeekFrom::Start(first))?;
                    send(&mut file.take(count), count, out)?;
                }
                Ok(())
            }
        }
    }
}

/// Copies exactly `count` bytes; an error where the file has become shorter, since the promised
/// length can only be broken by closing the connection.
fn send(file: &mut impl Read, mut count: u64, out: &mut impl Write) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK.min(usize::try_from(count).unwrap_or(CHUNK))];
    while count > 0 {
        match file.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            len => {
                out.write_all(&chunk[..len])?;
                count -= len as u64;
            }
        }
    }
    Ok(())
}

/// The media type by the name's extension.
fn media_type(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
    match extension.to_ascii_lowercase().as_str() {
        "html" | "htm" => "text/html; charset=utf-8",
        "txt" | "md" | "log" | "rs" | "c" | "h" | "toml" => "text/plain; charset=utf-8",
        "css" => "text/css",
        "js" => "text/javascript",
        "json" => "application/json",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "svg" => "image/svg+xml",
        "pdf" => "application/pdf",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;
