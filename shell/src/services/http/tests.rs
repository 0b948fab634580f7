//! The whole web server over a stream in memory, above all what must not be reached.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

/// A directory of its own for each test, beside a secret that must stay one.
struct Site {
    around: PathBuf,
}

impl Site {
    fn new() -> Site {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("net-shell-http-{}-{number}", std::process::id());
        let around = std::env::temp_dir().join(name);
        let root = around.join("root");
        fs::create_dir_all(root.join("sub dir")).unwrap();
        fs::write(around.join("secret"), "secret").unwrap();
        fs::write(root.join("hello.txt"), "Hello, world!").unwrap();
        fs::write(root.join("empty"), "").unwrap();
        fs::write(root.join("sub dir/50%.html"), "half").unwrap();
        symlink("hello.txt", root.join("link-in")).unwrap();
        symlink("../secret", root.join("link-out")).unwrap();
        symlink("..", root.join("up")).unwrap();
        symlink("ring", root.join("ring")).unwrap();
        Site { around }
    }

    /// What the server answers to these bytes.
    fn raw(&self, requests: &str) -> String {
        struct Duplex<'a>(&'a [u8], Vec<u8>);
        impl Read for Duplex<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0.read(buffer)
            }
        }
        impl Write for Duplex<'_> {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                // A stream may take less than it is given.
                let len = bytes.len().min(7);
                self.1.extend_from_slice(&bytes[..len]);
                Ok(len)
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut duplex = Duplex(requests.as_bytes(), Vec::new());
        Http::new(&self.around.join("root")).unwrap().serve(&mut duplex).unwrap();
        String::from_utf8(duplex.1).unwrap()
    }

    fn get(&self, path: &str) -> String {
        self.with(path, "")
    }

    fn with(&self, path: &str, fields: &str) -> String {
        self.raw(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n"))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.around);
    }
}

fn status(response: &str) -> u16 {
    response.strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap()
}

fn body(response: &str) -> &str {
    response.split_once("\r\n\r\n").unwrap().1
}

#[test]
fn a_file_and_its_head() {
    let site = Site::new();
    let response = site.get("/hello.txt");
    assert_eq!(status(&response), 200);
    assert_eq!(body(&response), "Hello, world!");
    for field in [
        "Content-Length: 13\r\n",
        "Content-Type: text/plain",
        "Accept-Ranges: bytes\r\n",
        "Connection: close\r\n",
    ] {
        assert!(response.contains(field), "{field} in {response}");
    }
    let head = site.raw("HEAD /hello.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert!(head.contains("Content-Length: 13\r\n") && body(&head).is_empty(), "{head}");
    assert_eq!(body(&site.get("/sub%20dir/50%25.html")), "half");
    assert_eq!(body(&site.get("/./sub%20dir//50%25.html?query")), "half");
    assert_eq!(body(&site.get("/link-in")), "Hello, world!");
    let empty = site.get("/empty");
    assert!(status(&empty) == 200 && empty.contains("Content-Length: 0\r\n"));
}

#[test]
fn ranges() {
    let site = Site::new();
    let part = site.with("/hello.txt", "Range: bytes=7-11\r\n");
    assert_eq!((status(&part), body(&part)), (206, "world"));
    assert!(part.contains("Content-Range: bytes 7-11/13\r\n") && part.contains("Length: 5\r\n"));
    assert_eq!(body(&site.with("/hello.txt", "Range: bytes=-6\r\n")), "world!");
    assert_eq!(body(&site.with("/hello.txt", "Range: bytes=12-\r\n")), "!");
    let none = site.with("/hello.txt", "Range: bytes=13-\r\n");
    assert_eq!(status(&none), 416);
    assert!(none.contains("Content-Range: bytes */13\r\n"), "{none}");
    let several = site.with("/hello.txt", "Range: bytes=0-1,3-4\r\n");
    assert_eq!((status(&several), body(&several)), (200, "Hello, world!"));
    let conditional = site.with("/hello.txt", "Range: bytes=0-1\r\nIf-Range: \"x\"\r\n");
    assert_eq!(status(&conditional), 200);
}

#[test]
fn no_way_out_of_the_directory() {
    let site = Site::new();
    for path in [
        "/../secret",
        "/sub%20dir/../../secret",
        "/%2e%2e/secret",
        "/.%2E/secret",
        "/..%2fsecret",
        "/%2e%2e%2fsecret",
        "/..%5csecret",
        "/%252e%252e/secret",
        "/link-out",
        "/up/secret",
        "/up/",
        "/up/root/hello.txt/../../secret",
        "//../secret",
        "/hello.txt%00",
        "/hello.txt%00/../secret",
        "http://x/../secret",
        "/ring",
    ] {
        let response = site.get(path);
        assert!(matches!(status(&response), 400 | 403 | 404), "{path}: {response}");
        assert!(!body(&response).contains("secret"), "{path}: {response}");
    }
    assert_eq!(status(&site.get("/link-out")), 403);
    assert_eq!(status(&site.get("/hello.txt%00")), 400);
    assert_eq!(status(&site.get("/..")), 403);
    assert!(status(&site.get(&format!("/{}", "x".repeat(300)))) == 404);
}

#[test]
fn only_files_are_opened() {
    let site = Site::new();
    let socket = site.around.join("root/socket");
    let _listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
    assert_eq!(status(&site.get("/socket")), 404);
    assert_eq!(status(&site.get("/hello.txt/")), 404);
    assert_eq!(status(&site.get("/hello.txt/x")), 404);
    assert!(Http::new(&site.around.join("secret")).is_err());
    assert!(Http::new(&site.around.join("nothing")).is_err());
}

#[test]
fn directories() {
    let site = Site::new();
    let top = site.get("/");
    assert_eq!(status(&top), 200);
    assert!(top.contains("<a href=\"sub%20dir/\">sub dir/</a>"), "{top}");
    let moved = site.get("//sub%20dir");
    assert_eq!(status(&moved), 301);
    assert!(moved.contains("\r\nLocation: /sub%20dir/\r\n"), "{moved}");
    let below = site.get("/sub%20dir/");
    assert!(below.contains("<a href=\"50%25.html\">50%.html</a>"), "{below}");
    assert!(below.contains("../"));
}

#[test]
fn several_requests_on_one_connection_and_one_that_ends_it() {
    let site = Site::new();
    let one = "GET /hello.txt HTTP/1.1\r\nHost: x\r\n\r\n";
    let all = site.raw(&format!("{one}{one}POST / HTTP/1.1\r\nHost: x\r\n\r\n{one}"));
    assert_eq!(all.matches("Hello, world!").count(), 2, "{all}");
    assert!(all.contains("405 Method Not Allowed") && all.contains("Allow: GET, HEAD\r\n"));
    assert!(all.matches("Connection: keep-alive").count() == 2);
    let old = site.raw(&"GET /hello.txt HTTP/1.0\r\n\r\n".repeat(2));
    assert_eq!(old.matches("Hello, world!").count(), 1);
    assert_eq!(status(&site.raw("GET /hello.txt\r\n\r\n")), 400);
}

#[test]
fn a_file_that_shrinks_ends_the_connection_instead_of_lying() {
    let mut out = Vec::new();
    let error = send(&mut &b"abc"[..], 5, &mut out).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}
