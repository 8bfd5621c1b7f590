//! [`Page`]: what is in a text file, whatever its markup: a title, headings, and the body as plain text. Markdown and HTML fill
//! it, [`PageText`] keeps their spaces and lines in order, `folder` makes documents of it.

/// What is in a text file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) title: Option<String>,
    pub(crate) headings: Vec<String>,
    pub(crate) body: String,
}

/// Text under way, in which markup ends lines and runs of spaces are one.
#[derive(Debug, Default)]
pub(crate) struct PageText {
    text: String,
    space: bool,
}

impl PageText {
    /// Adds words.
    pub(crate) fn push(&mut self, words: &str) {
        for character in words.chars() {
            if character.is_whitespace() {
                self.space = true;
                continue;
            }
            if self.space && !self.text.is_empty() && !self.text.ends_with('\n') {
                self.text.push(' ');
            }
            self.space = false;
            self.text.push(character);
        }
    }

    /// Adds text whose lines are to stay as they are.
    pub(crate) fn push_lines(&mut self, lines: &str) {
        self.space = false;
        self.text.push_str(lines);
    }

    /// Ends the line, if there is one.
    pub(crate) fn end_line(&mut self) {
        self.space = false;
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    /// Takes the text.
    pub(crate) fn take(&mut self) -> String {
        self.space = false;
        let mut text = std::mem::take(&mut self.text);
        text.truncate(text.trim_end().len());
        text
    }
}
