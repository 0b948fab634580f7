//! From a path in a request to what stands for it in the served directory, and nowhere else.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};

use super::response::Status;

/// What may not stand as it is in a segment of a URL's path (RFC 3986 §3.3) or in HTML.
const SEGMENT: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'&')
    .add(b'\'')
    .add(b'/')
    .add(b':')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A name as a segment of a URL.
pub(super) fn encode(name: &[u8]) -> String {
    percent_encode(name, SEGMENT).to_string()
}

/// A directory that is served.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    root: PathBuf,
}

/// What a path stands for.
pub(super) enum Entry {
    File {
        file: File,
        len: u64,
        path: PathBuf,
    },
    /// Its names, directories with a slash, in order.
    Directory(Vec<Vec<u8>>),
    /// A directory whose path lacks the slash at its end: relative links in the listing need it.
    Redirect(String),
}

impl Tree {
    /// Serves `root`, which must be a directory.
    pub(super) fn new(root: &Path) -> io::Result<Tree> {
        let root = root.canonicalize()?;
        if !root.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        Ok(Tree { root })
    }

    /// What `path`, percent-encoded, stands for.
    pub(super) fn find(&self, path: &str) -> Result<Entry, Status> {
        let segments = segments(path)?;
        let mut wanted = self.root.clone();
        wanted.extend(segments.iter().map(|segment| std::ffi::OsStr::from_bytes(segment)));
        // A symbolic link may lead out: what counts is where the path really ends.
        let real = wanted.canonicalize().map_err(status_of)?;
        if !real.starts_with(&self.root) {
            return Err(Status::Forbidden);
        }
        // Who may write into the directory could put a link there between this and the opening:
        // such a person can as well put a copy there.
        // Only then opened: to open a FIFO would wait, to open a device may do anything.
        let metadata = fs::metadata(&real).map_err(status_of)?;
        if metadata.is_dir() {
            if !path.ends_with('/') {
                let mut location = String::from("/");
                for segment in &segments {
                    location += &encode(segment);
                    location.push('/');
                }
                return Ok(Entry::Redirect(location));
            }
            return Ok(Entry::Directory(names(&real).map_err(status_of)?));
        }
        // A slash behind the name of a file is another path, where nothing is.
        if !metadata.is_file() || path.ends_with('/') {
            return Err(Status::NotFound);
        }
        let file = File::open(&real).map_err(status_of)?;
        let len = file.metadata().map_err(status_of)?.len();
        Ok(Entry::File { file, len, path: real })
    }
}

/// The decoded segments of a path; empty ones and `.` mean nothing. Decoded once, after it was
/// split, so that no `%2f` makes a segment and no `%252e` a dot.
fn segments(path: &str) -> Result<Vec<Vec<u8>>, Status> {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        let bytes: Vec<u8> = percent_decode_str(segment).collect();
        match &bytes[..] {
            b"" | b"." => {}
            b".." => return Err(Status::Forbidden),
            name if name.contains(&0) => return Err(Status::BadRequest),
            name if name.contains(&b'/') => return Err(Status::NotFound),
            _ => segments.push(bytes),
        }
    }
    Ok(segments)
}

fn names(directory: &Path) -> io::Result<Vec<Vec<u8>>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let mut name = entry.file_name().into_vec();
        if entry.path().is_dir() {
            name.push(b'/');
        }
        names.push(name);
    }
    names.sort();
    Ok(names)
}

fn status_of(error: io::Error) -> Status {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename => {
            Status::NotFound
        }
        io::ErrorKind::PermissionDenied => Status::Forbidden,
        // A ring of symbolic links has no stable kind.
        _ if error.raw_os_error() == Some(libc::ELOOP) => Status::NotFound,
        _ => Status::ServerError,
    }
}
