//! A directory as a page.

use std::fmt::Write as _;

use percent_encoding::percent_decode_str;

use super::tree::encode;

/// The page for the directory at `path` (percent-encoded), which has these names.
pub(super) fn page(path: &str, names: &[Vec<u8>]) -> String {
    let title = escape(&percent_decode_str(path).decode_utf8_lossy());
    let mut page = format!(
        "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"><title>{title}</title></head>\n\
         <body><h1>{title}</h1>\n<ul>\n"
    );
    if !path.trim_matches('/').is_empty() {
        page += "<li><a href=\"../\">../</a></li>\n";
    }
    for name in names {
        let (bare, slash) = match name.strip_suffix(b"/") {
            Some(bare) => (bare, "/"),
            None => (&name[..], ""),
        };
        let (link, text) = (encode(bare), escape(&String::from_utf8_lossy(name)));
        // Writing into a String cannot fail.
        let _ = writeln!(page, "<li><a href=\"{link}{slash}\">{text}</a></li>");
    }
    page += "</ul></body></html>\n";
    page
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_twice_over() {
        let names = [b"a\"b<c>.txt".to_vec(), b"d e/".to_vec(), b"\xff?".to_vec()];
        let page = page("/x%3Cy/", &names);
        assert!(page.contains("<title>/x&lt;y/</title>"), "{page}");
        let link = "<a href=\"a%22b%3Cc%3E.txt\">a&quot;b&lt;c&gt;.txt</a>";
        assert!(page.contains(link), "{page}");
        assert!(page.contains("<a href=\"d%20e/\">d e/</a>"), "{page}");
        assert!(page.contains("<a href=\"%FF%3F\">\u{fffd}?</a>"), "{page}");
        assert!(page.contains("../"));
        assert!(!super::page("/", &[]).contains("../"));
    }
}
