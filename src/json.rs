//! Strings in JSON.

use std::fmt::Write;

/// Writes `text` as a JSON string, which may also stand in a script element of a
/// page: it holds no `<`.
pub(crate) fn string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.find(is_special) {
        out.push_str(&rest[..at]);
        let special = rest[at..].chars().next().unwrap_or_default();
        match special {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            other => {
                let _ = write!(out, "\\u{:04x}", u32::from(other));
            }
        }
        rest = &rest[at + special.len_utf8()..];
    }
    out.push_str(rest);
    out.push('"');
}

/// Control characters, what JSON wants escaped, what would end a script, and the
/// two line ends that some readers of JSON stumble over.
fn is_special(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{1f}' | '"' | '\\' | '<' | '\u{7f}' | '\u{2028}' | '\u{2029}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &str) -> String {
        let mut out = String::new();
        string(&mut out, text);
        out
    }

    #[test]
    fn plain_text_stays() {
        assert_eq!(quoted(""), r#""""#);
        assert_eq!(quoted("käse 日本 🦀 a/b"), r#""käse 日本 🦀 a/b""#);
    }

    #[test]
    fn what_is_special_is_escaped() {
        assert_eq!(quoted("a\"b\\c\nd"), r#""a\"b\\c\nd""#);
        assert_eq!(quoted("\0\t\u{1f}\u{7f}"), r#""\u0000\u0009\u001f\u007f""#);
        assert_eq!(quoted("\u{2028}"), r#""\u2028""#);
        assert_eq!(quoted("</script><!--"), r#""\u003c/script>\u003c!--""#);
    }
}
