//! Markdown as a [`Page`]: its words without marks. Front matter between `---` lines gives the title and is left out of the body.
//!
//! `pulldown-cmark` reads CommonMark with tables, footnotes, task lists and front matter; HTML within goes through `html`.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::html::read_html;
use crate::page::{Page, PageText};

/// The page that is this text.
pub(crate) fn read_markdown(text: &str) -> Page {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
    let mut reading = Reading::default();
    for event in Parser::new_ext(text, options) {
        reading.event(&event);
    }
    let title = reading.title.or(reading.first_heading);
    let title = title.or_else(|| reading.page.headings.first().cloned());
    Page { title, body: reading.body.take(), ..reading.page }
}

#[derive(Default)]
struct Reading {
    page: Page,
    body: PageText,
    heading: PageText,
    title: Option<String>,
    first_heading: Option<String>,
    front_matter: String,
    html: String,
    place: Place,
}

/// What the next words are part of.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Body,
    Heading,
    Code,
    FrontMatter,
    Html,
}

impl Reading {
    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(end) => self.end(*end),
            Event::Text(text) | Event::Html(text) => self.text(text),
            Event::Code(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                self.text(text);
            }
            Event::SoftBreak => self.text(" "),
            Event::HardBreak | Event::Rule => self.body.end_line(),
            Event::InlineHtml(_) | Event::FootnoteReference(_) | Event::TaskListMarker(_) => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>) {
        match tag {
            Tag::Heading { .. } => self.place = Place::Heading,
            Tag::CodeBlock(_) => self.place = Place::Code,
            Tag::MetadataBlock(_) => self.place = Place::FrontMatter,
            Tag::HtmlBlock => self.place = Place::Html,
            Tag::Emphasis
            | Tag::Strong
            | Tag::Strikethrough
            | Tag::Link { .. }
            | Tag::Image { .. }
            | Tag::Superscript
            | Tag::Subscript => return,
            Tag::TableCell => return self.body.push(" "),
            _ => {}
        }
        self.body.end_line();
    }

    fn end(&mut self, end: TagEnd) {
        match end {
            TagEnd::Heading(level) => {
                let heading = self.heading.take();
                if level == HeadingLevel::H1 && self.first_heading.is_none() {
                    self.first_heading =
                        Some(heading.clone()).filter(|heading| !heading.is_empty());
                }
                self.page.headings.extend(Some(heading).filter(|heading| !heading.is_empty()));
            }
            TagEnd::MetadataBlock(_) => self.title = title_of(&self.front_matter),
            TagEnd::HtmlBlock => {
                let page = read_html(&std::mem::take(&mut self.html));
                self.page.headings.extend(page.headings);
                self.body.push_lines(&page.body);
            }
            TagEnd::CodeBlock => {}
            TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Strikethrough
            | TagEnd::Link
            | TagEnd::Image
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::TableCell => return,
            _ => return self.body.end_line(),
        }
        self.place = Place::Body;
        self.body.end_line();
    }

    fn text(&mut self, text: &str) {
        match self.place {
            Place::Body => self.body.push(text),
            Place::Heading => {
                self.heading.push(text);
                self.body.push(text);
            }
            Place::Code => self.body.push_lines(text),
            Place::FrontMatter => self.front_matter.push_str(text),
            Place::Html => self.html.push_str(text),
        }
    }
}

/// The title that front matter gives.
fn title_of(front_matter: &str) -> Option<String> {
    let title = front_matter.lines().find_map(|line| line.strip_prefix("title:"))?.trim();
    let inside = |quote: char| title.strip_prefix(quote)?.strip_suffix(quote);
    let title = inside('"').or_else(|| inside('\'')).unwrap_or(title);
    Some(title.to_owned()).filter(|title| !title.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_left_out_and_words_stay() {
        let page = read_markdown(
            "# The *Rhine*\n\nA river of **gold**,\nthey [sang](http://x.y \"no\").\n\n## On `the` river\n\n* one\n* two\n\n\
             ```rust\nfn a() {\n    b\n}\n```\n\n| a | b |\n|---|---|\n| c | d |\n\n<div>in <b>html</b></div>\n\n![a boat](x.png)\n",
        );
        assert_eq!(page.title.as_deref(), Some("The Rhine"));
        assert_eq!(page.headings, ["The Rhine", "On the river"]);
        assert_eq!(
            page.body,
            "The Rhine\nA river of gold, they sang.\nOn the river\none\ntwo\nfn a() {\n    b\n}\na b\nc d\nin html\na boat"
        );
    }

    #[test]
    fn front_matter_gives_the_title() {
        let page = read_markdown(
            "---\ntitle: \"Gold: a history\"\ndate: 2020-01-01\n---\n\nText.\n\n# Heading\n",
        );
        assert_eq!(page.title.as_deref(), Some("Gold: a history"));
        assert_eq!(page.body, "Text.\nHeading");
        assert_eq!(read_markdown("Text.\n\n## Second\n").title.as_deref(), Some("Second"));
        assert_eq!(read_markdown("Text.\n").title, None);
    }

    #[test]
    fn depth_and_damage_do_no_harm() {
        for text in [">".repeat(50_000), "[".repeat(50_000), "* ".repeat(2000), "*_".repeat(20_000)]
        {
            let _ = read_markdown(&text);
        }
        let parts = [
            "# ", "\n", "---\n", "```", "|", "- ", "[", "](", ")", "<b>", "*", "_", "> ", "a", " ",
            "title:", "\\", "&",
        ];
        let mut rng = fastrand::Rng::with_seed(8);
        for _ in 0..3000 {
            let text: String =
                (0..rng.usize(..40)).map(|_| parts[rng.usize(..parts.len())]).collect();
            let _ = read_markdown(&text);
        }
    }
}
