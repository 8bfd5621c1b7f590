//! Text inside of HTML: nothing that a file holds can become markup.
//!
//! Every identifier, title, question and path of a report goes through [`Text`], in content and in quoted attributes alike.
//! Control characters, which HTML does not have, become spaces.

use std::fmt::{self, Write};

/// Shows a text with the five signs of markup as entities.
pub(super) struct Text<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c if c.is_control() => f.write_char(' ')?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_control_characters_do_not_get_through() {
        let text = "<a href=\"x\" title='y'>&\u{0}\n\u{9b}é</a>";
        let expected = "&lt;a href=&quot;x&quot; title=&#39;y&#39;&gt;&amp;   é&lt;/a&gt;";
        assert_eq!(Text(text).to_string(), expected);
    }
}
