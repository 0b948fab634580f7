//! One byte range of a file (RFC 9110 §14).

/// What a Range header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Range {
    /// From the first byte, up to and with the last (or the end).
    From(u64, Option<u64>),
    /// So many bytes from the end.
    Last(u64),
}

impl Range {
    /// Reads `bytes=0-99`, `bytes=100-` or `bytes=-100`. `None` for several ranges, other units
    /// and what makes no sense: such a header is ignored (RFC 9110 §14.2).
    pub(super) fn parse(value: &[u8]) -> Option<Range> {
        let value = std::str::from_utf8(value).ok()?.trim();
        let (unit, range) = value.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let number = |text: &str| -> Option<u64> {
            (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(())?;
            // More digits than a u64 has: beyond any file, which is what the number says.
            Some(text.parse().unwrap_or(u64::MAX))
        };
        match range.trim().split_once('-')? {
            ("", last) => Some(Range::Last(number(last)?)),
            (first, "") => Some(Range::From(number(first)?, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Range::From(first, Some(last)))
            }
        }
    }

    /// First byte and number of bytes within a file of `len`; `None` where nothing of it is
    /// there.
    pub(super) fn within(self, len: u64) -> Option<(u64, u64)> {
        let (first, count) = match self {
            Range::From(first, last) => {
                let end = last.map_or(len, |last| last.saturating_add(1).min(len));
                (first, end.checked_sub(first)?)
            }
            Range::Last(count) => (len.saturating_sub(count), count.min(len)),
        };
        (count > 0).then_some((first, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        let within = |text: &str| Range::parse(text.as_bytes()).map(|range| range.within(1000));
        assert_eq!(within("bytes=0-99"), Some(Some((0, 100))));
        assert_eq!(within("Bytes = 999-"), Some(Some((999, 1))));
        assert_eq!(within("bytes=-100"), Some(Some((900, 100))));
        assert_eq!(within("bytes=-5000"), Some(Some((0, 1000))));
        assert_eq!(within("bytes=500-99999999999999999999999"), Some(Some((500, 500))));
        assert_eq!(within("bytes=1000-"), Some(None));
        assert_eq!(within("bytes=-0"), Some(None));
        for ignored in ["bytes=5-4", "bytes=0-1,3-4", "bytes=", "bytes=-", "lines=1-2", "bytes=+1-"]
        {
            assert_eq!(within(ignored), None, "{ignored}");
        }
        assert_eq!(Range::parse(b"bytes=0-0").unwrap().within(0), None);
    }
}
