//! HTML as a [`Page`]: what a reader sees of it, without scripts, styles and markup.
//!
//! `html5ever` cuts the text into tags and characters, with all the rules that browsers have for that. No tree is built: a page
//! is as deep as it likes, and costs one pass and the memory of its text. Elements that stand on lines of their own end lines.

use std::cell::RefCell;

use encoding_rs::Encoding;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

use crate::page::{Page, PageText};

/// Where a page says how it is encoded, if it does.
const META_BYTES: usize = 4096;

/// Elements within which there is nothing to read.
const UNSEEN: [&str; 6] = ["script", "style", "template", "noscript", "svg", "iframe"];
/// Elements that are part of a line.
const INLINE: [&str; 34] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em",
    "font", "i", "img", "ins", "kbd", "label", "mark", "q", "ruby", "s", "samp", "small", "span",
    "strike", "strong", "sub", "sup", "time", "u", "var", "wbr",
];

/// The page that is this text.
pub(crate) fn read_html(text: &str) -> Page {
    let input = BufferQueue::default();
    input.push_back(StrTendril::from(text));
    let tokenizer = Tokenizer::new(Sink::default(), TokenizerOpts::default());
    // What it returns asks to run scripts; there are none that run here.
    while !input.is_empty() {
        let _ = tokenizer.feed(&input);
    }
    tokenizer.end();
    tokenizer.sink.0.into_inner().finish()
}

/// The encoding that a page says it has.
pub(crate) fn told_encoding(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes.get(..META_BYTES).unwrap_or(bytes).to_ascii_lowercase();
    let head = String::from_utf8_lossy(&head);
    let (_, rest) = head.split_once("charset")?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start().trim_start_matches(['"', '\'']);
    let label: String =
        rest.chars().take_while(|c| c.is_ascii_alphanumeric() || "-_:".contains(*c)).collect();
    Encoding::for_label(label.as_bytes())
}

#[derive(Default)]
struct Sink(RefCell<Reading>);

impl TokenSink for Sink {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut reading = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) => return reading.tag(&tag),
            Token::CharacterTokens(text) => reading.text(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

#[derive(Default)]
struct Reading {
    page: Page,
    body: PageText,
    title: PageText,
    heading: PageText,
    first_heading: Option<String>,
    in_title: bool,
    in_heading: bool,
    in_pre: bool,
    /// The element that hides what is in it, and how many of its kind are open.
    unseen: Option<(String, u64)>,
}

impl Reading {
    fn tag(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let (name, opens) = (&*tag.name, tag.kind == TagKind::StartTag);
        if let Some((unseen, depth)) = &mut self.unseen {
            if unseen == name && !tag.self_closing {
                *depth = if opens { *depth + 1 } else { depth.saturating_sub(1) };
            }
            if *depth == 0 {
                self.unseen = None;
            }
        } else if opens && UNSEEN.contains(&name) && !tag.self_closing {
            self.unseen = Some((name.to_owned(), 1));
        } else {
            self.seen_tag(name, opens);
        }
        match name {
            "script" if opens => TokenSinkResult::RawData(RawKind::ScriptData),
            "style" | "iframe" if opens => TokenSinkResult::RawData(RawKind::Rawtext),
            "title" | "textarea" if opens && self.unseen.is_none() => {
                TokenSinkResult::RawData(RawKind::Rcdata)
            }
            _ => TokenSinkResult::Continue,
        }
    }

    fn seen_tag(&mut self, name: &str, opens: bool) {
        match name {
            "title" => self.in_title = opens,
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.end_heading(name == "h1");
                self.in_heading = opens;
            }
            "pre" => self.in_pre = opens,
            _ => {}
        }
        if !INLINE.contains(&name) {
            self.body.end_line();
            self.heading.push(" ");
        }
    }

    fn end_heading(&mut self, is_first: bool) {
        let heading = self.heading.take();
        if heading.is_empty() {
            return;
        }
        if is_first && self.first_heading.is_none() {
            self.first_heading = Some(heading.clone());
        }
        self.page.headings.push(heading);
    }

    fn text(&mut self, text: &str) {
        if self.unseen.is_some() {
            return;
        }
        if self.in_title {
            return self.title.push(text);
        }
        if self.in_heading {
            self.heading.push(text);
        }
        if self.in_pre { self.body.push_lines(text) } else { self.body.push(text) }
    }

    fn finish(mut self) -> Page {
        self.end_heading(false);
        let title = Some(self.title.take()).filter(|title| !title.is_empty());
        let first = self.first_heading.or_else(|| self.page.headings.first().cloned());
        Page { title: title.or(first), body: self.body.take(), ..self.page }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_what_a_reader_sees() {
        let page = read_html(
            "<!DOCTYPE html><html><head><meta charset=utf-8><title>The &lt;Rhine&gt;</title>\
             <style>p { color: red }</style><script>if (a < b) document.write('<p>no</p>')</script></head>\
             <body><h1>Gold <em>rivers</em></h1><p>A&nbsp;river of   g<b>old</b>,<br>they\nsang.</p>\
             <ul><li>one<li>two</ul><noscript>no</noscript><svg><title>no</title></svg>\
             <pre>a\n  b</pre><h2>Second</h2><!-- no --><textarea><b>x</b></textarea></body>",
        );
        assert_eq!(page.title.as_deref(), Some("The <Rhine>"));
        assert_eq!(page.headings, ["Gold rivers", "Second"]);
        assert_eq!(
            page.body,
            "Gold rivers\nA river of gold,\nthey sang.\none\ntwo\na\n  b\nSecond\n<b>x</b>"
        );
    }

    #[test]
    fn titles_are_made_of_headings_if_need_be() {
        assert_eq!(read_html("<h2>a</h2><h1>b</h1>").title.as_deref(), Some("b"));
        assert_eq!(read_html("<h2>a</h2>").title.as_deref(), Some("a"));
        assert_eq!(read_html("<p>a"), Page { body: "a".to_owned(), ..Page::default() });
        assert_eq!(read_html("<h1>a").headings, ["a"]);
    }

    #[test]
    fn pages_may_say_how_they_are_encoded() {
        let name = |page: &str| told_encoding(page.as_bytes()).map(Encoding::name);
        assert_eq!(name("<meta charset=\"ISO-8859-2\">"), Some("ISO-8859-2"));
        let long = "<META http-equiv='Content-Type' content='text/html; CHARSET = koi8-r'>";
        assert_eq!(name(long), Some("KOI8-R"));
        assert_eq!(name("<p>charset"), None);
    }

    #[test]
    fn depth_and_damage_do_no_harm() {
        assert_eq!(read_html(&"<div>".repeat(50_000)).body, "");
        assert_eq!(read_html(&format!("{}x", "<svg>".repeat(50_000))).body, "");
        let parts = [
            "<", ">", "</", "script", "title", "h1", "pre", "svg", "style", "!--", "-->", "&am",
            ";", "a", " ", "=", "\"", "/",
        ];
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..1000 {
            let text: String =
                (0..rng.usize(..40)).map(|_| parts[rng.usize(..parts.len())]).collect();
            let _ = read_html(&text);
        }
    }
}
